// Wix's published client, unmodified: only the address that it calls is another.
// Reads what to ask for on stdin, prints what was answered; says on stderr while it pages.
import { readFileSync } from "node:fs";
import { ApiKeyStrategy, AppStrategy, createClient } from "@wix/sdk";
import { abandonedCheckouts } from "@wix/ecom";

const given = JSON.parse(readFileSync(0, "utf8"));
const WIX = "https://www.wixapis.com";
const direct = globalThis.fetch;
globalThis.fetch = (url, init) => direct(String(url).replace(WIX, given.api), init);

const modules = { abandonedCheckouts };
const byKey = createClient({
  modules,
  auth: ApiKeyStrategy({ apiKey: given.token, siteId: given.site }),
}).abandonedCheckouts;
const byApp = createClient({
  modules,
  auth: AppStrategy({ appId: given.app, appSecret: given.token, instanceId: given.site }),
}).abandonedCheckouts;

const attempt = async (action) => {
  try {
    return await action();
  } catch (error) {
    return { error: { status: error.status, details: error.details, message: String(error.message) } };
  }
};
const ids = (items) => items.map((item) => item._id);
const query = () => byKey.queryAbandonedCheckouts();
const found = async (builder) => ids((await builder.limit(100).find()).items);

const newest = async () => (await query().limit(1).find()).items[0]._id;
const arrival = async () => {
  const before = await newest();
  while ((await newest()) === before) await new Promise((resolve) => setTimeout(resolve, 20));
};

const steps = {
  known: () => byKey.getAbandonedCheckout(given.known),
  unknown: () => byKey.getAbandonedCheckout(given.unknown),
  malformed: () => byKey.getAbandonedCheckout("not-a-guid"),
  byApp: () => byApp.getAbandonedCheckout(given.known),
  wrongApp: () =>
    createClient({
      modules,
      auth: AppStrategy({ appId: given.app, appSecret: "wrong", instanceId: given.site }),
    }).abandonedCheckouts.getAbandonedCheckout(given.known),
  eq: () => found(query().eq("buyerInfo.email", given.email)),
  ne: () => found(query().ne("status", "ABANDONED")),
  gt: () => found(query().gt("_createdDate", given.middle).eq("status", "RECOVERED")),
  ge: () => found(query().ge("_createdDate", given.middle).eq("status", "RECOVERED")),
  lt: () => found(query().lt("_createdDate", given.middle).eq("status", "RECOVERED")),
  le: () => found(query().le("_createdDate", new Date(given.middle)).eq("status", "RECOVERED")),
  between: () => found(query().between("_createdDate", given.first, given.second)),
  startsWith: () => found(query().startsWith("buyerInfo.email", given.email.slice(0, 9).toUpperCase())),
  endsWith: () => found(query().endsWith("buyerInfo.email", given.email.slice(3))),
  contains: () => found(query().contains("buyerInfo.email", given.email.slice(2, 12))),
  in: () => found(query().in("_id", [given.known, given.unknown])),
  hasSome: () => found(query().hasSome("status", "RECOVERED", "ABANDONED").eq("_id", given.known)),
  hasAll: () => found(query().hasAll("status", ["RECOVERED"])),
  exists: () => found(query().exists("buyerInfo.memberId")),
  isEmpty: () => found(query().isEmpty("buyerInfo.email").eq("status", "RECOVERED")),
  isNotEmpty: () => found(query().isNotEmpty("buyerInfo.memberId")),
  or: () => found(query().eq("_id", given.known).or(query().eq("status", "RECOVERED"))),
  and: () => found(query().eq("_id", given.known).and(query().eq("status", "RECOVERED"))),
  not: () => found(query().not(query().eq("status", "ABANDONED"))),
  ascending: () => found(query().eq("status", "RECOVERED").ascending("_createdDate")),
  descending: () => found(query().eq("status", "RECOVERED").descending("_createdDate", "_id")),
  unknownField: () => query().eq("nonsense", 1).find(),
  typed: async () => {
    const answer = await byKey.queryAbandonedCheckouts({
      filter: { status: "RECOVERED" },
      sort: [{ fieldName: "_createdDate", order: "DESC" }],
      cursorPaging: { limit: 2 },
    });
    return { ids: ids(answer.abandonedCheckouts), results: ids(answer.results), metadata: answer.metadata };
  },
  search: async () => {
    const answer = await byKey.searchAbandonedCheckouts({
      search: { expression: given.name, mode: "AND" },
      filter: { status: { $in: ["ABANDONED", "RECOVERED"] } },
      sort: [{ fieldName: "_createdDate", order: "ASC" }],
    });
    return { ids: ids(answer.abandonedCheckouts), metadata: answer.pagingMetadata };
  },
  analytics: () =>
    byKey.getAbandonedCheckoutAnalytics(given.day, { endDate: given.day }),
  pages: async () => {
    const forwards = [];
    let page = await query().limit(20).find();
    const cursors = [];
    console.error("paging");
    for (;;) {
      forwards.push(ids(page.items));
      if (!page.hasNext()) break;
      cursors.push(page.cursors.next);
      if (forwards.length < 4) await arrival();
      page = await page.next();
    }
    console.error("paged");
    const backwards = [ids(page.items)];
    while (page.hasPrev()) {
      page = await page.prev();
      backwards.unshift(ids(page.items));
    }
    const skipped = await query().limit(20).skipTo(cursors[4]).find();
    return { forwards, backwards, skipped: ids(skipped.items) };
  },
};

const answers = {};
for (const [name, step] of Object.entries(steps)) answers[name] = await attempt(step);
console.log(JSON.stringify(answers));
