// One checkout: what is in it, and what happened to it in which order.
import * as api from "../api.js";
import { moment, notice, shown, status } from "../parts.js";
import { entryInWords, shortId, writeHash } from "../reading.js";
import { Resource } from "../resource.js";
import { html, nothing } from "../vendor/lit-html.js";
import { moneyOf, nameOf } from "./checkouts.js";

const PAUSE = 2000;
const HIDDEN = html`<span class="faint hidden-data">hidden: your token does not see personal data</span>`;

export class CheckoutView {
  constructor(page) {
    this._page = page;
    this._id = page.route.id;
    const settled = (error) => page.settled(error);
    this._timeline = new Resource(() => api.timeline(this._id), settled);
    // of a deleted checkout there is a timeline and nothing else
    this._checkout = new Resource(
      () =>
        api.checkout(this._id).catch((error) => {
          if (error.status === 404) return false;
          throw error;
        }),
      settled,
    );
  }

  start() {
    this._timeline.refresh();
    this._checkout.refresh();
  }

  heard(kind, data) {
    if (kind === "again") this.start();
    const isOurs = data?.abandoned_checkout_id === this._id.toLowerCase();
    if (kind === "overview" || isOurs) {
      this._timeline.refreshSoon(PAUSE);
      this._checkout.refreshSoon(PAUSE);
    }
  }

  stop() {
    this._timeline.stop();
    this._checkout.stop();
  }

  draw() {
    const { site } = this._page;
    return html`
      <p class="back"><a href=${writeHash("checkouts", { site })}>← All checkouts</a></p>
      <div class="ask">
        <h1 tabindex="-1">Checkout <code title=${this._id}>${shortId(this._id)}</code></h1>
      </div>
      ${shown(
        this._timeline,
        (timeline) => html`<div class="pair detail">
          <section aria-labelledby="what">
            <h2 id="what">What it is</h2>
            ${shown(this._checkout, (checkout) =>
              checkout === false ? this._drawGone() : this._drawCheckout(checkout, timeline),
            )}
          </section>
          <section aria-labelledby="happened">
            <h2 id="happened">What happened</h2>
            ${this._drawTimeline(timeline)}
          </section>
        </div>`,
      )}
    `;
  }

  _drawGone() {
    return notice("Deleted", "Its content is gone. What happened to it stays, and it stays counted.");
  }

  _drawCheckout(checkout, timeline) {
    const { format } = this._page;
    const { totalPrice = {}, subtotalPrice = {}, currency, lineItems = [] } = checkout;
    const rows = [
      ["Status", status(checkout.status)],
      ["Total", moneyOf(format, totalPrice.amount, currency, totalPrice.formattedAmount)],
      ["Before discounts and tax", moneyOf(format, subtotalPrice.amount, currency, subtotalPrice.formattedAmount)],
      ["Left", moment(checkout.createdDate, format, format.preciseTime)],
      ["Completed", moment(timeline.recovered_at, format, format.preciseTime)],
      ["Stage", checkout.checkoutId ? "checkout" : "cart: the checkout was not begun"],
      ["Language", checkout.buyerLanguage ?? nothing],
      ["Checkout id", html`<code>${timeline.abandoned_checkout_id}</code>`],
      ["Site", html`<code>${timeline.site_id ?? timeline.instance_id}</code>`],
    ];
    return html`
      <dl class="facts">
        ${rows.filter(([, value]) => value !== nothing).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
        ${this._drawBuyer(checkout, timeline)}
      </dl>
      ${lineItems.length > 0 ? this._drawItems(lineItems, currency) : nothing}
      <details>
        <summary>As Wix sent it</summary>
        <pre tabindex="0" aria-label="The checkout as JSON">${JSON.stringify(checkout, null, 2)}</pre>
      </details>
    `;
  }

  _drawBuyer(checkout, timeline) {
    const row = (name, value) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
    if (timeline.is_anonymized) return row("Buyer", html`<span class="faint">erased at the buyer's wish</span>`);
    if (!this._page.may("read:personal")) return row("Buyer", HIDDEN);
    const { email } = checkout.buyerInfo ?? {};
    const { phone, company } = checkout.contactDetails ?? {};
    const known = [
      ["Buyer", nameOf(checkout)],
      ["E-mail", email],
      ["Phone", phone],
      ["Company", company],
      ["Link", safeLink(checkout.checkoutUrl)],
    ].filter(([, value]) => value);
    return known.length > 0
      ? known.map(([name, value]) => row(name, value))
      : row("Buyer", html`<span class="faint">unknown: the guest typed nothing</span>`);
  }

  _drawItems(items, currency) {
    const { format } = this._page;
    return html`<h3>In the cart</h3>
      <ul class="items">
        ${items.map(
          (item) => html`<li>
            <span class="number">${format.count(item.quantity ?? 1)} ×</span>
            <span>${item.productName?.translated ?? item.productName?.original ?? "Item without a name"}</span>
            <span class="number">${moneyOf(format, item.price?.amount, currency, item.price?.formattedAmount)}</span>
          </li>`,
        )}
      </ul>`;
  }

  _drawTimeline(timeline) {
    const { format } = this._page;
    if (timeline.entries.length === 0) return html`<p class="faint">Nothing is known.</p>`;
    return html`<ol class="timeline">
      ${timeline.entries.map((entry) => {
        const { title, note } = entryInWords(entry);
        return html`<li class=${entry.what}>
          <p class="when">${moment(entry.at, format, format.preciseTime)}</p>
          <p class="title">${title}</p>
          ${note ? html`<p class="faint">${note}</p>` : nothing}
          <p class="faint position"><code title="Topic, partition and offset">${entry.position}</code></p>
        </li>`;
      })}
    </ol>`;
  }
}

// Only what leads to a web page is a link.
function safeLink(address) {
  return /^https?:\/\//i.test(address ?? "")
    ? html`<a href=${address} rel="noopener noreferrer external">${new URL(address).host}</a>`
    : null;
}
