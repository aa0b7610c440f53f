// Small pieces that several views draw: states, instants, intervals.
import { html, nothing, svg } from "./vendor/lit-html.js";

// A moment in the reader's zone; UTC on hover.
export function moment(instant, format, style = format.dateTime) {
  if (!instant) return nothing;
  return html`<time datetime=${instant} title=${format.utc(instant)}>${style(instant)}</time>`;
}

// A share with its interval on a line from 0 to `most`: for the eye; the figures stand beside it.
export function interval(share, most) {
  if (share.rate === null) return nothing;
  const at = (value) => `${Math.min(100, (Number(value) / most) * 100)}%`;
  return html`<svg class="interval" aria-hidden="true" focusable="false">
    ${svg`
      <line class="axis" x1="0" x2="100%" y1="50%" y2="50%"></line>
      <line class="likely" x1=${at(share.low)} x2=${at(share.high)} y1="50%" y2="50%"></line>
      <circle class="rate" cx=${at(share.rate)} cy="50%" r="4"></circle>`}
  </svg>`;
}

// A bar of a part in a whole.
export function bar(share) {
  return html`<svg class="bar" aria-hidden="true" focusable="false">
    ${svg`<rect class="whole" width="100%" height="100%" rx="3"></rect>
      <rect class="part" width=${`${share * 100}%`} height="100%" rx="3"></rect>`}
  </svg>`;
}

// The largest upper bound of some shares, as the right end of a common line.
export function mostOf(shares) {
  const most = Math.max(0, ...shares.map((share) => Number(share.high ?? 0)));
  return most > 0 ? Math.min(1, most * 1.04) : 1;
}

export function status(name) {
  const isRecovered = name === "RECOVERED";
  return html`<span class="status ${isRecovered ? "recovered" : "open"}"
    >${isRecovered ? "Recovered" : "Abandoned"}</span
  >`;
}

// A note in place of what can't be shown.
export function notice(title, text, action = nothing) {
  return html`<div class="notice">
    <p class="notice-title">${title}</p>
    <p>${text}</p>
    ${action}
  </div>`;
}

export const loading = (text) => html`<p class="loading" role="status">${text}</p>`;

function failed(error, retry) {
  const again = html`<button class="plain" @click=${retry}>Try again</button>`;
  if (error.status === 403) {
    return notice(
      "Your token does not allow this",
      "It sees only some sites or lacks a permission. Whoever gave it to you can give you another.",
    );
  }
  if (error.status === 404) {
    return notice("Nothing by that name", "There is none, or your token does not see its site.");
  }
  if (error.status === 429) {
    return notice("Too many requests", "This token has asked too often. Wait a minute.", again);
  }
  return notice("No answer", error.message, again);
}

// A resource in whatever state it is. A value stays on show while a newer one can't be had: the
// top of the page says how old it is.
export function shown(resource, draw, text = "Loading …") {
  if (resource.value !== null) return draw(resource.value);
  if (resource.error !== null) return failed(resource.error, () => resource.refresh());
  return loading(text);
}
