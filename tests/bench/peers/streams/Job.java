import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** The job of job.py in Kafka Streams: one thread, a store in memory, no caches. */
public final class Job {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String STORE = "checkouts";
    private static final String[] COUNTED = {"abandoned_at", "recovered_at", "amount", "currency"};

    private Job() {}

    /** One record after another; all of Kafka Streams' own is around it. */
    public static final class Track implements Processor<byte[], byte[], byte[], byte[]> {
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<Bytes, byte[]> store;

        @Override
        public void init(ProcessorContext<byte[], byte[]> given) {
            context = given;
            store = given.getStateStore(STORE);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            try {
                work(record);
            } catch (java.io.IOException failure) {
                throw new IllegalStateException(failure);
            }
        }

        private void work(Record<byte[], byte[]> record) throws java.io.IOException {
            Header header = record.headers().lastHeader("ce_instanceid");
            byte[] site = header.value();
            String instanceId = new String(site, StandardCharsets.UTF_8);
            JsonNode event = JSON.readTree(record.value());
            JsonNode entity = entityOf(event);
            Bytes key = Bytes.wrap(record.key());
            byte[] known = store.get(key);
            ObjectNode state =
                    known == null ? newState(event) : (ObjectNode) JSON.readTree(known);
            ObjectNode before = known == null ? null : side(state);
            state.put("events", state.get("events").asInt() + 1);
            ArrayNode ids = (ArrayNode) state.get("last_event_ids");
            if (ids.size() == 3) {
                ids.remove(0);
            }
            ids.add(event.get("id").asText());
            JsonNode numbered = event.get("entityEventSequence");
            long sequence = numbered == null ? -1 : numbered.asLong();
            if (entity != null && sequence > state.get("sequence").asLong()) {
                state.put("sequence", sequence);
                state.set("amount", at(entity, "totalPrice", "amount"));
                state.set("currency", at(entity, "currency"));
                state.set("email", at(entity, "buyerInfo", "email"));
                if (state.get("abandoned_at").isNull()) {
                    state.set("abandoned_at", at(entity, "createdDate"));
                }
            }
            boolean isRecovery =
                    event.has("actionEvent")
                            || entity != null && "RECOVERED".equals(entity.path("status").asText());
            byte[] announced = null;
            if (isRecovery && !state.get("is_recovered").asBoolean()) {
                state.put("is_recovered", true);
                JsonNode date = entity == null ? null : at(entity, "checkoutRecoveredDate");
                state.set(
                        "recovered_at",
                        date == null || date.isNull() ? event.get("eventTime") : date);
                announced = lifecycle("checkout.recovered", state, event, entity, instanceId);
            } else if (!state.get("is_announced").asBoolean()
                    && !state.get("is_recovered").asBoolean()
                    && !event.has("deletedEvent")) {
                state.put("is_announced", true);
                announced = lifecycle("checkout.abandoned", state, event, entity, instanceId);
            }
            store.put(key, JSON.writeValueAsBytes(state));
            if (announced != null) {
                context.forward(
                        new Record<>(
                                record.key(), announced, record.timestamp(), new RecordHeaders()),
                        "events");
            }
            ObjectNode after = side(state);
            if (before == null ? !isEmpty(after) : !before.equals(after)) {
                ObjectNode fact = JSON.createObjectNode();
                fact.put("instance_id", instanceId);
                fact.set("before", before);
                fact.set("after", after);
                context.forward(
                        new Record<>(
                                site,
                                JSON.writeValueAsBytes(fact),
                                record.timestamp(),
                                new RecordHeaders()),
                        "facts");
            }
        }

        private static boolean isEmpty(ObjectNode side) {
            for (String name : COUNTED) {
                if (!side.get(name).isNull()) {
                    return false;
                }
            }
            return true;
        }

        private static JsonNode entityOf(JsonNode event) {
            JsonNode found = null;
            if (event.has("createdEvent")) {
                found = event.get("createdEvent").get("entity");
            } else if (event.has("updatedEvent")) {
                found = event.get("updatedEvent").get("currentEntity");
            } else if (event.has("actionEvent")) {
                found = event.get("actionEvent").path("body").get("abandonedCheckout");
            } else if (event.has("deletedEvent")) {
                found = event.get("deletedEvent").get("deletedEntity");
            }
            return found == null || found.isNull() ? null : found;
        }

        private static ObjectNode newState(JsonNode event) {
            ObjectNode state = JSON.createObjectNode();
            state.set("id", event.get("entityId"));
            state.put("sequence", -1L);
            for (String name : COUNTED) {
                state.putNull(name);
            }
            state.putNull("email");
            state.put("is_announced", false);
            state.put("is_recovered", false);
            state.put("revision", 0);
            state.put("events", 0);
            state.putArray("last_event_ids");
            return state;
        }

        private static ObjectNode side(ObjectNode state) {
            ObjectNode side = JSON.createObjectNode();
            for (String name : COUNTED) {
                side.set(name, state.get(name));
            }
            return side;
        }

        private static JsonNode at(JsonNode node, String... names) {
            JsonNode found = node;
            for (String name : names) {
                found = found == null ? null : found.get(name);
            }
            return found == null ? JSON.nullNode() : found;
        }

