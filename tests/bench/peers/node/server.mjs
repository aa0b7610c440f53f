// The ingress in Node: fastify, fast-jwt, @platformatic/kafka. One idempotent send is in flight at
// a time (the client allows no more), so requests that come meanwhile are sent together.
import { readFileSync } from "node:fs";
import { Producer } from "@platformatic/kafka";
import { createVerifier } from "fast-jwt";
import fastify from "fastify";

const topic = process.env.BENCH_SOURCE;
const verify = createVerifier({
  key: readFileSync(process.env.BENCH_KEY),
  algorithms: ["RS256"],
  cache: false,
});
const producer = new Producer({
  clientId: "bench",
  bootstrapBrokers: [process.env.BENCH_BOOTSTRAP],
  idempotent: true,
  acks: -1,
});

let waiting = [];
let isSending = false;

function send() {
  if (isSending || waiting.length === 0) return;
  isSending = true;
  const batch = waiting;
  waiting = [];
  producer.send({ messages: batch.map((one) => one.message) }, (error) => {
    isSending = false;
    for (const one of batch) one.done(error);
    send();
  });
}

function publish(message) {
  return new Promise((resolve, reject) => {
    waiting.push({ message, done: (error) => (error ? reject(error) : resolve()) });
    if (waiting.length === 1 && !isSending) setImmediate(send);
  });
}

const server = fastify({ logger: false, bodyLimit: 1 << 20 });
server.removeAllContentTypeParsers();
server.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => done(null, body));
server.get("/readyz", async () => ({}));
server.post("/webhooks/wix", async (request, reply) => {
  let claims;
  try {
    claims = verify(request.body.trim());
  } catch {
    return reply.code(401).send({});
  }
  const envelope = JSON.parse(claims.data);
  const event = JSON.parse(envelope.data);
  await publish({
    topic,
    key: Buffer.from(event.entityId),
    value: Buffer.from(envelope.data),
    headers: new Map([
      [Buffer.from("ce_id"), Buffer.from(event.id)],
      [Buffer.from("ce_type"), Buffer.from(envelope.eventType)],
      [Buffer.from("ce_instanceid"), Buffer.from(envelope.instanceId)],
      [Buffer.from("content-type"), Buffer.from("application/json")],
    ]),
  });
  return {};
});
await server.listen({ host: "127.0.0.1", port: Number(process.env.BENCH_PORT), backlog: 4096 });
