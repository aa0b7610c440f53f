// Records as JSON lines in; what the CloudEvents SDK for JavaScript makes of them out.
import { createInterface } from "node:readline";
import { Kafka } from "cloudevents";

for await (const line of createInterface({ input: process.stdin })) {
  const { key, headers, value } = JSON.parse(line);
  const event = Kafka.toEvent({ key, headers, value: Buffer.from(value, "base64") });
  event.validate();
  console.log(JSON.stringify(event.toJSON()));
}
