// A subscriber: reads the events, prints what its campaign does, one line for each action.
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import { Consumer, FetchIsolationLevels, ListOffsetTimestamps } from "@platformatic/kafka";
import { Kafka } from "cloudevents";
import { Campaign } from "./campaign.mjs";

const { values: options } = parseArgs({
  options: {
    "bootstrap-servers": { type: "string" },
    topic: { type: "string", default: "checkout-recovery.events.v1" },
    group: { type: "string", default: "campaign-javascript" },
    state: { type: "string", default: "campaign-javascript.sqlite" }, // its memory, a file
    "delay-seconds": { type: "string", default: "3600" },
    now: { type: "string" }, // for rehearsals: the clock stands still here
  },
});
const clock = () => (options.now ? new Date(options.now) : new Date());
const database = new DatabaseSync(options.state);
const campaign = new Campaign(database, { delayMs: Number(options["delay-seconds"]) * 1000 });
const isolationLevel = FetchIsolationLevels.READ_COMMITTED; // never act on what was taken back
const consumer = new Consumer({
  clientId: "campaign",
  groupId: options.group,
  bootstrapBrokers: options["bootstrap-servers"].split(","),
});
const stream = await consumer.consume({
  topics: [options.topic],
  isolationLevel,
  autocommit: false, // the position follows the work
  mode: "committed",
  fallbackMode: "earliest",
  maxWaitTime: 200,
});

// Every step waits for the one before: records, and the looks at what is due between them.
let last = Promise.resolve();
let handled = 0;
let received = 0;
const next = (step) => (last = last.then(step).catch(stop));
stream.on("data", (message) => {
  received += 1;
  next(async () => {
    const event = decoded(message);
    if (event) transaction(() => campaign.handle(event, clock()));
    await message.commit();
    handled += 1;
  });
});
stream.on("error", stop);
const looking = setInterval(() => next(look), 200);
process.on("SIGTERM", () => stop());
process.on("SIGINT", () => stop());

/** What is due is done only when all has been read: an unread record may tell of a purchase. */
async function look() {
  if (await hasReadAll()) transaction(() => campaign.due(clock()));
}

async function hasReadAll() {
  const topics = [options.topic];
  const ends = await consumer.listOffsets({
    topics,
    isolationLevel,
    timestamp: ListOffsetTimestamps.LATEST,
  });
  const partitions = consumer.assignments?.flatMap((one) => one.partitions) ?? [];
  const reached = (one) =>
    stream.offsetsToFetch.get(`${options.topic}:${one}`) >= ends.get(options.topic)[one];
  const isQuiet = handled === received && stream.readableLength === 0;
  return isQuiet && partitions.length > 0 && partitions.every(reached);
}

// The action, then the state, then the position: a crash repeats the last action, and never loses
// one. Make `start` safe to repeat by the checkout's id.
function transaction(work) {
  database.exec("BEGIN");
  for (const action of work()) console.log(action); // where a real subscriber calls its CRM
  database.exec("COMMIT");
}

/** The event in a record; nothing if there is none: put the record aside. */
function decoded({ topic, partition, offset, key, value, headers }) {
  const texts = [...headers].map(([name, text]) => [String(name), String(text)]);
  try {
    const record = { key: String(key), value: String(value), headers: Object.fromEntries(texts) };
    return Kafka.toEvent(record);
  } catch {
    console.error(`${topic}[${partition}]@${offset}: no event of ours`);
  }
}

async function stop(error) {
  clearInterval(looking);
  if (error) console.error(error);
  process.exitCode = error ? 1 : 0;
  await last.catch(() => {});
  await consumer.close(true);
  database.close();
}
