import assert from "node:assert/strict";
import { test } from "node:test";

import { makeFormat, NONE, shareOf } from "../../../streams/api/page/assets/format.js";

const english = makeFormat({ locales: "en-US", timeZone: "UTC" });
const german = makeFormat({ locales: "de-DE", timeZone: "Europe/Berlin" });
// Unicode's locale data set numbers and units apart by several kinds of spaces.
const plain = (text) => text.replace(/[\s\u2009\u202f]+/gu, " ");

test("a share is written as the reader writes it", () => {
  assert.equal(english.percent("0.148058"), "14.8%");
  assert.equal(plain(german.percent("0.148058")), "14,8 %");
  assert.equal(english.percent("1.5"), "150.0%");
});

test("what is unknown is no zero", () => {
  for (const write of ["percent", "count", "duration", "milliseconds", "perSecond"]) {
    assert.equal(english[write](null), NONE);
  }
  assert.equal(english.percentRange(null, null), NONE);
  assert.equal(english.percent("0.000000"), "0.0%");
});

test("an interval is one range", () => {
  assert.equal(plain(english.percentRange("0.117", "0.186")), "11.7% – 18.6%");
  assert.equal(plain(german.percentRange("0.117", "0.186")), "11,7–18,6 %");
});

test("an amount stays exact, whatever its size", () => {
  assert.equal(english.exactMoney("123456789012345.67", "EUR"), "€123,456,789,012,345.67");
  assert.equal(english.exactMoney("0.10", "EUR"), "€0.10");
});

test("an amount has the decimals of its currency", () => {
  assert.equal(english.money("4800", "JPY"), "¥4,800");
  assert.equal(english.money("85.5", "USD"), "$85.50");
  assert.equal(plain(german.money("85.5", "EUR")), "85,50 €");
});

test("from a thousand up an amount is shown in whole units", () => {
  assert.equal(english.money("999.99", "EUR"), "€999.99");
  assert.equal(english.money("12345.67", "EUR"), "€12,346");
});

test("a duration names its largest unit and, where it says more, the next", () => {
  const cases = [
    [0, "0 sec"],
    [59, "59 sec"],
    [60, "1 min"],
    [90, "1 min 30 sec"],
    [42 * 60 + 30, "42 min"],
    [3600 * 2 + 60 * 5, "2 hr 5 min"],
    [3600 * 13, "13 hr"],
    [86400 * 2 + 3600 * 3, "2 days 3 hr"],
    [86400 * 30, "30 days"],
  ];
  for (const [seconds, text] of cases) assert.equal(english.duration(seconds), text);
});

test("a delay is told in milliseconds until it is a second", () => {
  assert.equal(english.milliseconds(84), "84 ms");
  assert.equal(english.milliseconds(1530), "1.5 sec");
});

test("windows are told in words", () => {
  assert.equal(english.span("1h"), "1 hour");
  assert.equal(english.span("24h"), "24 hours");
  assert.equal(english.span("7d"), "7 days");
  assert.equal(german.span("30d"), "30 Tage");
});

test("a period of days ends with the last day that is in it", () => {
  const period = english.period("2026-03-03T00:00:00Z", "2026-04-02T00:00:00Z");
  assert.deepEqual(period, ["Mar 3", "Apr 1"]);
});

test("a period within a day tells its hours", () => {
  const [from, to] = english.period("2026-03-03T09:00:00Z", "2026-03-03T10:00:00Z");
  assert.match(plain(from), /Mar 3.*09:00 AM/);
  assert.match(plain(to), /Mar 3.*10:00 AM/);
});

test("an instant is told in the reader's zone, and in UTC beside it", () => {
  assert.equal(german.hour("2026-03-03T09:00:00Z"), "10:00");
  assert.equal(german.utc("2026-03-03T09:00:00.123Z"), "2026-03-03 09:00:00 UTC");
});

test("how long ago, never in the future", () => {
  const now = Date.parse("2026-03-03T09:00:00Z");
  assert.equal(english.ago("2026-03-03T09:00:00Z", now), "now");
  assert.equal(english.ago("2026-03-03T08:59:57Z", now), "3 seconds ago");
  assert.equal(english.ago("2026-03-03T08:57:00Z", now), "3 minutes ago");
  assert.equal(english.ago("2026-03-01T08:57:00Z", now), "2 days ago");
  assert.equal(english.ago("2026-03-03T09:00:05Z", now), "now");
});

test("a difference of shares has its sign", () => {
  assert.equal(english.points(0.013), "+1.3");
  assert.equal(english.points(-0.02), "-2.0");
  assert.equal(english.points(0), "0.0");
});

test("a bar is never longer than its line", () => {
  assert.equal(shareOf("1", "0"), 0);
  assert.equal(shareOf("1", "4"), 0.25);
  assert.equal(shareOf("5", "4"), 1);
});
