// Something asked of the server, and how far the answer is: nothing yet, a value, or an error
// beside the last value. Only the newest request counts; a value is never older than the one before.

export class Resource {
  // `load` asks; `settled(error)` hears of every end, null after a success.
  constructor(load, settled) {
    this._load = load;
    this._settled = settled;
    this._asked = 0;
    this._timer = null;
    this._lastAsked = -Infinity;
    this.value = null;
    this.error = null;
  }

  async refresh() {
    clearTimeout(this._timer);
    this._timer = null;
    this._asked += 1;
    const number = this._asked;
    this._lastAsked = performance.now();
    try {
      const value = await this._load();
      if (number !== this._asked) return;
      this.value = value;
      this.error = null;
    } catch (error) {
      if (number !== this._asked) return;
      this.error = error;
    }
    this._settled(this.error);
  }

  // At once if the last request is `pause` milliseconds ago, else when it will be.
  refreshSoon(pause) {
    if (this._timer !== null) return;
    const wait = Math.max(0, this._lastAsked + pause - performance.now());
    this._timer = setTimeout(() => this.refresh(), wait);
  }

  // Whatever is under way is of no interest any more.
  stop() {
    clearTimeout(this._timer);
    this._timer = null;
    this._asked += 1;
  }
}
