import io.cloudevents.CloudEvent;
import io.cloudevents.kafka.CloudEventDeserializer;
import java.io.IOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RecordDeserializationException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;

/** A subscriber: reads the events, prints what its campaign does, one line for each action. */
public final class Subscriber {
  private Subscriber() {}

  /** Reads until told to stop (SIGTERM, Ctrl-C). */
  public static void main(String[] arguments) throws Exception {
    Map<String, String> options = options(arguments);
    Duration delay = Duration.ofSeconds(Long.parseLong(options.get("delay-seconds")));
    Instant fixed = options.containsKey("now") ? Instant.parse(options.get("now")) : null;
    Properties settings = new Properties();
    settings.put("bootstrap.servers", options.get("bootstrap-servers"));
    settings.put("group.id", options.get("group"));
    settings.put("isolation.level", "read_committed"); // never act on what was taken back
    settings.put("auto.offset.reset", "earliest");
    settings.put("enable.auto.commit", "false"); // the position follows the work
    try (Connection database = DriverManager.getConnection("jdbc:sqlite:" + options.get("state"));
        KafkaConsumer<String, CloudEvent> consumer =
            new KafkaConsumer<>(settings, new StringDeserializer(), new CloudEventDeserializer())) {
      database.setAutoCommit(false);
      Campaign campaign = new Campaign(database, delay);
      Thread reading = Thread.currentThread();
      Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(consumer, reading)));
      consumer.subscribe(List.of(options.get("topic")));
      while (true) {
        ConsumerRecords<String, CloudEvent> records;
        try {
          records = consumer.poll(Duration.ofMillis(200));
        } catch (RecordDeserializationException error) {
          System.err.println(error.topicPartition() + "@" + error.offset() + ": no event of ours");
          consumer.seek(error.topicPartition(), error.offset() + 1); // put it aside
          continue;
        }
        Instant now = fixed != null ? fixed : Instant.now();
        for (ConsumerRecord<String, CloudEvent> record : records) {
          TopicPartition partition = new TopicPartition(record.topic(), record.partition());
          try {
            tell(campaign.handle(record.value(), now));
          } catch (IOException error) {
            System.err.println(partition + "@" + record.offset() + ": no event of ours");
          }
          // The action, then the state, then the position: a crash repeats the last action, and
          // never loses one. Make `start` safe to repeat by the checkout's id.
          database.commit();
          consumer.commitSync(Map.of(partition, new OffsetAndMetadata(record.offset() + 1)));
        }
        if (records.isEmpty() && hasReadAll(consumer)) {
          tell(campaign.due(now));
          database.commit();
        }
      }
    } catch (WakeupException stopping) {
      // closed above
    }
  }

  private static boolean hasReadAll(KafkaConsumer<?, ?> consumer) {
    return !consumer.assignment().isEmpty()
        && consumer.assignment().stream().allMatch(one -> consumer.currentLag(one).orElse(1) == 0);
  }

  /** Where a real subscriber calls its CRM. */
  private static void tell(List<String> actions) {
    actions.forEach(System.out::println);
  }

  private static void stop(KafkaConsumer<?, ?> consumer, Thread reading) {
    consumer.wakeup();
    try {
      reading.join(5_000);
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
  }

  private static Map<String, String> options(String[] arguments) {
    Map<String, String> options = new HashMap<>();
    options.put("topic", "checkout-recovery.events.v1");
    options.put("group", "campaign-java");
    options.put("state", "campaign-java.sqlite"); // its memory, a file
    options.put("delay-seconds", "3600");
    for (int at = 0; at + 1 < arguments.length; at += 2) { // --now: for rehearsals, a clock that stands
      options.put(arguments[at].substring("--".length()), arguments[at + 1]);
    }
    return options;
  }
}
