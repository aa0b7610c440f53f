// What an operator looks at, in words that somebody new to Kafka understands.
import * as api from "../api.js";
import { NONE, shareOf } from "../format.js";
import { bar, moment, notice, shown } from "../parts.js";
import { groupInWords, reasonInWords, stageInWords } from "../reading.js";
import { Resource } from "../resource.js";
import { html, nothing } from "../vendor/lit-html.js";

const CALM_LAG = 1000;

export class OperationsView {
  constructor(page) {
    this._page = page;
    this._operations = new Resource(() => api.operations(), (error) => page.settled(error));
  }

  start() {
    this._operations.refresh();
  }

  heard(kind, data) {
    if (kind === "again") this._operations.refresh();
    if (kind === "operations") this._operations.value = data;
  }

  stop() {
    this._operations.stop();
  }

  draw() {
    return html`
      <div class="ask"><h1 tabindex="-1">Is everything running, and how fast?</h1></div>
      ${shown(this._operations, (now) => this._drawNow(now), "Looking …")}
    `;
  }

  _drawNow(now) {
    return html`
      ${now.problem ? notice("Something is missing here", now.problem) : nothing}
      ${this._drawFlow(now)}
      <div class="pair">${this._drawWorkers(now)} ${this._drawLetters(now.dead_letters)}</div>
      ${this._drawLag(now)}
      <p class="faint foot">
        Looked at ${moment(now.as_of, this._page.format, this._page.format.preciseTime)}.
        ${now.model_age_seconds === null
          ? nothing
          : html`This page's own copy of the data is ${this._page.format.duration(now.model_age_seconds)} behind Kafka.`}
      </p>
    `;
  }

  _drawFlow(now) {
    const { format } = this._page;
    const { delay } = now;
    const figures = [
      [format.perSecond(now.events_in_per_second), "webhooks in, per second", "What shops told us."],
      [format.perSecond(now.events_out_per_second), "announcements out, per second", "What subscribers were told: a webhook may lead to none, to one or to more."],
      [format.milliseconds(delay.p50_ms), "typical delay", "From a webhook's arrival to its announcement; half are faster."],
      [format.milliseconds(delay.p99_ms), "delay of the slowest 1 in 100", delay.count > 0 ? `Of ${format.count(delay.count)} announcements in the last ${format.duration(delay.over_seconds)}.` : "Nothing was announced lately."],
    ];
    return html`<section aria-labelledby="flow">
      <h2 id="flow" class="visually-hidden">Flow</h2>
      <dl class="figures large">
        ${figures.map(
          ([figure, name, note]) => html`<div>
            <dt>${name}</dt>
            <dd>${figure}</dd>
            <dd class="faint note">${note}</dd>
          </div>`,
        )}
      </dl>
    </section>`;
  }

  _drawLag(now) {
    const { format } = this._page;
    const total = now.lag.reduce((sum, one) => sum + one.lag, 0);
    const most = Math.max(CALM_LAG, ...now.lag.map((one) => one.lag));
    const topics = new Map();
    for (const one of now.lag) topics.set(one.topic, [...(topics.get(one.topic) ?? []), one]);
    return html`<section aria-labelledby="lag">
      <h2 id="lag">Waiting to be processed</h2>
      <p>
        ${total === 0
          ? html`<b>Nothing waits.</b>`
          : html`<b>${format.count(total)}</b> ${total === 1 ? "record waits" : "records wait"}.`}
        <span class="faint">A topic is cut into partitions; each has its queue, which Kafka calls lag. A few are normal, a number that keeps growing is not.</span>
      </p>
      <div class="queues">
      ${[...topics].map(
        ([topic, queues]) => html`<div><h3><code>${topic}</code></h3>
          <div class="wide" role="region" aria-label="Queues of ${topic}" tabindex="0">
            <table class="lag">
              <thead>
                <tr><th scope="col">Partition</th><th scope="col" class="number">Waiting</th><th scope="col"><span class="visually-hidden">Bar</span></th><th scope="col">Worker</th></tr>
              </thead>
              <tbody>
                ${queues.map(
                  (one) => html`<tr>
                    <th scope="row">${one.partition}</th>
                    <td class="number">${format.count(one.lag)}</td>
                    <td class="bar-cell">${bar(shareOf(one.lag, most))}</td>
                    <td>${one.owner ?? html`<span class="trouble-text">nobody yet</span>`}</td>
                  </tr>`,
                )}
              </tbody>
            </table>
          </div></div>`,
      )}
      </div>
    </section>`;
  }

  _drawWorkers(now) {
    const { format } = this._page;
    const count = now.workers.length;
    return html`<section aria-labelledby="workers">
      <h2 id="workers">Workers</h2>
      <p>
        <b>${format.count(count)} ${count === 1 ? "worker shares" : "workers share"} the work.</b>
        <span class="faint">${groupInWords(now.group_state)} If one stops, the others take over its partitions; nothing is lost or counted twice.</span>
      </p>
      ${count === 0 ? nothing : html`<ul class="workers">
        ${now.workers.map(
          (one) => html`<li>
            <b>${one.name}</b> <span class="faint">${one.host}</span>
            <p class="faint">${this._partitionsOf(one)}</p>
          </li>`,
        )}
      </ul>`}
      <h3>Last time the work was handed out anew</h3>
      <p>
        ${now.last_rebalance.at === null
          ? html`<span class="faint">Not since this API began to look.</span>`
          : html`${moment(now.last_rebalance.at, format, (at) => format.ago(at, Date.now()))}
              <span class="faint">${now.last_rebalance.what}</span>`}
      </p>
    </section>`;
  }

  _partitionsOf(worker) {
    const topics = new Map();
    for (const one of worker.partitions) {
      topics.set(one.topic, [...(topics.get(one.topic) ?? []), one.partition]);
    }
    if (topics.size === 0) return "No partitions: it stands by.";
    return [...topics].map(
      ([topic, partitions]) =>
        html`<span class="partitions"><code>${topic}</code> ${partitions.sort((a, b) => a - b).join(", ")}</span>`,
    );
  }

  _drawLetters(letters) {
    const { format } = this._page;
    const intro = html`What can't be read is kept with the reason instead of being lost, and can be sent again after
      a repair: <code>checkout-recovery dead-letters replay</code>.`;
    return html`<section aria-labelledby="letters">
      <h2 id="letters">Set aside</h2>
      ${letters.is_complete ? nothing : html`<p class="faint">Still counting …</p>`}
      ${letters.by_reason.length === 0
        ? notice("Nothing was set aside in the last 24 hours", intro)
        : html`<p>
              <b>${format.count(letters.total_24h)}</b> in the last 24 hours.
              <span class="faint">${intro}</span>
            </p>
            <div class="wide" role="region" aria-label="Set aside, by reason" tabindex="0">
              <table>
                <thead>
                  <tr><th scope="col">Why</th><th scope="col" class="number">How many</th><th scope="col">Last</th></tr>
                </thead>
                <tbody>
                  ${letters.by_reason.map(
                    (one) => html`<tr>
                      <td>
                        ${reasonInWords(one.reason)}
                        <span class="faint small">Noticed ${stageInWords(one.stage)}; code <code>${one.reason}</code></span>
                      </td>
                      <td class="number">${format.count(one.count)}</td>
                      <td class="when">${one.last_at ? moment(one.last_at, format, (at) => format.ago(at, Date.now())) : NONE}</td>
                    </tr>`,
                  )}
                </tbody>
              </table>
            </div>`}
    </section>`;
  }
}
