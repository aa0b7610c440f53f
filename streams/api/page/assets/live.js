// Server-sent events, for as long as the page is open: begins again whatever happens.

const KINDS = ["overview", "recovery", "abandonment", "operations"];
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 15000;
// A connection on which nothing came for three beats is dead, and nobody has said so.
const SILENCE = 35000;

// Calls `heard(kind, data)` for each event and `changed(state)` when the connection is
// "connecting", "live" or "lost". After a loss the first thing heard is "again": whatever was
// missed meanwhile has to be asked for. `isStillWelcome` says whether there is still a session.
export class Live {
  constructor({ heard, changed, isStillWelcome }) {
    this._heard = heard;
    this._changed = changed;
    this._isStillWelcome = isStillWelcome;
    this._source = null;
    this._timer = null;
    this._silence = null;
    this._wait = FIRST_WAIT;
    this._wasLost = false;
    this._site = null;
  }

  get isListening() {
    return this._source !== null;
  }

  listen(site) {
    this.stop();
    this._site = site;
    this._open();
  }

  stop() {
    clearTimeout(this._timer);
    clearTimeout(this._silence);
    this._timer = null;
    this._source?.close();
    this._source = null;
  }

  _open() {
    const query = this._site ? `?${new URLSearchParams({ site: this._site })}` : "";
    const source = new EventSource(`/v1/live${query}`);
    this._source = source;
    if (!this._wasLost) this._changed("connecting");
    source.addEventListener("hello", () => {
      this._wait = FIRST_WAIT;
      this._changed("live");
      if (this._wasLost) this._heard("again", null);
      this._wasLost = false;
    });
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => this._heard(kind, JSON.parse(event.data)));
    }
    source.addEventListener("beat", () => {
      clearTimeout(this._silence);
      this._silence = setTimeout(() => this._lost(), SILENCE);
      this._heard("beat", null);
    });
    source.onerror = () => this._lost();
  }

  // The browser's own retries end for good at the first answer that is no stream, such as a
  // proxy's 502 while the server restarts; ours don't.
  _lost() {
    this.stop();
    this._wasLost = true;
    this._changed("lost");
    const wait = this._wait * (0.75 + Math.random() / 2);
    this._wait = Math.min(LONGEST_WAIT, this._wait * 2);
    const timer = setTimeout(async () => {
      const isWelcome = await this._isStillWelcome();
      if (isWelcome && this._timer === timer) this._open();
    }, wait);
    this._timer = timer;
  }
}
