// The form that takes a token once; what stays is a cookie that scripts can't read.
import * as api from "../api.js";
import { html } from "../vendor/lit-html.js";

export class SignIn {
  constructor(page) {
    this._page = page;
    this._isAsking = false;
    this._error = "";
    this.reason = "";
  }

  draw() {
    const trouble = this._error || this.reason;
    return html`<main class="sign-in">
      <img src="/assets/icon.svg" alt="" width="48" height="48" />
      <h1 tabindex="-1">Checkout Recovery</h1>
      <p class="lead">How many of the checkouts that shoppers leave behind are completed after all, and how fast.</p>
      <form @submit=${(event) => this._submit(event)}>
        <label for="token">Access token</label>
        <input
          id="token"
          name="token"
          type="password"
          autocomplete="current-password"
          required
          spellcheck="false"
          aria-describedby="token-help token-trouble"
          aria-invalid=${this._error ? "true" : "false"}
        />
        <p id="token-trouble" class="trouble" role="alert">${trouble}</p>
        <button class="primary" ?disabled=${this._isAsking}>
          ${this._isAsking ? "Signing in …" : "Sign in"}
        </button>
        <p id="token-help" class="faint">
          It begins with <code>crt_</code>. <code>checkout-recovery up</code> and <code>demo</code>
          print one; an operator makes others with <code>checkout-recovery new-token</code>.
        </p>
      </form>
    </main>`;
  }

  fail(error) {
    this._error = wordsOf(error);
  }

  async _submit(event) {
    event.preventDefault();
    const field = event.target.elements.token;
    this._isAsking = true;
    this._error = "";
    this.reason = "";
    this._page.redraw();
    try {
      await api.signIn(field.value.trim());
      field.value = "";
      await this._page.enter();
    } catch (error) {
      this.fail(error);
      field.focus();
      field.select();
    }
    this._isAsking = false;
    this._page.redraw();
  }
}

function wordsOf(error) {
  if (error.status === 401) return "This token is not valid.";
  if (error.status === 429) return "Too many attempts. Wait a minute, then try again.";
  return error.message;
}
