// What the numbers mean: which of them leads, and the sentences about them. Pure.

// A window too short for the matured rate: an hour's checkouts are too few to be more than noise.
export const TOO_SHORT = "1h";

export function windowOf(overview, name) {
  return overview.windows.find((one) => one.window === name) ?? null;
}

// What stands in large figures: the recovery rate, or, while no checkout has had its time, what
// has recovered so far; null if nothing was left at all.
export function headlineOf(window) {
  if (window.window !== TOO_SHORT && window.matured.rate !== null) {
    return { kind: "matured", ...window.matured };
  }
  if (window.cohort.rate !== null) {
    return { kind: "cohort", ...window.cohort, from: window.from, to: window.to };
  }
  return null;
}

// The headline as words, in pieces so that a page may set figures apart: texts at even places,
// figures at odd ones.
export function sentenceOf(window, format) {
  const headline = headlineOf(window);
  const horizon = format.span(window.horizon);
  if (headline === null) {
    return [`Nobody left a checkout in the last ${format.span(window.window)}.`];
  }
  const [first, last] = format.period(headline.from, headline.to);
  const figures = `${format.percent(headline.rate)}, likely ${format.percentRange(headline.low, headline.high)}`;
  const one = headline.abandoned === 1;
  return [
    "Of the ",
    format.count(headline.abandoned),
    ` ${one ? "checkout" : "checkouts"} left between ${first} and ${last}, `,
    format.count(headline.recovered),
    ` (${figures}) ${headline.recovered === 1 ? "was" : "were"} completed ${headline.kind === "matured" ? `within ${horizon}` : "so far"}.`,
  ];
}

// Change of the share that recovered so far against the window before, in percentage points;
// null where either is unknown.
export function changeOf(window) {
  const before = window.previous?.cohort;
  if (!before || before.abandoned === 0 || window.cohort.rate === null) return null;
  return Number(window.cohort.rate) - before.recovered / before.abandoned;
}

export function isEmpty(overview) {
  return overview.windows.every(
    (one) =>
      one.flow.abandoned === 0 &&
      one.flow.recovered === 0 &&
      one.cohort.abandoned === 0 &&
      one.matured.abandoned === 0,
  );
}

// How many points a share is drawn of: a share of three checkouts is noise.
export function togetherOf(series) {
  return Math.max(1, Math.round(series.points.length / 24));
}

// Points of the series as columns: instants in seconds, abandoned, recovered, and the share of
// these in those, each of the last few points together; null of none.
export function columnsOf(series) {
  const { points } = series;
  const together = togetherOf(series);
  const sum = (index, name) =>
    points
      .slice(Math.max(0, index + 1 - together), index + 1)
      .reduce((all, point) => all + point[name], 0);
  return [
    points.map((point) => Date.parse(point.start) / 1000),
    points.map((point) => point.abandoned),
    points.map((point) => point.recovered),
    points.map((_, index) => {
      if (index + 1 < together) return null;
      const abandoned = sum(index, "abandoned");
      return abandoned > 0 ? sum(index, "recovered") / abandoned : null;
    }),
  ];
}

// "7d" in seconds.
export function secondsOf(span) {
  return parseInt(span, 10) * (span.endsWith("d") ? 86400 : 3600);
}

// Since when checkouts may still recover within the horizon ("7d"), in seconds since 1970.
export function youngSince(horizon, now) {
  return now / 1000 - secondsOf(horizon);
}

// An id as a person reads it; the whole of a short one.
export function shortId(id) {
  return id.length > 13 ? id.slice(0, 8) : id;
}

// What somebody typed into the search of checkouts, as a filter of Wix's query language.
export function filterOf({ text = "", status = "" }) {
  const asked = text.trim();
  const filter = {};
  if (asked.includes("@")) filter["buyerInfo.email"] = { $startsWith: asked };
  else if (asked) filter.id = { $startsWith: asked.toLowerCase() };
  if (status) filter.status = status;
  return filter;
}

// An address within the page: view, id and parameters.
export function readHash(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view = "", ...rest] = path.split("/");
  return {
    view: view || "recovery",
    id: rest.length > 0 ? decodeURIComponent(rest.join("/")) : null,
    parameters: Object.fromEntries(new URLSearchParams(query)),
  };
}

export function writeHash(view, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  const query = new URLSearchParams(given).toString();
  return `#/${view}${query ? `?${query}` : ""}`;
}

const EFFECTS = {
  first: "We had not heard of this checkout before.",
  changed: "It changed what we know.",
  known: "It told something that our answer does not show, such as older news.",
  nothing: "We knew all of it already.",
};
const KINDS = {
  created: "The checkout was left",
  updated: "The checkout changed",
  recovered: "The buyer came back and bought",
  deleted: "The checkout was deleted",
};
const TYPES = {
  "checkout.abandoned": "abandoned",
  "checkout.changed": "changed",
  "checkout.recovered": "recovered",
  "checkout.anonymized": "anonymized",
  "checkout.deleted": "deleted",
};
const ORIGINS = {
  webhook: "Wix's webhook",
  backfill: "a backfill",
  replay: "a replay",
  operator: "an operator",
};

// One entry of a timeline in words: a title, and what is to be said of it.
export function entryInWords(entry) {
  if (entry.what === "announced") {
    return {
      title: `Told subscribers: ${TYPES[entry.type] ?? entry.type}`,
      note: entry.changed_fields.length > 0 ? `Changed: ${entry.changed_fields.join(", ")}.` : "",
    };
  }
  const changed =
    entry.effect === "changed" && entry.changed_fields.length > 0
      ? `It changed ${entry.changed_fields.join(", ")}.`
      : EFFECTS[entry.effect];
  return {
    title: entry.is_anonymize_request
      ? "Wix asked to erase personal data"
      : KINDS[entry.kind] ?? entry.kind,
    note: `From ${ORIGINS[entry.origin] ?? entry.origin}${entry.is_repeat ? ", sent again" : ""}. ${changed}`,
  };
}

const REASONS = {
  claims_unreadable: "The signed token held no event.",
  envelope_unreadable: "The event's envelope was no JSON.",
  event_unreadable: "The event itself was no JSON.",
  entity_unreadable: "A field of the checkout had a type or a date that can't be.",
  site_missing: "The event did not say which site it belongs to.",
  checkout_id_missing: "The event named no checkout.",
  event_time_missing: "The event had no date anywhere.",
  fact_unreadable: "An internal record was not written by us.",
};
const STAGES = {
  ingress: "when it came in",
  "track-checkouts": "while checkouts were tracked",
  "measure-conversion": "while rates were counted",
};

export const reasonInWords = (reason) => REASONS[reason] ?? reason;
export const stageInWords = (stage) => STAGES[stage] ?? stage;

const GROUPS = [
  ["stable", "All work is handed out."],
  ["preparing", "The work is being handed out anew."],
  ["completing", "The work is being handed out anew."],
  ["empty", "No worker is running: webhooks wait in Kafka until one is."],
  ["dead", "No worker has been here yet."],
  ["unknown", "Kafka did not say how the work is handed out."],
];

// How the workers' consumer group is, for somebody who has never heard of one.
export function groupInWords(state) {
  const name = String(state).toLowerCase();
  return GROUPS.find(([start]) => name.startsWith(start))?.[1] ?? `State of the group: ${state}.`;
}
