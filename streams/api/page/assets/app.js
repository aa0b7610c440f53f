// The page: who is signed in, which view is shown, whether it is live.
import * as api from "./api.js";
import { makeFormat } from "./format.js";
import { Live } from "./live.js";
import { readHash, writeHash } from "./reading.js";
import { SitePicker } from "./sites.js";
import { html, nothing, render } from "./vendor/lit-html.js";
import { CheckoutView } from "./views/checkout.js";
import { CheckoutsView } from "./views/checkouts.js";
import { OperationsView } from "./views/operations.js";
import { RecoveryView } from "./views/recovery.js";
import { SignIn } from "./views/sign-in.js";

const VIEWS = {
  recovery: { title: "Recovery", make: RecoveryView },
  checkouts: { title: "Checkouts", make: CheckoutsView },
  operations: { title: "Operations", make: OperationsView },
};
const THEMES = { auto: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };
const AWAY_PAUSE = 3000;
const STORED_THEME = "checkout-recovery.theme";
const CONNECTIONS = {
  connecting: "Connecting",
  live: "Live",
  lost: "Reconnecting",
};

class Page {
  constructor(root) {
    this._root = root;
    this._isDrawing = false;
    this._view = null;
    this._key = null;
    this._isOpen = false; // the menu of a narrow screen
    this.format = makeFormat();
    this.session = null;
    this.route = readHash(location.hash);
    this.connection = "connecting";
    this.updatedAt = null;
    this.theme = document.documentElement.dataset.theme ?? "auto";
    this.phase = "starting";
    this.signIn = new SignIn(this);
    this.sites = new SitePicker(this);
    this.live = new Live({
      heard: (kind, data) => this._hear(kind, data),
      changed: (connection) => {
        this.connection = connection;
        this.redraw();
      },
      isStillWelcome: () => this._isStillWelcome(),
    });
  }

