// Abandonments, recoveries and their rate over time: two plots, one above the other, on one clock.
// Draws with uPlot, which index.html loads; colours and sizes are the style sheet's.
import { columnsOf, youngSince } from "./reading.js";

const COUNTS_HEIGHT = 13; // of the text's size
const RATE_HEIGHT = 9;
const DAY = 86400;
const COUNT_STEPS = [1, 2, 5].flatMap((step) =>
  Array.from({ length: 9 }, (_, power) => step * 10 ** power),
).sort((a, b) => a - b);
const SHARE_STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5];

export class RateChart {
  // `pointed(index)` hears which point the reader points at, null when at none.
  constructor(root, { format, pointed }) {
    this._root = root;
    this._format = format;
    this._pointed = pointed;
    this._plots = [];
    this._shown = null;
    this._resizing = new ResizeObserver(() => this._fit());
    this._resizing.observe(root);
  }

  get root() {
    return this._root;
  }

  show(series, horizon) {
    if (this._shown?.series === series && this._plots.length > 0) return;
    const isSame = this._shown?.series.window === series.window && this._plots.length > 0;
    this._shown = { series, horizon };
    const [times, abandoned, recovered, shares] = columnsOf(series);
    if (isSame) {
      this._plots[0].setData([times, abandoned, recovered]);
      this._plots[1].setData([times, shares]);
    } else {
      this._make();
    }
  }

  // Colours have changed.
  recolour() {
    if (this._shown !== null) this._make();
  }

  destroy() {
    this._resizing.disconnect();
    this._plots.forEach((plot) => plot.destroy());
    this._plots = [];
  }

  _make() {
    this._plots.forEach((plot) => plot.destroy());
    const { series } = this._shown;
    const [times, abandoned, recovered, shares] = columnsOf(series);
    const look = lookOf(this._root);
    this._plots = [
      new uPlot(this._counts(look), [times, abandoned, recovered], this._root),
      new uPlot(this._rate(look), [times, shares], this._root),
    ];
  }

  _fit() {
    const look = lookOf(this._root);
    const heights = [COUNTS_HEIGHT, RATE_HEIGHT];
    this._plots.forEach((plot, number) =>
      plot.setSize({ width: look.width, height: heights[number] * look.em }),
    );
  }

  _counts(look) {
    const bars = uPlot.paths.bars({ size: [0.8, 40], align: 1, radius: 0.15 });
    return this._options(look, COUNTS_HEIGHT, {
      scales: {
        x: { time: true, range: (_, low, high) => this._range(low, high) },
        y: { range: (_, __, most) => [0, Math.max(1, most * 1.08)] },
      },
      axes: [
        this._timeAxis(look, false),
        this._valueAxis(look, COUNT_STEPS, this._format.count),
      ],
      series: [
        {},
        { paths: bars, fill: look.abandoned, points: { show: false } },
        { paths: bars, fill: look.recovered, points: { show: false } },
      ],
    });
  }

  _rate(look) {
    return this._options(look, RATE_HEIGHT, {
      scales: {
        x: { time: true, range: (_, low, high) => this._range(low, high) },
        y: { range: (_, __, most) => [0, Math.min(1, Math.max(0.05, most * 1.15))] },
      },
      axes: [
        this._timeAxis(look, true),
        this._valueAxis(look, SHARE_STEPS, this._format.wholePercent),
      ],
      series: [
        {},
        {
          stroke: look.recovered,
          width: 2,
          spanGaps: true,
          points: { show: false },
        },
      ],
    });
  }

  _options(look, height, { scales, axes, series }) {
    return {
      width: look.width,
      height: height * look.em,
      padding: [8, 4, 0, 0],
      scales,
      axes,
      series,
      legend: { show: false },
      cursor: {
        sync: { key: "recovery" },
        y: false,
        points: { show: false },
        drag: { x: false, y: false },
      },
      hooks: {
        drawClear: [(plot) => this._shade(plot, look)],
        setCursor: [(plot) => this._pointed(plot.cursor.idx ?? null)],
      },
    };
  }

  // Each point is the start of a bucket, so the last one needs room to its right.
  _range(low, high) {
    return [low, high + this._shown.series.bucket_seconds];
  }

  _timeAxis(look, hasLabels) {
    return {
      font: look.font,
      stroke: look.faint,
      space: look.em * 5,
      size: hasLabels ? look.em * 2 : look.em * 0.5,
      grid: { show: false },
      ticks: { show: hasLabels, stroke: look.line, width: 1, size: 4 },
      values: (_plot, splits, _axis, _space, step) =>
        splits.map((at) => (hasLabels ? this._timeLabel(at, step) : "")),
    };
  }

  _timeLabel(at, step) {
    const date = new Date(at * 1000);
    const isMidnight = date.getHours() === 0 && date.getMinutes() === 0;
    return step >= DAY || isMidnight ? this._format.day(date) : this._format.hour(date);
  }

  _valueAxis(look, steps, write) {
    return {
      incrs: steps,
      font: look.font,
      stroke: look.faint,
      size: look.em * 3.2,
      space: look.em * 2.6,
      grid: { stroke: look.line, width: 1 },
      ticks: { show: false },
      values: (_plot, splits) => splits.map((value) => write(value)),
    };
  }

  // Grey behind the checkouts that still have time to come back, unless that is all of them.
  _shade(plot, look) {
    const { series, horizon } = this._shown;
    if (series.points.length === 0) return;
    const since = youngSince(horizon, Date.parse(series.points.at(-1).start));
    if (since <= plot.scales.x.min) return;
    const { ctx, bbox } = plot;
    const left = plot.valToPos(since, "x", true);
    ctx.save();
    ctx.fillStyle = look.young;
    ctx.fillRect(left, bbox.top, bbox.left + bbox.width - left, bbox.height);
    ctx.restore();
  }
}

function lookOf(root) {
  const style = getComputedStyle(root);
  const colour = (name) => style.getPropertyValue(name).trim();
  const em = parseFloat(style.fontSize);
  return {
    em,
    width: Math.max(200, root.clientWidth),
    font: `${Math.round(em * 0.85)}px ${style.fontFamily}`,
    abandoned: colour("--abandoned"),
    recovered: colour("--recovered"),
    faint: colour("--faint"),
    line: colour("--line"),
    young: colour("--young"),
  };
}
