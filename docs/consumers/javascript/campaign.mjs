// The campaign: what to do about an event, and about time going by. No Kafka in here.
// State is in SQL, and each answer comes with the state that it leads to, in one transaction of the
// caller's. All instants are RFC 3339 in UTC with milliseconds, so they compare as texts.

// At least as long as the topic keeps its events: a reader that begins anew sees all of them.
const MEMORY_MS = 45 * 24 * 3600 * 1000;
const KNOWN = new Set(
  ["abandoned", "changed", "recovered", "anonymized", "deleted"].map((name) => `checkout.${name}`),
);

export class Campaign {
  constructor(database, { delayMs }) {
    this.delayMs = delayMs;
    // subject: kept after an erasure, for later events carry nothing personal
    // hindrance: why no campaign may start, as far as the checkout itself goes
    // state: waiting, started, skipped, ended
    database.exec(`
      CREATE TABLE IF NOT EXISTS checkouts (
        id TEXT PRIMARY KEY, subject TEXT, left_at TEXT NOT NULL, expires_at TEXT,
        hindrance TEXT, state TEXT NOT NULL, reason TEXT);
      CREATE TABLE IF NOT EXISTS seen (event_id TEXT PRIMARY KEY, seen_at TEXT NOT NULL);`);
    const sql = (text) => database.prepare(text);
    this.remember = sql("INSERT INTO seen VALUES (?, ?) ON CONFLICT DO NOTHING");
    this.forget = sql("DELETE FROM seen WHERE seen_at < ?");
    this.insert = sql(`
      INSERT INTO checkouts VALUES (?, ?, ?, ?, ?, 'waiting', NULL) ON CONFLICT (id) DO NOTHING`);
    this.change = sql(`
      UPDATE checkouts SET subject = ?, hindrance = ?,
      state = CASE state WHEN 'skipped' THEN 'waiting' ELSE state END WHERE id = ?`);
    this.find = sql("SELECT state, subject FROM checkouts WHERE id = ?");
    this.waiting = sql(`
      SELECT id, subject, left_at, expires_at, hindrance, reason FROM checkouts
      WHERE state = 'waiting' AND left_at <= ? ORDER BY left_at, id`);
    this.newer = sql(`
      SELECT id FROM checkouts WHERE subject = ? AND state <> 'ended'
      AND (left_at > ? OR (left_at = ? AND id > ?))`);
    this.running = sql(
      "SELECT id FROM checkouts WHERE subject = ? AND state = 'started' ORDER BY id",
    );
    this.set = sql("UPDATE checkouts SET state = ?, reason = ? WHERE id = ?");
  }

  /** What an event (a CloudEvent) makes the campaign do at once. */
  handle(event, now) {
    if (!KNOWN.has(event.type)) return []; // of a later release
    if (this.remember.run(event.id, now.toISOString()).changes === 0) return []; // the same event
    const value = event.data;
    if (event.type === "checkout.abandoned") {
      const leftAt = value.abandoned_at ?? value.recorded_at;
      const { subject_key: subject, expires_at: expiresAt } = value;
      this.insert.run(event.subject, subject, leftAt, expiresAt ?? null, hindrance(value));
      return [];
    }
    if (event.type === "checkout.changed") {
      this.change.run(value.subject_key, hindrance(value), event.subject);
      return [];
    }
    return this.#end(event.subject, event.type.slice("checkout.".length));
  }

  /** What is to do now that everything has been read: the status is looked at just here. */
  due(now) {
    const actions = [];
    const latest = new Date(now - this.delayMs).toISOString();
    for (const row of this.waiting.all(latest)) {
      const { id, subject, left_at: leftAt, expires_at: expiresAt, reason: last } = row;
      let hindered = row.hindrance;
      if (!hindered && expiresAt && expiresAt < now.toISOString()) hindered = "expired";
      if (!hindered && this.newer.get(subject, leftAt, leftAt, id)) hindered = "replaced";
      if (hindered) {
        this.set.run("skipped", hindered, id);
        if (hindered !== last) actions.push(`skip ${id} ${hindered}`);
        continue;
      }
      for (const { id: older } of this.running.all(subject)) {
        this.set.run("skipped", "replaced", older);
        actions.push(`stop ${older} replaced`);
      }
      this.set.run("started", null, id);
      actions.push(`start ${id} ${subject}`);
    }
    this.forget.run(new Date(now - MEMORY_MS).toISOString());
    return actions;
  }

  /** Recovered, anonymized or deleted: no campaign any more. */
  #end(id, why) {
    const { state, subject } = this.find.get(id) ?? {};
    const actions = [];
    if (state === "started") actions.push(`stop ${id} ${why}`);
    if (state === "waiting") actions.push(`skip ${id} ${why}`);
    if (why === "anonymized" || why === "deleted") actions.push(`erase ${id} ${subject ?? "-"}`);
    this.set.run("ended", why, id);
    return actions;
  }
}

/** Why the checkout is none for a campaign; null if it is one. */
function hindrance(value) {
  if (value.is_staff) return "staff";
  if (!value.checkout_url) return "no-link";
  if (value.reachable_by.length === 0) return "no-contact";
  return value.automation.is_scheduled ? "scheduled" : null;
}
