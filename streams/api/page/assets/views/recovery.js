// What a merchandiser looks at: how many came back, how fast, and what that is worth.
import * as api from "../api.js";
import { RateChart } from "../chart.js";
import { NONE, shareOf } from "../format.js";
import { bar, interval, moment, mostOf, notice, shown } from "../parts.js";
import {
  changeOf,
  headlineOf,
  isEmpty,
  secondsOf,
  sentenceOf,
  togetherOf,
  TOO_SHORT,
  windowOf,
  writeHash,
} from "../reading.js";
import { Resource } from "../resource.js";
import { siteName } from "../sites.js";
import { html, nothing, svg } from "../vendor/lit-html.js";

const OVERVIEW_PAUSE = 2000;
const DETAIL_PAUSE = 15000;
const RECENT = 12;
const SEGMENTS = [
  {
    title: "How far they came",
    note: "A cart is left before the checkout was begun.",
    rows: [
      ["Left in the checkout", (window) => window.by_stage.checkout],
      ["Left in the cart", (window) => window.by_stage.cart],
    ],
  },
  {
    title: "Whether they can be reached",
    note: "By e-mail, phone or as a known contact.",
    rows: [
      ["Reachable", (window) => window.reachable],
      ["Not reachable", (window) => window.unreachable],
    ],
  },
  {
    title: "Whether they got a message",
    note: "Not causal: whoever comes back early gets fewer messages, so the difference does not show what messages achieve.",
    rows: [
      ["Got a message first", (window) => window.touched],
      ["Got none", (window) => window.untouched],
    ],
  },
];

export class RecoveryView {
  constructor(page) {
    this._page = page;
    this._chart = null;
    this._at = null; // the point of the chart that the reader points at
    this._isTable = false;
    this._new = new Set(); // recoveries that came in while the page was open
    const resource = (load) => new Resource(load, (error) => page.settled(error));
    this._overview = resource(() => api.overview(page.site));
    this._series = resource(() => api.series(page.site, this._window));
    this._times = resource(() => api.recoveryTimes(page.site, this._window));
    this._recent = resource(() => api.recent(page.site, RECENT));
  }

  get _window() {
    const { session, route } = this._page;
    const asked = route.parameters.window;
    return session.windows.includes(asked) && asked !== TOO_SHORT ? asked : session.headline_window;
  }

  start() {
    for (const resource of this._all()) resource.refresh();
  }

  moved(before) {
    const isOtherSite = before.parameters.site !== this._page.route.parameters.site;
    const again = isOtherSite ? this._all() : [this._series, this._times];
    for (const resource of again) {
      resource.value = null;
      resource.refresh();
    }
    this._at = null;
  }

  heard(kind, data) {
    if (kind === "again") this.start();
    if (kind === "overview") {
      this._overview.refreshSoon(OVERVIEW_PAUSE);
      this._series.refreshSoon(DETAIL_PAUSE);
      this._times.refreshSoon(DETAIL_PAUSE);
    }
    if (kind === "recovery") this._add(data);
  }

  recolour() {
    requestAnimationFrame(() => this._chart?.recolour());
  }

  stop() {
    for (const resource of this._all()) resource.stop();
    this._chart?.destroy();
    this._chart = null;
  }

  drawn(root) {
    const place = root.querySelector("#chart");
    if (this._chart !== null && this._chart.root !== place) {
      this._chart.destroy();
      this._chart = null;
    }
    if (place === null) return;
    this._chart ??= new RateChart(place, {
      format: this._page.format,
      pointed: (index) => {
        if (index === this._at) return;
        this._at = index;
        this._page.redraw();
      },
    });
    const window = windowOf(this._overview.value, this._window);
    this._chart.show(this._series.value, window.horizon);
  }

  draw() {
    const overview = this._overview.value;
    return html`
      <div class="ask">
        <h1 tabindex="-1">Of the checkouts that shoppers left behind, how many were completed after all?</h1>
        <div class="controls">
          ${this._page.sites.draw(this._page.site ? null : overview?.sites)} ${this._drawWindows()}
        </div>
      </div>
      ${shown(this._overview, (value) => this._drawOverview(value), "Counting …")}
    `;
  }

