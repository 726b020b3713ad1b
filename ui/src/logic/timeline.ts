/** Geometry of the timeline: lanes, axis ticks, lines thinned to pixels, the value under the cross-hair. */
import type { Timeline, TimelineSeries } from "../contract.ts";
import { axisTime } from "./format.ts";
import { lowerBound } from "./selection.ts";

export interface Lane {
  id: string;
  /** One series, or two that share a scale (heap and RSS). */
  series: TimelineSeries[];
  unit: string;
  top: number;
}

/** Lanes from the top. Series that were not recorded have none. */
const LANES: readonly (readonly [string, readonly string[]])[] = [
  ["rps", ["rps"]],
  ["p99", ["p99"]],
  ["loop_delay", ["loop_delay"]],
  ["cpu", ["cpu"]],
  ["memory", ["heap", "rss"]],
  ["gc", ["gc"]],
];

const hasValue = (series: TimelineSeries): boolean => series.v.some((v) => v !== null);

export function lanesOf(timeline: Timeline): Lane[] {
  return LANES.map(([id, ids]) => {
    const series = ids
      .map((wanted) => timeline.series.find((s) => s.id === wanted))
      .filter((s) => s !== undefined && hasValue(s)) as TimelineSeries[];
    return { id, series, unit: series[0]?.unit ?? "", top: niceTop(largest(series)) };
  }).filter((lane) => lane.series.length > 0);
}

/** Ids of series that the page has a lane for but the recording lacks. */
export const missingSeries = (timeline: Timeline): string[] =>
  LANES.flatMap(([, ids]) => ids).filter((id) => !timeline.series.some((s) => s.id === id && hasValue(s)));

function largest(series: readonly TimelineSeries[]): number {
  let top = 0;
  for (const { v } of series) for (const value of v) if (value !== null && value > top) top = value;
  return top;
}

/** The next of 1, 1.5, 2, 3, 4, 5, 6, 8 × 10ⁿ that is not below the value, so that a lane's scale is a round number. */
export function niceTop(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  for (const step of [1, 1.5, 2, 3, 4, 5, 6, 8, 10]) if (step * power >= value * (1 - 1e-9)) return step * power;
  return 10 * power;
}

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400];

/** Times of an interval for its axis, on round numbers down to microseconds, with their labels. */
export function ticksBetween(
  from_s: number,
  to_s: number,
  width: number,
  minGap: number,
): { t_s: number; label: string }[] {
  if (!(to_s > from_s) || width <= 0) return [];
  const wanted = ((to_s - from_s) * minGap) / width;
  const fine = 10 ** Math.floor(Math.log10(wanted));
  const step =
    wanted > 0.1
      ? (STEPS.find((s) => s >= wanted) ?? wanted)
      : ([1, 2, 5, 10].find((n) => n * fine >= wanted) ?? 10) * fine;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks: { t_s: number; label: string }[] = [];
  for (let i = Math.ceil(from_s / step - 1e-9); i * step <= to_s + step * 1e-9; i++) {
    const t_s = i * step;
    ticks.push({ t_s, label: step < 1 ? `${t_s.toFixed(digits)}\u00a0s` : axisTime(t_s, to_s) });
  }
  return ticks;
}

/** Times for the axis, at least `minGap` pixels apart, on round numbers of seconds or minutes. */
export function axisTicks(duration_s: number, width: number, minGap: number): number[] {
  if (!(duration_s > 0) || width <= 0) return [0];
  const wanted = (duration_s * minGap) / width;
  const step = STEPS.find((s) => s >= wanted) ?? wanted;
  const ticks: number[] = [];
  for (let i = 0; i * step <= duration_s * (1 + 1e-9); i++) ticks.push(i * step);
  return ticks;
}

/**
 * Path of a series in a lane of the given size. Gaps stay gaps. Where several points fall on one pixel their lowest
 * and highest are kept, so a spike never vanishes.
 */
export function linePath(
  series: Pick<TimelineSeries, "t_s" | "v">,
  duration_s: number,
  width: number,
  height: number,
  top: number,
): string {
  const parts: string[] = [];
  let pen = false;
  const y = (value: number) => (height - (Math.min(value, top) / top) * height).toFixed(1);
  const n = series.t_s.length;
  for (let i = 0; i < n; ) {
    const pixel = Math.floor((series.t_s[i] / duration_s) * width);
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    let end = i;
    for (; end < n && Math.floor((series.t_s[end] / duration_s) * width) === pixel; end++) {
      const value = series.v[end];
      if (value === null) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    if (high < low) pen = false;
    else {
      const x = ((series.t_s[i] / duration_s) * width).toFixed(1);
      parts.push(`${pen ? "L" : "M"}${x} ${y(low)}`);
      if (high > low) parts.push(`L${x} ${y(high)}`);
      // A lone point has no line; a hair's breadth makes it visible.
      else if (!pen && (end >= n || series.v[end] === null)) parts.push(`h1`);
      pen = true;
    }
    i = end;
  }
  return parts.join("");
}

/** The value nearest in time; `null` where nothing was measured within two steps of the series. */
export function valueAt(series: TimelineSeries, t_s: number): number | null {
  const { t_s: times, v } = series;
  if (times.length === 0) return null;
  const right = Math.min(lowerBound(times, t_s), times.length - 1);
  const left = Math.max(right - 1, 0);
  const nearest = t_s - times[left] <= times[right] - t_s ? left : right;
  const step = times.length > 1 ? (times[times.length - 1] - times[0]) / (times.length - 1) : Number.POSITIVE_INFINITY;
  return Math.abs(times[nearest] - t_s) <= 2 * step ? v[nearest] : null;
}

/** Median and largest value inside an interval: what a lane says without a cross-hair. */
export function summarise(series: TimelineSeries, range: readonly [number, number] | null) {
  const values: number[] = [];
  for (let i = 0; i < series.v.length; i++) {
    const value = series.v[i];
    if (value === null || (range && (series.t_s[i] < range[0] || series.t_s[i] > range[1]))) continue;
    values.push(value);
  }
  if (values.length === 0) return null;
  values.sort((a, b) => a - b);
  return { median: values[(values.length - 1) >> 1], max: values[values.length - 1], n: values.length };
}

/** The interval between two points of a drag, inside the recording; `null` when it is only a click. */
export function brushed(a_s: number, b_s: number, duration_s: number, min_s: number): [number, number] | null {
  const from = Math.max(0, Math.min(a_s, b_s));
  const to = Math.min(duration_s, Math.max(a_s, b_s));
  return to - from >= min_s ? [from, to] : null;
}

/** The phase at a time; `undefined` between phases. */
export const phaseAt = (timeline: Timeline, t_s: number) =>
  timeline.phases.find((phase) => t_s >= phase.start_s && t_s < phase.end_s);
