// One site or all of them: a field that searches by id and lists what it finds (ARIA's combobox).
import * as api from "./api.js";
import { shortId } from "./reading.js";
import { html, nothing } from "./vendor/lit-html.js";

const PAUSE = 150;

export class SitePicker {
  constructor(page) {
    this._page = page;
    this._found = [];
    this._isOpen = false;
    this._at = 0;
    this._text = "";
    this._timer = null;
    this._asking = null;
    this._error = null;
  }

  // `sites`: how many there are, if that is known.
  draw(sites = null) {
    const { format, site } = this._page;
    const all = sites === null ? "All sites" : `All ${format.count(sites)} sites`;
    const options = this._options(all);
    const isListed = this._isOpen && options.length > 0;
    return html`<div class="picker" @focusout=${(event) => this._left(event)}>
      <label for="site">Site</label>
      <input
        id="site"
        type="text"
        role="combobox"
        autocomplete="off"
        spellcheck="false"
        aria-expanded=${isListed ? "true" : "false"}
        aria-controls="site-options"
        aria-autocomplete="list"
        aria-activedescendant=${isListed ? `site-${this._at}` : nothing}
        placeholder="How the id begins"
        title=${site || nothing}
        .value=${this._isOpen ? this._text : site || all}
        @focus=${(event) => this._open(event.target)}
        @click=${(event) => this._open(event.target)}
        @input=${(event) => this._typed(event.target.value)}
        @keydown=${(event) => this._pressed(event, options)}
      />
      <ul id="site-options" role="listbox" aria-label="Sites" ?hidden=${!isListed}>
        ${options.map(
          (option, number) => html`<li
            id="site-${number}"
            role="option"
            aria-selected=${option.site === site ? "true" : "false"}
            class=${number === this._at ? "active" : ""}
            @mousedown=${(event) => event.preventDefault()}
            @click=${() => this._choose(option)}
          >
            <span>${option.text}</span><span class="faint">${option.note}</span>
          </li>`,
        )}
      </ul>
      ${this._isOpen ? this._note() : nothing}
    </div>`;
  }

  _note() {
    const text = this._error
      ? this._error.message
      : this._text && this._found.length === 0 && this._asking === null
        ? "No site's id begins like that."
        : "";
    return html`<p class="picker-note" role="status">${text}</p>`;
  }

  _options(all) {
    const { format } = this._page;
    // while a newer answer is under way, what is typed narrows the last one
    const isMeant = (id) => id?.startsWith(this._text.toLowerCase()) ?? false;
    const meant = this._found.filter((one) => isMeant(one.instance_id) || isMeant(one.site_id));
    const found = meant.map((one) => ({
      site: one.instance_id,
      text: one.instance_id,
      note: `${format.count(one.abandoned)} left`,
    }));
    return this._text ? found : [{ site: "", text: all, note: "" }, ...found];
  }

  _open(field) {
    if (this._isOpen) return;
    field.value = ""; // at once: who types before the next frame means nothing but what is typed
    this._isOpen = true;
    this._text = "";
    this._at = 0;
    this._search(0);
    this._page.redraw();
  }

  _close() {
    this._isOpen = false;
    this._page.redraw();
  }

  _left(event) {
    if (!event.currentTarget.contains(event.relatedTarget)) this._close();
  }

  _typed(text) {
    this._text = text.trim();
    this._isOpen = true;
    this._at = 0;
    this._search(PAUSE);
    this._page.redraw();
  }

  _search(pause) {
    clearTimeout(this._timer);
    this._asking?.abort();
    const asking = new AbortController();
    this._asking = asking;
    this._timer = setTimeout(async () => {
      try {
        const answer = await api.sites(this._text, { signal: asking.signal });
        this._found = answer.sites;
        this._error = null;
      } catch (error) {
        if (error.name === "AbortError") return;
        this._error = error;
      }
      if (this._asking === asking) this._asking = null;
      this._page.redraw();
    }, pause);
  }

  _choose(option) {
    const { route } = this._page;
    this._isOpen = false;
    this._page.go(route.view, { ...route.parameters, site: option.site });
    this._page.redraw();
  }

  _pressed(event, options) {
    const last = options.length - 1;
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in moves) {
      event.preventDefault();
      if (this._isOpen) this._at = Math.min(last, Math.max(0, this._at + moves[event.key]));
      else this._open(event.target);
      this._page.redraw();
    } else if (event.key === "Enter" && this._isOpen && options[this._at]) {
      event.preventDefault();
      this._choose(options[this._at]);
    } else if (event.key === "Escape" && this._isOpen) {
      event.preventDefault();
      this._close();
    }
  }
}

export const siteName = (id) => html`<code title=${id}>${shortId(id)}</code>`;
