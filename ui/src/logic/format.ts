/**
 * Turns numbers into words with units: durations, bytes, rates, shares, times of day. The only place that does.
 *
 * Numbers keep about three significant digits. A no-break space parts number and unit. Missing values are "–".
 */
import type { WeightUnit } from "../contract.ts";

const NBSP = "\u00a0";
export const MISSING = "–";

const missing = (value: number | null | undefined): value is null | undefined =>
  value === null || value === undefined || !Number.isFinite(value);

/** Groups thousands: 3390 → "3,390". */
export function count(value: number | null | undefined): string {
  if (missing(value)) return MISSING;
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Keeps three significant digits without an exponent: 0.0421 → "0.042", 8.71 → "8.71", 431.2 → "431". */
export function significant(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 100) return count(value).replace("-", "−");
  const digits = size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 2 : 3;
  const text = value.toFixed(digits);
  if (Number(text) === 0) return `<${(10 ** -digits).toFixed(digits)}`;
  return (digits > 0 ? text.replace(/\.?0+$/, "") : text).replace("-", "−");
}

/** A share of 0..1 as per cent: 0.54 → "54 %", 0.021 → "2.1 %", 0.0002 → "<0.1 %". */
export function percent(share: number | null | undefined): string {
  if (missing(share)) return MISSING;
  const value = share * 100;
  if (value === 0) return `0${NBSP}%`;
  if (Math.abs(value) < 0.05) return `<0.1${NBSP}%`;
  const text = Math.abs(value) < 9.95 ? value.toFixed(1).replace(/\.0$/, "") : value.toFixed(0);
  return `${text.replace("-", "−")}${NBSP}%`;
}

/**
 * A share of 0..1 with three digits, as `slowpath load` prints it, so that a page agrees with its sentence: 0.02357 →
 * "2.36 %". Nothing is rounded to nothing, and less than all not to all.
 */
export function finePercent(share: number | null | undefined): string {
  if (missing(share)) return MISSING;
  const value = share * 100;
  if (value <= 0) return `0${NBSP}%`;
  if (value < 0.01) return `<0.01${NBSP}%`;
  if (value >= 99.95 && value < 100) return `>99.9${NBSP}%`;
  const digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)}${NBSP}%`;
}

/** A duration in milliseconds with the unit that fits: "0.42 ms", "431 ms", "1.07 s", "2 min 3 s". */
export function milliseconds(value: number | null | undefined): string {
  if (missing(value)) return MISSING;
  const size = Math.abs(value);
  if (size > 0 && size < 0.001) return `${significant(value * 1e6)}${NBSP}ns`;
  if (size > 0 && size < 0.1) return `${significant(value * 1e3)}${NBSP}µs`;
  if (size < 999.5) return `${significant(value)}${NBSP}ms`;
  if (size < 9995) return `${(value / 1000).toFixed(2).replace("-", "−")}${NBSP}s`;
  if (size < 120_000) return `${significant(value / 1000)}${NBSP}s`;
  const whole_s = Math.round(value / 1000);
  const hours = Math.floor(whole_s / 3600);
  const minutes = Math.floor((whole_s % 3600) / 60);
  const tail = hours > 0 ? "" : ` ${whole_s % 60}${NBSP}s`;
  return `${hours > 0 ? `${hours}${NBSP}h ` : ""}${minutes}${NBSP}min${tail}`;
}

export const seconds = (value: number | null | undefined): string => milliseconds(missing(value) ? null : value * 1000);

export const microseconds = (value: number | null | undefined): string =>
  milliseconds(missing(value) ? null : value / 1000);

/** Decimal bytes: 33_600_000 → "33.6 MB". */
export function bytes(value: number | null | undefined): string {
  if (missing(value)) return MISSING;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  let scaled = value;
  while (Math.abs(scaled) >= 999.5 && power < units.length - 1) {
    scaled /= 1000;
    power += 1;
  }
  return `${significant(scaled)}${NBSP}${units[power]}`;
}

/** A weight of a profile in the unit that its samples count. */
export function weight(value: number | null | undefined, unit: WeightUnit): string {
  if (unit === "us") return microseconds(value);
  if (unit === "bytes") return bytes(value);
  return missing(value) ? MISSING : `${count(value)}${NBSP}${value === 1 ? "sample" : "samples"}`;
}

/** A ratio as a factor: 2.113 → "2.1×". */
export function factor(value: number | null | undefined): string {
  if (missing(value)) return MISSING;
  return `${value.toFixed(value >= 10 ? 0 : value < 1.1 ? 2 : 1)}×`;
}

/** A ratio to the baseline as a change: 0.98 → "−2 %", 1.0 → "±0 %". */
export function change(ratio: number | null | undefined): string {
  if (missing(ratio)) return MISSING;
  const value = Math.round((ratio - 1) * 1000) / 10;
  if (value === 0) return `±0${NBSP}%`;
  return `${value > 0 ? "+" : "−"}${percent(Math.abs(value) / 100)}`;
}

/** A value whose unit the contract names as text: "ms", "share", "bytes", "1/s", "cores", or any other word. */
export function quantity(value: number | null | undefined, unit: string): string {
  if (missing(value)) return MISSING;
  switch (unit) {
    case "ms":
      return milliseconds(value);
    case "s":
      return seconds(value);
    case "us":
    case "µs":
      return microseconds(value);
    case "ns":
      return milliseconds(value / 1e6);
    case "bytes":
    case "B":
      return bytes(value);
    case "share":
      return percent(value);
    case "factor":
    case "ratio":
    case "×":
      return factor(value);
    case "1/s":
      return `${significant(value)}/s`;
    case "":
    case "count":
      return Number.isInteger(value) ? count(value) : significant(value);
    default:
      return `${Number.isInteger(value) ? count(value) : significant(value)}${NBSP}${unit}`;
  }
}

/** A round number at the end of a scale: "2 s", not "2.00 s". */
export const scaleEnd = (value: number, unit: string): string => quantity(value, unit).replace(/\.0+(?=\u00a0)/, "");

/** RFC 3339 in UTC as "2026-11-23 14:02 UTC"; anything else unchanged. */
export function moment(rfc3339: string): string {
  const parts = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})/.exec(rfc3339);
  return parts ? `${parts[1]} ${parts[2]} UTC` : rfc3339;
}

/** An interval of the recording: "12.0–18.4 s". */
export function interval(range: readonly [number, number]): string {
  const digits = range[1] - range[0] < 1 ? 2 : 1;
  return `${range[0].toFixed(digits)}–${range[1].toFixed(digits)}${NBSP}s`;
}

/** A point on the time axis: "0 s", "2.5 s", "12:30" minutes past two minutes. */
export function axisTime(time_s: number, duration_s: number): string {
  if (duration_s <= 120) return `${Number(time_s.toFixed(1))}${NBSP}s`;
  const whole = Math.round(time_s);
  const two = (n: number) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** A command line that can be pasted into a shell. */
export function shellCommand(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}