        private static byte[] lifecycle(
                String type, ObjectNode state, JsonNode event, JsonNode given, String instanceId)
                throws java.io.IOException {
            JsonNode entity = given == null ? JSON.createObjectNode() : given;
            state.put("revision", state.get("revision").asInt() + 1);
            String id = state.get("id").asText();
            ObjectNode value = JSON.createObjectNode();
            value.put("id", id + "|" + type);
            value.put("type", type);
            value.set("time", event.get("eventTime"));
            value.put("source", instanceId);
            value.put("subject", id);
            value.set("revision", state.get("revision"));
            for (String name : COUNTED) {
                value.set(name, state.get(name));
            }
            ObjectNode buyer = value.putObject("buyer");
            buyer.set("email", at(entity, "buyerInfo", "email"));
            buyer.set("contact_id", at(entity, "buyerInfo", "contactId"));
            buyer.set("member_id", at(entity, "buyerInfo", "memberId"));
            buyer.set("visitor_id", at(entity, "buyerInfo", "visitorId"));
            buyer.set("first_name", at(entity, "contactDetails", "firstName"));
            buyer.set("last_name", at(entity, "contactDetails", "lastName"));
            buyer.set("phone", at(entity, "contactDetails", "phone"));
            value.set("checkout_url", at(entity, "checkoutUrl"));
            ArrayNode lines = value.putArray("line_items");
            for (JsonNode item : entity.path("lineItems")) {
                ObjectNode line = lines.addObject();
                line.set("id", at(item, "id"));
                line.set("quantity", at(item, "quantity"));
                line.set("name", at(item, "productName", "original"));
                line.set("sku", at(item, "physicalProperties", "sku"));
                line.set("unit_price", at(item, "price", "amount"));
            }
            value.put("item_count", lines.size());
            value.set("source_event_id", event.get("id"));
            return JSON.writeValueAsBytes(value);
        }
    }

    /** Says how fast the store was filled, as the runtime's log does. */
    private static final class Restored implements StateRestoreListener {
        private final long wanted = Long.parseLong(env("BENCH_RESTORE", "0"));
        private long started;
        private long records;

        @Override
        public synchronized void onRestoreStart(
                TopicPartition partition, String store, long from, long to) {
            if (started == 0) {
                started = System.nanoTime();
            }
        }

        @Override
        public void onBatchRestored(
                TopicPartition partition, String store, long end, long count) {}

        @Override
        public synchronized void onRestoreEnd(TopicPartition partition, String store, long total) {
            records += total;
            if (wanted > 0 && records >= wanted) {
                double seconds = (System.nanoTime() - started) / 1e9;
                System.out.printf(
                        java.util.Locale.ROOT,
                        "{\"event\": \"restored\", \"records\": %d, \"seconds\": %.3f}%n",
                        records,
                        seconds);
                System.out.flush();
            }
        }
    }

    private static String env(String name, String otherwise) {
        return Objects.requireNonNullElse(System.getenv(name), otherwise);
    }

    /** Runs until it is ended. */
    public static void main(String[] arguments) {
        Properties settings = new Properties();
        settings.put("application.id", env("BENCH_RUN", ""));
        settings.put("bootstrap.servers", env("BENCH_BOOTSTRAP", ""));
        boolean isExactlyOnce = env("BENCH_GUARANTEE", "").equals("exactly once");
        settings.put(
                "processing.guarantee", isExactlyOnce ? "exactly_once_v2" : "at_least_once");
        settings.put("commit.interval.ms", env("BENCH_COMMIT_MS", "100"));
        settings.put("num.stream.threads", "1");
        settings.put("replication.factor", "1");
        settings.put("state.dir", arguments[0]);
        settings.put("statestore.cache.max.bytes", "0");
        settings.put("auto.offset.reset", "earliest");
        settings.put("producer.acks", "all");
        settings.put("producer.linger.ms", "100");
        settings.put("producer.batch.size", "262144");
        settings.put("producer.compression.type", "lz4");
        settings.put("producer.buffer.memory", "67108864");
        settings.put("max.poll.records", "1000");
        settings.put("restore.consumer.max.poll.records", "5000");
        Topology topology = new Topology();
        topology.addSource(
                "source",
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer(),
                env("BENCH_SOURCE", ""));
        topology.addProcessor("track", Track::new, "source");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(
                                Stores.inMemoryKeyValueStore(STORE),
                                Serdes.Bytes(),
                                Serdes.ByteArray())
                        .withCachingDisabled()
                        .withLoggingEnabled(Map.of()),
                "track");
        ByteArraySerializer bytes = new ByteArraySerializer();
        topology.addSink("events", env("BENCH_EVENTS", ""), bytes, bytes, "track");
        topology.addSink("facts", env("BENCH_FACTS", ""), bytes, bytes, "track");
        KafkaStreams streams = new KafkaStreams(topology, settings);
        streams.setGlobalStateRestoreListener(new Restored());
        streams.setUncaughtExceptionHandler(
                failure -> {
                    failure.printStackTrace();
                    Runtime.getRuntime().halt(1);
                    return StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse
                            .SHUTDOWN_CLIENT;
                });
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
