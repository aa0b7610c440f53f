import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.cloudevents.CloudEvent;
import java.io.IOException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/**
 * The campaign: what to do about an event, and about time going by. No Kafka in here.
 *
 * <p>State is in SQL, and each answer comes with the state that it leads to, in one transaction of
 * the caller's. All instants are RFC 3339 in UTC with milliseconds, so they compare as texts.
 */
final class Campaign {
  /** At least as long as the topic keeps its events: a reader that begins anew sees all of them. */
  static final Duration MEMORY = Duration.ofDays(45);

  private static final Set<String> KNOWN =
      Set.of(
          "checkout.abandoned",
          "checkout.changed",
          "checkout.recovered",
          "checkout.anonymized",
          "checkout.deleted");
  private static final DateTimeFormatter FORMAT =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Connection database;
  private final Duration delay;

  Campaign(Connection database, Duration delay) throws SQLException {
    this.database = database;
    this.delay = delay;
    update(
        "CREATE TABLE IF NOT EXISTS checkouts (id TEXT PRIMARY KEY,"
            + " subject TEXT," // kept after an erasure: later events carry nothing personal
            + " left_at TEXT NOT NULL, expires_at TEXT,"
            + " hindrance TEXT," // why no campaign may start, as far as the checkout itself goes
            + " state TEXT NOT NULL," // waiting, started, skipped, ended
            + " reason TEXT)");
    update("CREATE TABLE IF NOT EXISTS seen (event_id TEXT PRIMARY KEY, seen_at TEXT NOT NULL)");
    database.commit();
  }

  /** What an event makes the campaign do at once. Throws IOException for what is no event of ours. */
  List<String> handle(CloudEvent event, Instant now) throws SQLException, IOException {
    if (!KNOWN.contains(event.getType())) {
      return List.of(); // of a later release
    }
    JsonNode value = JSON.readTree(Objects.requireNonNull(event.getData()).toBytes());
    String remember = "INSERT INTO seen VALUES (?, ?) ON CONFLICT DO NOTHING";
    if (update(remember, event.getId(), text(now)) == 0) {
      return List.of(); // the same id: the same event
    }
    String checkout = event.getSubject();
    String subject = optional(value, "subject_key");
    switch (event.getType()) {
      case "checkout.abandoned":
        String abandonedAt = optional(value, "abandoned_at");
        update(
            "INSERT INTO checkouts VALUES (?, ?, ?, ?, ?, 'waiting', NULL) ON CONFLICT (id) DO NOTHING",
            checkout,
            subject,
            abandonedAt != null ? abandonedAt : value.get("recorded_at").textValue(),
            optional(value, "expires_at"),
            hindrance(value));
        return List.of();
      case "checkout.changed":
        update(
            "UPDATE checkouts SET subject = ?, hindrance = ?,"
                + " state = CASE state WHEN 'skipped' THEN 'waiting' ELSE state END WHERE id = ?",
            subject,
            hindrance(value),
            checkout);
        return List.of();
      default:
        return end(checkout, event.getType().substring("checkout.".length()));
    }
  }

  /** What is to do now that everything has been read: the status is looked at just here. */
  List<String> due(Instant now) throws SQLException {
    List<String> actions = new ArrayList<>();
    List<String[]> waiting =
        query(
            "SELECT id, subject, left_at, expires_at, hindrance, reason FROM checkouts"
                + " WHERE state = 'waiting' AND left_at <= ? ORDER BY left_at, id",
            text(now.minus(delay)));
    for (String[] row : waiting) {
      String checkout = row[0];
      String subject = row[1];
      String hindered = row[4];
      if (hindered == null && row[3] != null && row[3].compareTo(text(now)) < 0) {
        hindered = "expired";
      }
      if (hindered == null && hasNewer(subject, row[2], checkout)) {
        hindered = "replaced";
      }
      if (hindered != null) {
        set(checkout, "skipped", hindered);
        if (!hindered.equals(row[5])) {
          actions.add("skip " + checkout + " " + hindered);
        }
        continue;
      }
      String running = "SELECT id FROM checkouts WHERE subject = ? AND state = 'started' ORDER BY id";
      for (String[] older : query(running, subject)) {
        set(older[0], "skipped", "replaced");
        actions.add("stop " + older[0] + " replaced");
      }
      set(checkout, "started", null);
      actions.add("start " + checkout + " " + subject);
    }
    update("DELETE FROM seen WHERE seen_at < ?", text(now.minus(MEMORY)));
    return actions;
  }

  /** Recovered, anonymized or deleted: no campaign any more. */
  private List<String> end(String checkout, String why) throws SQLException {
    List<String> actions = new ArrayList<>();
    List<String[]> found = query("SELECT state, subject FROM checkouts WHERE id = ?", checkout);
    String state = found.isEmpty() ? "" : found.get(0)[0];
    String subject = found.isEmpty() || found.get(0)[1] == null ? "-" : found.get(0)[1];
    if (state.equals("started") || state.equals("waiting")) {
      actions.add((state.equals("started") ? "stop " : "skip ") + checkout + " " + why);
    }
    if (why.equals("anonymized") || why.equals("deleted")) {
      actions.add("erase " + checkout + " " + subject);
    }
    set(checkout, "ended", why);
    return actions;
  }

  private boolean hasNewer(String subject, String leftAt, String checkout) throws SQLException {
    String newer =
        "SELECT id FROM checkouts WHERE subject = ? AND state <> 'ended'"
            + " AND (left_at > ? OR (left_at = ? AND id > ?))";
    return !query(newer, subject, leftAt, leftAt, checkout).isEmpty();
  }

  /** Why the checkout is none for a campaign; null if it is one. */
  private static String hindrance(JsonNode value) {
    if (value.path("is_staff").asBoolean()) {
      return "staff";
    }
    if (optional(value, "checkout_url") == null) {
      return "no-link";
    }
    if (value.path("reachable_by").isEmpty()) {
      return "no-contact";
    }
    return value.path("automation").path("is_scheduled").asBoolean() ? "scheduled" : null;
  }

  private static String optional(JsonNode value, String name) {
    return value.path(name).textValue();
  }

  private static String text(Instant instant) {
    return FORMAT.format(instant);
  }

  private void set(String checkout, String state, String reason) throws SQLException {
    update("UPDATE checkouts SET state = ?, reason = ? WHERE id = ?", state, reason, checkout);
  }

  private int update(String sql, String... values) throws SQLException {
    try (PreparedStatement statement = prepare(sql, values)) {
      return statement.executeUpdate();
    }
  }

  private List<String[]> query(String sql, String... values) throws SQLException {
    try (PreparedStatement statement = prepare(sql, values);
        ResultSet found = statement.executeQuery()) {
      List<String[]> rows = new ArrayList<>();
      while (found.next()) {
        String[] row = new String[found.getMetaData().getColumnCount()];
        for (int at = 0; at < row.length; at++) {
          row[at] = found.getString(at + 1);
        }
        rows.add(row);
      }
      return rows;
    }
  }

  private PreparedStatement prepare(String sql, String... values) throws SQLException {
    PreparedStatement statement = database.prepareStatement(sql);
    for (int at = 0; at < values.length; at++) {
      statement.setString(at + 1, values[at]);
    }
    return statement;
  }
}
