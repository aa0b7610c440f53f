// Finds checkouts by id, e-mail or status, newest first.
import * as api from "../api.js";
import { NONE } from "../format.js";
import { moment, notice, shown, status } from "../parts.js";
import { filterOf, shortId, writeHash } from "../reading.js";
import { Resource } from "../resource.js";
import { html, nothing } from "../vendor/lit-html.js";

const LIMIT = 25;
const LIVE_PAUSE = 5000;
const STATUSES = [
  ["", "Any status"],
  ["ABANDONED", "Abandoned"],
  ["RECOVERED", "Recovered"],
];

export class CheckoutsView {
  constructor(page) {
    this._page = page;
    this._cursor = null;
    this._found = new Resource(
      () =>
        api.checkouts({
          filter: filterOf(this._asked),
          cursor: this._cursor,
          site: page.site,
          limit: LIMIT,
        }),
      (error) => page.settled(error),
    );
  }

  get _asked() {
    const { q = "", status: asked = "" } = this._page.route.parameters;
    return { text: q, status: asked };
  }

  get _isRefused() {
    return this._asked.text.includes("@") && !this._page.may("read:personal");
  }

  start() {
    if (!this._isRefused) this._found.refresh();
  }

  moved() {
    this._cursor = null;
    this._found.value = null;
    this.start();
  }

  heard(kind) {
    if (this._cursor !== null || this._isRefused) return; // who pages is not to be disturbed
    if (kind === "again") this._found.refresh();
    if (kind !== "operations" && kind !== "beat") this._found.refreshSoon(LIVE_PAUSE);
  }

  stop() {
    this._found.stop();
  }

  draw() {
    return html`
      <div class="ask">
        <h1 tabindex="-1">Find a checkout</h1>
        <div class="controls">${this._page.sites.draw()}</div>
      </div>
      ${this._drawForm()}
      ${this._isRefused
        ? notice(
            "Your token does not see personal data",
            "So it can't search by e-mail. Search by checkout id, or ask for a token with the scope read:personal.",
          )
        : shown(this._found, (found) => this._drawFound(found), "Searching …")}
    `;
  }

  _drawForm() {
    const { text, status: asked } = this._asked;
    const sees = this._page.may("read:personal");
    return html`<form class="search" role="search" @submit=${(event) => this._submit(event)}>
      <div class="field grow">
        <label for="q">${sees ? "Checkout id or e-mail" : "Checkout id"}</label>
        <input
          id="q"
          name="q"
          type="search"
          autocomplete="off"
          spellcheck="false"
          .value=${text}
          placeholder=${sees ? "How it begins" : "How the id begins"}
        />
      </div>
      <div class="field">
        <label for="status">Status</label>
        <select id="status" name="status" @change=${(event) => event.target.form.requestSubmit()}>
          ${STATUSES.map(
            ([value, name]) => html`<option value=${value} ?selected=${value === asked}>${name}</option>`,
          )}
        </select>
      </div>
      <button class="primary">Search</button>
    </form>`;
  }

  _submit(event) {
    event.preventDefault();
    const { q, status: asked } = event.target.elements;
    this._page.go("checkouts", {
      q: q.value.trim(),
      status: asked.value,
      site: this._page.site,
    });
  }

  _drawFound(found) {
    const checkouts = found.abandonedCheckouts;
    if (checkouts.length === 0) {
      const { text, status: asked } = this._asked;
      return notice(
        text || asked ? "Nothing found" : "No checkouts yet",
        text || asked
          ? "Ids and e-mails are searched by how they begin. Deleted checkouts are not found."
          : "The first one appears here as soon as its webhook arrives.",
      );
    }
    const { next, prev } = found.metadata.cursors ?? {};
    return html`
      <div class="wide" role="region" aria-label="Checkouts" tabindex="0">
        <table class="checkouts">
          <thead>
            <tr>
              <th scope="col">Left</th>
              <th scope="col">Checkout</th>
              <th scope="col">Status</th>
              <th scope="col" class="number">Total</th>
              <th scope="col">Buyer</th>
            </tr>
          </thead>
          <tbody>
            ${checkouts.map((one) => this._drawRow(one))}
          </tbody>
        </table>
      </div>
      <p class="pager">
        <button class="plain" ?disabled=${!prev} @click=${() => this._turn(prev)}>Newer</button>
        <button class="plain" ?disabled=${!next} @click=${() => this._turn(next)}>Older</button>
      </p>
    `;
  }

  _drawRow(one) {
    const { format, site } = this._page;
    const { amount, formattedAmount } = one.totalPrice ?? {};
    return html`<tr>
      <td>${one.createdDate ? moment(one.createdDate, format) : NONE}</td>
      <td>
        <a href=${writeHash(`checkouts/${encodeURIComponent(one.id)}`, { site })} title=${one.id}
          ><code>${shortId(one.id)}</code></a
        >
      </td>
      <td>${status(one.status)}</td>
      <td class="number">${moneyOf(format, amount, one.currency, formattedAmount)}</td>
      <td>${this._drawBuyer(one)}</td>
    </tr>`;
  }

  _drawBuyer(one) {
    if (!this._page.may("read:personal")) return html`<span class="faint hidden-data">hidden</span>`;
    return one.buyerInfo?.email || nameOf(one) || html`<span class="faint">unknown</span>`;
  }

  _turn(cursor) {
    this._cursor = cursor;
    this._found.refresh();
    scrollTo(0, 0);
  }
}

export function nameOf(checkout) {
  const { firstName, lastName } = checkout.contactDetails ?? {};
  return [firstName, lastName].filter(Boolean).join(" ");
}

// A Wix amount in its currency; as Wix wrote it where there is no usable currency.
export function moneyOf(format, amount, currency, written) {
  if (amount === undefined || amount === null) return NONE;
  try {
    return format.exactMoney(amount, currency);
  } catch {
    return written ?? amount ?? nothing;
  }
}