  _all() {
    return [this._overview, this._series, this._times, this._recent];
  }

  _add(recovery) {
    if (this._recent.value === null) return;
    const known = this._recent.value.recoveries;
    const id = recovery.abandoned_checkout_id;
    if (known.some((one) => one.abandoned_checkout_id === id)) return;
    this._new.add(id);
    this._recent.value = { recoveries: [recovery, ...known].slice(0, RECENT) };
    this._page.updatedAt = Date.now();
  }

  _drawWindows() {
    const { format, session, route } = this._page;
    return html`<fieldset class="segmented">
      <legend>Window</legend>
      ${session.windows
        .filter((name) => name !== TOO_SHORT)
        .map(
          (name) => html`<label
            ><input
              type="radio"
              name="window"
              .checked=${name === this._window}
              @change=${() => this._page.go("recovery", { ...route.parameters, window: name })}
            /><span>${format.span(name)}</span></label
          >`,
        )}
    </fieldset>`;
  }

  _drawOverview(overview) {
    if (isEmpty(overview)) {
      return notice(
        "No checkouts yet",
        "As soon as a shop's first webhook arrives, its checkout is counted here. Nothing has to be reloaded.",
      );
    }
    const window = windowOf(overview, this._window);
    return html`
      <div class="first">
        <div>${this._drawHeadline(window)} ${this._drawMoney(window)}</div>
        ${this._drawRecent()}
      </div>
      ${this._drawWindowsTable(overview)} ${this._drawOverTime(window)}
      ${this._drawTimes(window)} ${this._drawSegments(window)}
      <p class="faint foot">
        Counted up to ${moment(overview.as_of, this._page.format, this._page.format.preciseTime)}.
        ${overview.excluded_staff > 0
          ? html`${this._page.format.count(overview.excluded_staff)} checkouts of the shops' own staff are left out.`
          : nothing}
        Intervals are 95 % likely (Wilson). Every number can be recomputed from the log.
      </p>
    `;
  }

  _drawHeadline(window) {
    const { format } = this._page;
    const headline = headlineOf(window);
    const pieces = sentenceOf(window, format);
    const sentence = pieces.map((piece, number) => (number % 2 ? html`<b>${piece}</b>` : piece));
    if (headline === null) {
      return html`<section class="headline" aria-label="Recovery rate">
        <p class="figure">${NONE}</p>
        <p class="sentence">${sentence}</p>
      </section>`;
    }
    const isMatured = headline.kind === "matured";
    return html`<section class="headline" aria-labelledby="headline">
      <h2 id="headline">${isMatured ? "Recovery rate" : "Recovered so far"}</h2>
      <p class="figure"><data value=${headline.rate}>${format.percent(headline.rate)}</data></p>
      ${this._drawScale(headline)}
      <p class="sentence" id="sentence">${sentence}</p>
      ${isMatured
        ? html`<p class="faint">Only checkouts that have had their ${format.span(window.horizon)} count here.</p>`
        : html`<p class="faint">
            None of these has had its ${format.span(window.horizon)} yet, so more may follow. The recovery
            rate appears once the first have.
          </p>`}
    </section>`;
  }

  _drawScale(headline) {
    const { format } = this._page;
    const most = Math.min(1, Math.ceil(Number(headline.high) * 10) / 10);
    return html`<div class="scale" aria-hidden="true">
      <span>${format.wholePercent(0)}</span>${interval(headline, most)}<span
        >${format.wholePercent(most)}</span
      >
    </div>`;
  }

  _drawRecent() {
    const { format, site } = this._page;
    return html`<section class="recent" aria-labelledby="recent">
      <h2 id="recent">Latest recoveries</h2>
      ${shown(this._recent, ({ recoveries }) =>
        recoveries.length === 0
          ? html`<p class="faint">None yet. The next one appears here by itself.</p>`
          : html`<ul>
              ${recoveries.map((one) => this._drawRecovery(one, format, site))}
            </ul>`,
      )}
    </section>`;
  }

  _drawRecovery(one, format, site) {
    const id = one.abandoned_checkout_id;
    return html`<li class=${this._new.has(id) ? "new" : ""} data-id=${id}>
      <a href=${writeHash(`checkouts/${id}`, { site })} title=${id}
        ><b>${one.total ? format.exactMoney(one.total.amount, one.total.currency) : "No total"}</b></a
      >
      <span>
        ${one.time_to_recovery_seconds === null
          ? nothing
          : html`after ${format.duration(one.time_to_recovery_seconds)}`}
      </span>
      ${site
        ? nothing
        : html`<span class="faint small"><span class="visually-hidden">site</span> ${siteName(one.instance_id)}</span>`}
      <span class="faint small when">${moment(one.at, format, (at) => format.ago(at, Date.now(), "narrow"))}</span>
    </li>`;
  }

  _drawWindowsTable(overview) {
    const { format } = this._page;
    // an hour's interval is so wide that beside it the others would be points
    const most = mostOf(
      overview.windows
        .filter((one) => one.window !== TOO_SHORT)
        .flatMap((one) => [one.cohort, one.matured]),
    );
    const horizon = format.span(overview.windows[0].horizon);
    return html`<section aria-labelledby="ways">
      <h2 id="ways">Three ways to count</h2>
      <div class="wide" role="region" aria-label="Rates by window" tabindex="0">
        <table class="windows">
          <thead>
            <tr>
              <th scope="col">Last</th>
              <th scope="col" class="number">Left behind</th>
              <th scope="col">Recovery rate</th>
              <th scope="col">Recovered so far</th>
              <th scope="col" class="number">Points to before</th>
              <th scope="col" class="number">Flow</th>
            </tr>
          </thead>
          <tbody>
            ${overview.windows.map((one) => this._drawWindowRow(one, most))}
          </tbody>
        </table>
      </div>
      <dl class="meanings">
        <div>
          <dt>Recovery rate</dt>
          <dd>
            Of those left long enough ago, the share completed within ${horizon}. Each has had the same
            time: this is the number to quote. An hour's checkouts are too few for it.
          </dd>
        </div>
        <div>
          <dt>Recovered so far</dt>
          <dd>
            Of those left in the window, the share completed by now. Some were left a minute ago, so it still
            grows. Beside it, how many percentage points it is above or below the same time before.
          </dd>
        </div>
        <div>
          <dt>Flow</dt>
          <dd>
            Completions in the window against checkouts left in it. Who comes back today may have left last
            week, so it can pass 100 %. It is the first to show a sudden change.
          </dd>
        </div>
      </dl>
    </section>`;
  }

  _drawWindowRow(one, most) {
    const { format } = this._page;
    const isShort = one.window === TOO_SHORT;
    const change = changeOf(one);
    return html`<tr class=${one.window === this._window ? "chosen" : ""} data-window=${one.window}>
      <th scope="row">${format.span(one.window)}</th>
      <td class="number" data-label="Left behind">${format.count(one.cohort.abandoned)}</td>
      <td data-label="Recovery rate" data-kind="matured">
        ${isShort ? html`<span class="faint">too short</span>` : this._drawShare(one.matured, most)}
      </td>
      <td data-label="Recovered so far" data-kind="cohort">${this._drawShare(one.cohort, most)}</td>
      <td class="number faint" data-label="Points to before">
        ${change === null ? NONE : format.points(change)}
      </td>
      <td class="number" data-label="Flow" data-kind="flow">
        <span
          >${format.percent(one.flow.ratio)}
          <span class="faint of"
            >${format.count(one.flow.recovered)} / ${format.count(one.flow.abandoned)}</span
          ></span
        >
      </td>
    </tr>`;
  }

  _drawShare(share, most) {
    const { format } = this._page;
    if (share.rate === null) return html`<span class="faint">${NONE}</span>`;
    return html`<span class="share" title="likely ${format.percentRange(share.low, share.high)}">
      <b><data value=${share.rate}>${format.percent(share.rate)}</data></b>
      ${interval(share, most)}
      <span class="faint of">${format.count(share.recovered)} of ${format.count(share.abandoned)}</span>
    </span>`;
  }

  _drawOverTime(window) {
    const { format } = this._page;
    const span = format.span(window.window);
    return html`<section aria-labelledby="over-time">
      <h2 id="over-time">Over time, last ${span}</h2>
      ${shown(this._series, (series) => {
        const sums = series.points.reduce(
          (all, point) => [all[0] + point.abandoned, all[1] + point.recovered],
          [0, 0],
        );
        return html`
          <p class="legend">${this._drawPoint(series, sums)}</p>
          <div
            id="chart"
            role="img"
            aria-label="Over the last ${span}, ${format.count(sums[0])} checkouts were left behind and ${format.count(
              sums[1],
            )} of them completed so far. The same numbers are in the table below."
          ></div>
          <p class="faint">
            Above: checkouts left, and how many of these were completed so far. Below: their share, of
            ${format.duration(series.bucket_seconds * togetherOf(series), "long")} together.
            ${secondsOf(window.window) > secondsOf(window.horizon)
              ? html`On grey: these still have time to come back.`
              : html`All of these still have time to come back.`}
          </p>
          ${this._drawSeriesTable(series)}
        `;
      })}
    </section>`;
  }

  _drawPoint(series, sums) {
    const { format } = this._page;
    const point = this._at === null ? null : series.points[this._at];
    const hasHours = series.bucket_seconds < 86400;
    const [abandoned, recovered] = point ? [point.abandoned, point.recovered] : sums;
    const rate = point ? point.rate : recovered / abandoned;
    return html`
      <span class="swatch abandoned">${format.count(abandoned)} left</span>
      <span class="swatch recovered">${format.count(recovered)} completed</span>
      <span>${abandoned > 0 ? format.percent(rate) : NONE}</span>
      <span class="faint"
        >${point ? format.weekdayTime(point.start, hasHours) : "all together"}</span
      >
    `;
  }

  _drawSeriesTable(series) {
    const { format } = this._page;
    const hasHours = series.bucket_seconds < 86400;
    return html`<details @toggle=${(event) => this._toggle(event)}>
      <summary>As a table</summary>
      ${this._isTable
        ? html`<div class="wide tall" role="region" aria-label="Over time, as a table" tabindex="0">
        <table>
          <thead>
            <tr>
              <th scope="col">From</th>
              <th scope="col" class="number">Left</th>
              <th scope="col" class="number">Completed so far</th>
              <th scope="col" class="number">Share</th>
              <th scope="col" class="number">Completions then</th>
            </tr>
          </thead>
          <tbody>
            ${series.points.map(
              (point) => html`<tr>
                <th scope="row">
                  ${moment(point.start, format, (at) => format.weekdayTime(at, hasHours))}
                </th>
                <td class="number">${format.count(point.abandoned)}</td>
                <td class="number">${format.count(point.recovered)}</td>
                <td class="number">${format.percent(point.rate)}</td>
                <td class="number">${format.count(point.recoveries)}</td>
              </tr>`,
            )}
          </tbody>
        </table>
      </div>`
        : nothing}
    </details>`;
  }

  _toggle(event) {
    this._isTable = event.target.open;
    this._page.redraw();
  }

  _drawTimes(window) {
    const { format } = this._page;
    return html`<section aria-labelledby="times" class="times">
      <h2 id="times">How long they take to come back</h2>
      ${shown(this._times, (times) => {
        if (times.count === 0) {
          return html`<p class="faint">Nobody came back in the last ${format.span(window.window)}.</p>`;
        }
        const most = Math.max(...times.buckets.map((one) => one.count));
        return html`<div class="beside">
          <div><dl class="figures">
            <div><dt>half within</dt><dd>${format.duration(times.p50_seconds)}</dd></div>
            <div><dt>9 of 10 within</dt><dd>${format.duration(times.p90_seconds)}</dd></div>
            <div><dt>99 of 100 within</dt><dd>${format.duration(times.p99_seconds)}</dd></div>
          </dl>
          <p class="faint small">${format.count(times.count)} recoveries of the last ${format.span(window.window)}.</p></div>
          <div>
          <div class="histogram" role="img" aria-label="How many came back after how long. The same numbers are in the table below.">
            ${this._drawBars(times.buckets, most)}
          </div>
          <p class="ends faint" aria-hidden="true">
            <span>${format.duration(times.buckets[0].from_seconds)}</span>
            <span>${this._drawEnd(times.buckets.at(-1))}</span>
          </p>
          <details>
            <summary>As a table</summary>
            <div class="wide tall" role="region" aria-label="Time to recovery, as a table" tabindex="0">
              <table>
                <thead>
                  <tr><th scope="col">From</th><th scope="col">to</th><th scope="col" class="number">Came back</th></tr>
                </thead>
                <tbody>
                  ${times.buckets.map(
                    (one) => html`<tr>
                      <td>${format.duration(one.from_seconds)}</td>
                      <td>${this._drawEnd(one)}</td>
                      <td class="number">${format.count(one.count)}</td>
                    </tr>`,
                  )}
                </tbody>
              </table>
            </div>
          </details>
          </div>
        </div>`;
      })}
    </section>`;
  }

  // The last bucket has no end.
  _drawEnd(bucket) {
    const { format } = this._page;
    return bucket.to_seconds === null ? "longer" : format.duration(bucket.to_seconds);
  }

  _drawBars(buckets, most) {
    const width = 100 / buckets.length;
    return html`<svg aria-hidden="true" focusable="false">
      ${buckets.map((one, number) => {
        const height = shareOf(one.count, most) * 100;
        return svg`<rect x=${`${number * width + width * 0.08}%`} width=${`${width * 0.84}%`}
          y=${`${100 - height}%`} height=${`${height}%`} rx="1.5"></rect>`;
      })}
    </svg>`;
  }

  _drawMoney(window) {
    const { format } = this._page;
    return html`<section aria-labelledby="money">
      <h2 id="money">What it is worth, last ${format.span(window.window)}</h2>
      ${window.money.length === 0
        ? html`<p class="faint">No checkout of this time has a total.</p>`
        : window.money.map((one) => this._drawCurrency(one))}
      ${window.money.length > 1
        ? html`<p class="faint small">Currencies are never added up.</p>`
        : nothing}
    </section>`;
  }

  _drawCurrency(one) {
    const { format } = this._page;
    const money = (amount) => html`<span title=${format.exactMoney(amount, one.currency)}>${format.money(amount, one.currency)}</span>`;
    return html`<div class="currency" data-currency=${one.currency}>
      <p>
        <b>${money(one.recovered)}</b> recovered of ${money(one.abandoned)} left behind
      </p>
      ${bar(shareOf(one.recovered, one.abandoned))}
      <p class="faint">
        ${money(one.open)} still open · ${format.count(one.checkouts)}
        ${one.checkouts === 1 ? "checkout" : "checkouts"} in ${one.currency}
      </p>
    </div>`;
  }

  _drawSegments(window) {
    const { format } = this._page;
    const kind = headlineOf(window)?.kind ?? "cohort";
    const share = (segment) => segment[kind];
    const most = mostOf(SEGMENTS.flatMap(({ rows }) => rows.map(([, of]) => share(of(window)))));
    return html`<section aria-labelledby="who">
      <h2 id="who">Who comes back</h2>
      <p class="faint">
        ${kind === "matured"
          ? `Recovery rate of the last ${format.span(window.window)} that have had their time.`
          : `Recovered so far, of the last ${format.span(window.window)}.`}
      </p>
      <div class="segments">
        ${SEGMENTS.map(
          ({ title, note, rows }) => html`<div>
            <h3>${title}</h3>
            <dl class="shares">
              ${rows.map(
                ([name, of]) => html`<div>
                  <dt>${name}</dt>
                  <dd>${this._drawShare(share(of(window)), most)}</dd>
                </div>`,
              )}
            </dl>
            <p class="faint">${note}</p>
          </div>`,
        )}
      </div>
    </section>`;
  }
}
