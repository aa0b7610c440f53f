// Numbers, money, durations and dates as the reader writes them. Pure: knows no document.

const UNITS = [
  ["second", 1],
  ["minute", 60],
  ["hour", 3600],
  ["day", 86400],
];
const FORMS = { h: "hour", d: "day" };
const ROUND_FROM = 1000;

// What shows an absent value: a rate of nothing is no rate.
export const NONE = "–";

// Functions that write for one locale and one time zone; those of the browser unless given.
export function makeFormat({ locales = undefined, timeZone = undefined } = {}) {
  const made = new Map();
  const number = (options) => {
    const key = JSON.stringify(options);
    if (!made.has(key)) made.set(key, new Intl.NumberFormat(locales, options));
    return made.get(key);
  };
  const date = (options) => {
    const key = `date ${JSON.stringify(options)}`;
    if (!made.has(key)) {
      made.set(key, new Intl.DateTimeFormat(locales, { timeZone, ...options }));
    }
    return made.get(key);
  };
  const PERCENT = { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 };
  const absent = (value) => value === null || value === undefined;

  const count = (value) => (absent(value) ? NONE : number({}).format(value));

  const perSecond = (value) =>
    absent(value) ? NONE : number({ maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);

  const percent = (share) => (absent(share) ? NONE : number(PERCENT).format(Number(share)));

  const wholePercent = (share) => number({ style: "percent" }).format(share);

  const percentRange = (low, high) =>
    absent(low) || absent(high)
      ? NONE
      : number(PERCENT).formatRange(Number(low), Number(high));

  // A difference of two shares, with its sign: +1.3.
  const points = (difference) =>
    number({
      minimumFractionDigits: 1,
      maximumFractionDigits: 1,
      signDisplay: "exceptZero",
    }).format(difference * 100);

  // An exact decimal string stays exact: no amount passes through a float.
  const exactMoney = (amount, currency) =>
    number({ style: "currency", currency }).format(amount);

  // From a thousand up, whole units: the eye compares lengths, not cents.
  const money = (amount, currency) =>
    Math.abs(Number(amount)) < ROUND_FROM
      ? exactMoney(amount, currency)
      : number({
          style: "currency",
          currency,
          maximumFractionDigits: 0,
        }).format(amount);

  const unit = (value, name, unitDisplay, digits = 0) =>
    number({ style: "unit", unit: name, unitDisplay, maximumFractionDigits: digits }).format(value);

  // The largest unit that fits, and the next smaller one where that says more: 1 hr 20 min.
  const duration = (seconds, unitDisplay = "short") => {
    if (absent(seconds)) return NONE;
    const whole = Math.round(seconds);
    let at = UNITS.length - 1;
    while (at > 0 && whole < UNITS[at][1]) at -= 1;
    const [name, size] = UNITS[at];
    const first = Math.floor(whole / size);
    const parts = [unit(first, name, unitDisplay)];
    if (at > 0 && first < 10) {
      const [next, step] = UNITS[at - 1];
      const rest = Math.floor((whole - first * size) / step);
      if (rest > 0) parts.push(unit(rest, next, unitDisplay));
    }
    return parts.join(" ");
  };

  const milliseconds = (value) => {
    if (absent(value)) return NONE;
    return value < ROUND_FROM
      ? unit(value, "millisecond", "short")
      : unit(value / ROUND_FROM, "second", "short", 1);
  };

  // "30d" as "30 days".
  const span = (window, unitDisplay = "long") =>
    unit(parseInt(window, 10), FORMS[window.slice(-1)], unitDisplay);

  const day = (instant) => date({ day: "numeric", month: "short" }).format(new Date(instant));

  // A half-open interval as a reader counts it: the last day is the one before the end.
  // Within a day the hours are told as well.
  const period = (from, to) => {
    const start = new Date(from);
    const end = new Date(new Date(to).getTime() - 1);
    const isShort = end - start < 3 * 86400 * 1000;
    const style = isShort
      ? { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }
      : { day: "numeric", month: "short" };
    const last = isShort ? new Date(to) : end;
    return [date(style).format(start), date(style).format(last)];
  };

  const time = (instant) =>
    date({ hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(instant));

  const dateTime = (instant) =>
    date({ dateStyle: "medium", timeStyle: "short" }).format(new Date(instant));

  const preciseTime = (instant) =>
    date({ dateStyle: "medium", timeStyle: "medium" }).format(new Date(instant));

  const hour = (instant) =>
    date({ hour: "2-digit", minute: "2-digit" }).format(new Date(instant));

  const weekdayTime = (instant, hasHours) =>
    date(
      hasHours
        ? { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }
        : { weekday: "short", day: "numeric", month: "short" },
    ).format(new Date(instant));

  const utc = (instant) => `${new Date(instant).toISOString().replace("T", " ").slice(0, 19)} UTC`;

  const relative = (style) => new Intl.RelativeTimeFormat(locales, { numeric: "auto", style });
  const styles = { long: relative("long"), narrow: relative("narrow") };
  const ago = (instant, now, style = "long") => {
    const seconds = Math.max(0, Math.round((now - new Date(instant)) / 1000));
    let at = UNITS.length - 1;
    while (at > 0 && seconds < UNITS[at][1]) at -= 1;
    return styles[style].format(-Math.floor(seconds / UNITS[at][1]), UNITS[at][0]);
  };

  return {
    count,
    perSecond,
    percent,
    wholePercent,
    percentRange,
    points,
    money,
    exactMoney,
    duration,
    milliseconds,
    span,
    day,
    period,
    time,
    hour,
    dateTime,
    preciseTime,
    weekdayTime,
    utc,
    ago,
  };
}

// Share of a in b as a number from 0 to 1; 0 of nothing. For lengths of bars only.
export function shareOf(part, whole) {
  const all = Number(whole);
  return all > 0 ? Math.min(1, Math.max(0, Number(part) / all)) : 0;
}