  async start() {
    addEventListener("hashchange", () => this._follow());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this._view?.heard("again", null);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this._recolour());
    setInterval(() => this.redraw(), 1000); // "updated 3 seconds ago" grows by itself
    this.redraw();
    await this._takeToken();
    await this._begin();
  }

  // A link of `up` or `demo` brings its token behind the #, which no server sees; it signs in once
  // and is gone from the address and the history.
  async _takeToken() {
    const [, token] = location.hash.match(/^#token=(.+)$/) ?? [];
    if (!token) return;
    history.replaceState(null, "", location.pathname);
    this.route = readHash("");
    await api.signIn(decodeURIComponent(token)).catch((error) => this.signIn.fail(error));
  }

  async _begin() {
    try {
      this.session = await api.session();
      if (this.session) this._enter();
      else this.leave();
    } catch (error) {
      if (error.status === 401) {
        this.leave();
        return;
      }
      this.phase = "away";
      setTimeout(() => this._begin(), AWAY_PAUSE);
      this.redraw();
    }
  }

  // After a sign-in.
  async enter() {
    this.session = await api.session();
    if (this.session === null) throw new Error("The browser keeps no cookies of this page.");
    this._enter();
    this._focusTitle();
  }

  // The session is over: by the reader's wish, or because the token is not valid any more.
  leave(reason = "") {
    this.session = null;
    this.phase = "out";
    this.live.stop();
    this._view?.stop();
    this._view = null;
    this._key = null;
    this.signIn.reason = reason;
    this.redraw();
  }

  get site() {
    return this.route.parameters.site ?? "";
  }

  may(scope) {
    return this.session.scopes.includes(scope);
  }

  // Something was asked of the server, and this is how it ended.
  settled(error) {
    if (error === null) this.updatedAt = Date.now();
    if (error?.status === 401 && this.session !== null) {
      this.leave("You were signed out: the token is not valid any more.");
    }
    this.redraw();
  }

  go(view, parameters) {
    location.hash = writeHash(view, parameters);
  }

  redraw() {
    if (this._isDrawing) return;
    this._isDrawing = true;
    requestAnimationFrame(() => {
      this._isDrawing = false;
      render(this._draw(), this._root);
      this._view?.drawn?.(this._root);
    });
  }

  _enter() {
    this.phase = "in";
    this._follow();
  }

  _follow() {
    const before = this.route;
    this.route = readHash(location.hash);
    if (this.session === null) return;
    if (!Object.hasOwn(VIEWS, this.route.view)) {
      location.replace(writeHash("recovery"));
      return;
    }
    const key = `${this.route.view}/${this.route.id ?? ""}`;
    if (key !== this._key) {
      this._view?.stop();
      const isDetail = this.route.view === "checkouts" && this.route.id !== null;
      const make = isDetail ? CheckoutView : VIEWS[this.route.view].make;
      this._view = new make(this);
      const isFirst = this._key === null;
      this._key = key;
      this._view.start();
      if (!isFirst) {
        scrollTo(0, 0);
        this._focusTitle();
      }
    } else {
      this._view.moved?.(before);
    }
    if (!this.live.isListening || before.parameters.site !== this.route.parameters.site) {
      this.live.listen(this.site);
    }
    document.title = `${VIEWS[this.route.view].title} · Checkout Recovery`;
    this.redraw();
  }

  _hear(kind, data) {
    if (kind === "beat" || kind === "operations") this.updatedAt = Date.now();
    if (!document.hidden) this._view?.heard(kind, data);
    this.redraw();
  }

  async _isStillWelcome() {
    try {
      if ((await api.session()) !== null) return true;
    } catch (error) {
      if (error.status !== 401) return true;
    }
    this.leave("You were signed out: the token is not valid any more.");
    return false;
  }

  _focusTitle() {
    requestAnimationFrame(() =>
      requestAnimationFrame(() => this._root.querySelector("h1")?.focus({ preventScroll: true })),
    );
  }

  _recolour() {
    this._view?.recolour?.();
    this.redraw();
  }

  _turnTheme() {
    const names = Object.keys(THEMES);
    this.theme = names[(names.indexOf(this.theme) + 1) % names.length];
    try {
      localStorage.setItem(STORED_THEME, this.theme);
    } catch {
      // not kept, then
    }
    if (this.theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
    this._recolour();
  }

  async _signOut() {
    await api.signOut().catch(() => null);
    this.leave();
  }

  _draw() {
    if (this.phase === "starting") return html`<p class="loading alone" role="status">Loading …</p>`;
    if (this.phase === "away") {
      return html`<main class="alone">
        <h1 tabindex="-1">The server can't be reached</h1>
        <p>This page tries again every few seconds.</p>
      </main>`;
    }
    if (this.phase === "out") return this.signIn.draw();
    return html`
      <a class="skip" href="#content" @click=${(event) => this._skip(event)}>Skip to the content</a>
      <header class="top">
        <a class="brand" href=${writeHash("recovery", { site: this.site })}>
          <img src="/assets/icon.svg" alt="" width="26" height="26" /><span>Checkout Recovery</span>
        </a>
        <nav aria-label="Views">${Object.entries(VIEWS).map((entry) => this._drawLink(entry))}</nav>
        ${this._drawConnection()}
        <div class="tools">
          <button
            class="icon"
            title=${THEMES[this.theme]}
            aria-label=${THEMES[this.theme]}
            @click=${() => this._turnTheme()}
          >
            ${this._drawThemeSign()}
          </button>
          <button class="plain" title="Signed in as ${this.session.name}" @click=${() => this._signOut()}>
            Sign out
          </button>
        </div>
      </header>
      <main id="content" tabindex="-1">${this._view?.draw() ?? nothing}</main>
    `;
  }

  _skip(event) {
    event.preventDefault();
    this._root.querySelector("#content").focus();
  }

  _drawLink([name, { title }]) {
    return html`<a
      href=${writeHash(name, { site: this.site })}
      aria-current=${this.route.view === name ? "page" : nothing}
      >${title}</a
    >`;
  }

  _drawConnection() {
    const since = this.updatedAt === null ? "" : this.format.ago(this.updatedAt, Date.now());
    return html`<p class="connection ${this.connection}">
      <span class="dot" aria-hidden="true"></span>
      <span role="status">${CONNECTIONS[this.connection]}</span>
      ${since
        ? html`<span class="updated" title=${this.format.utc(this.updatedAt)}>updated ${since}</span>`
        : nothing}
    </p>`;
  }

  _drawThemeSign() {
    const signs = { auto: "◐", light: "○", dark: "●" };
    return html`<span aria-hidden="true">${signs[this.theme]}</span>`;
  }
}

new Page(document.querySelector("#page")).start();
