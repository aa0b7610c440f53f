import assert from "node:assert/strict";
import { test } from "node:test";

import { makeFormat } from "../../../streams/api/page/assets/format.js";
import {
  changeOf,
  columnsOf,
  entryInWords,
  filterOf,
  groupInWords,
  headlineOf,
  isEmpty,
  readHash,
  sentenceOf,
  shortId,
  writeHash,
  youngSince,
} from "../../../streams/api/page/assets/reading.js";

const format = makeFormat({ locales: "en-US", timeZone: "UTC" });
const NOBODY = { abandoned: 0, recovered: 0, rate: null, low: null, high: null };
const SHARE = { abandoned: 412, recovered: 61, rate: "0.148058", low: "0.116952", high: "0.185741" };
const MATURED = { ...SHARE, from: "2026-03-03T00:00:00Z", to: "2026-04-02T00:00:00Z" };

function window(changes = {}) {
  return {
    window: "30d",
    from: "2026-03-10T00:00:00Z",
    to: "2026-04-09T00:00:00Z",
    horizon: "7d",
    flow: { abandoned: 10, recovered: 1, ratio: "0.100000" },
    cohort: { ...SHARE, abandoned: 10, recovered: 1, rate: "0.100000" },
    matured: MATURED,
    previous: { cohort: { abandoned: 20, recovered: 1 } },
    ...changes,
  };
}

const sentence = (changes) =>
  sentenceOf(window(changes), format).join("").replace(/[\s\u2009\u202f]+/gu, " ");

test("the headline is the recovery rate, with its interval, period and horizon", () => {
  assert.equal(
    sentence(),
    "Of the 412 checkouts left between Mar 3 and Apr 1, 61 (14.8%, likely 11.7% – 18.6%) were completed within 7 days.",
  );
});

test("while no checkout has had its time, what has recovered so far leads", () => {
  const young = { matured: { ...NOBODY, from: "", to: "" } };
  assert.equal(headlineOf(window(young)).kind, "cohort");
  assert.match(sentence(young), /^Of the 10 checkouts .* 1 \(10\.0%.*\) was completed so far\.$/);
});

test("an hour has no matured rate to lead with", () => {
  assert.equal(headlineOf(window({ window: "1h" })).kind, "cohort");
});

test("of nothing there is no rate", () => {
  const nothing = window({ cohort: NOBODY, matured: { ...NOBODY, from: "", to: "" } });
  assert.equal(headlineOf(nothing), null);
  assert.deepEqual(sentenceOf(nothing, format), ["Nobody left a checkout in the last 30 days."]);
});

test("one checkout is one checkout", () => {
  assert.match(
    sentence({ matured: { ...MATURED, abandoned: 1, recovered: 1 } }),
    /^Of the 1 checkout left .* was completed/,
  );
});

test("the change is of shares, and unknown where either is", () => {
  assert.ok(Math.abs(changeOf(window()) - 0.05) < 1e-9);
  assert.equal(changeOf(window({ previous: null })), null);
  assert.equal(changeOf(window({ previous: { cohort: { abandoned: 0, recovered: 0 } } })), null);
  assert.equal(changeOf(window({ cohort: NOBODY })), null);
});

test("a page is empty only if nothing was ever counted in it", () => {
  const flow = { abandoned: 0, recovered: 0, ratio: null };
  const nothing = window({ flow, cohort: NOBODY, matured: NOBODY });
  assert.equal(isEmpty({ windows: [nothing] }), true);
  assert.equal(isEmpty({ windows: [nothing, window()] }), false);
});

test("a series becomes columns, and no rate stays none", () => {
  const points = [
    { start: "2026-03-03T00:00:00Z", abandoned: 4, recovered: 1, rate: "0.250000" },
    { start: "2026-03-03T01:00:00Z", abandoned: 0, recovered: 0, rate: null },
  ];
  assert.deepEqual(columnsOf({ points }), [
    [1772496000, 1772499600],
    [4, 0],
    [1, 0],
    [0.25, null],
  ]);
});

test("a share is of several points together where there are many", () => {
  const point = (number) => ({
    start: new Date(number * 3600000).toISOString(),
    abandoned: number % 2,
    recovered: number === 1 ? 1 : 0,
    rate: null,
  });
  const points = Array.from({ length: 48 }, (_, number) => point(number));
  const shares = columnsOf({ points })[3];
  assert.deepEqual(shares.slice(0, 4), [null, 1, 1, 0]);
});

test("who is younger than the horizon still has time", () => {
  assert.equal(youngSince("7d", 8 * 86400 * 1000), 86400);
  assert.equal(youngSince("12h", 86400 * 1000), 43200);
});

test("a search is by e-mail if it looks like one, else by id", () => {
  assert.deepEqual(filterOf({ text: " ada@mail.example " }), {
    "buyerInfo.email": { $startsWith: "ada@mail.example" },
  });
  assert.deepEqual(filterOf({ text: "0A1B", status: "RECOVERED" }), {
    id: { $startsWith: "0a1b" },
    status: "RECOVERED",
  });
  assert.deepEqual(filterOf({}), {});
});

test("an address is read as it was written", () => {
  assert.deepEqual(readHash(writeHash("recovery", { site: "a b", window: "" })), {
    view: "recovery",
    id: null,
    parameters: { site: "a b" },
  });
  assert.deepEqual(readHash("#/checkouts/0a1b?site=x"), {
    view: "checkouts",
    id: "0a1b",
    parameters: { site: "x" },
  });
  assert.equal(readHash("").view, "recovery");
});

test("a timeline is told in words", () => {
  const received = {
    what: "received",
    kind: "updated",
    origin: "webhook",
    is_repeat: false,
    is_anonymize_request: false,
    effect: "changed",
    changed_fields: ["buyerInfo"],
  };
  assert.deepEqual(entryInWords(received), {
    title: "The checkout changed",
    note: "From Wix's webhook. It changed buyerInfo.",
  });
  assert.match(entryInWords({ ...received, is_repeat: true, effect: "nothing" }).note, /sent again/);
  assert.match(entryInWords({ ...received, is_anonymize_request: true }).title, /erase/);
  assert.equal(
    entryInWords({ what: "announced", type: "checkout.recovered", changed_fields: [] }).title,
    "Told subscribers: recovered",
  );
});

test("what nobody foresaw is shown as it is", () => {
  assert.match(entryInWords({ what: "announced", type: "checkout.new", changed_fields: [] }).title, /checkout\.new/);
  assert.match(groupInWords("Assigning"), /Assigning/);
});

test("each state of the group has words, however it is spelt", () => {
  for (const state of ["Stable", "STABLE"]) assert.match(groupInWords(state), /handed out\.$/);
  for (const state of ["PreparingRebalance", "COMPLETING_REBALANCING"]) {
    assert.match(groupInWords(state), /anew/);
  }
  assert.match(groupInWords("Empty"), /No worker/);
});

test("a long id is cut for the eye, a short one is not", () => {
  assert.equal(shortId("0f4b9e53-7c1d-4a58-9a8c-2f6d1b7e4c10"), "0f4b9e53");
  assert.equal(shortId("site-1"), "site-1");
});
