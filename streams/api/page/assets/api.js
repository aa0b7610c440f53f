// Asks the API of the page's own host. The session is a cookie that scripts can't read.

// An answer that is no success. `status` is 0 where there was none at all.
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server can't be reached.");
  }
  const text = await answer.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    body = null;
  }
  if (!answer.ok) throw new ApiError(answer.status, body?.message ?? `The server answered ${answer.status}.`);
  return body;
}

function address(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== "");
  return given.length > 0 ? `${path}?${new URLSearchParams(given)}` : path;
}

function post(path, body, { headers = {}, ...options } = {}) {
  return ask(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
    ...options,
  });
}

export const session = () => ask("/session");
export const signIn = (token) => post("/session", { token });
export const signOut = () => ask("/session", { method: "DELETE" });

export const overview = (site) => ask(address("/v1/overview", { site }));
export const series = (site, window) => ask(address("/v1/overview/series", { site, window }));
export const recoveryTimes = (site, window) =>
  ask(address("/v1/overview/recovery-times", { site, window }));
export const recent = (site, limit) => ask(address("/v1/overview/recent", { site, limit }));
export const sites = (search, options) =>
  ask(address("/v1/overview/sites", { search, limit: 20 }), options);
export const operations = () => ask("/v1/operations");

export const timeline = (id) => ask(`/v1/checkouts/${encodeURIComponent(id)}/timeline`);
export const checkout = async (id) =>
  (await ask(`/ecom/v1/abandoned-checkout/${encodeURIComponent(id)}`)).abandonedCheckout;

// A page of checkouts, newest first; a cursor carries its filter with it.
export function checkouts({ filter, cursor, site, limit }) {
  const query = cursor
    ? { cursorPaging: { limit, cursor } }
    : {
        filter,
        sort: [{ fieldName: "createdDate", order: "DESC" }],
        cursorPaging: { limit },
      };
  return post(
    "/ecom/v1/abandoned-checkout/query",
    { query },
    { headers: site ? { "wix-site-id": site } : {} },
  );
}
