/** Axes: where a value is between the ends, round ends and ticks, labels that do not cover each other. */
import { niceTop } from "./timeline.ts";

export interface Axis {
  scale: "linear" | "log";
  from: number;
  to: number;
}

/** From 0 at the axis' start to 1 at its end; values beyond are held at the ends. */
export function place({ scale, from, to }: Axis, value: number): number {
  const share =
    scale === "linear"
      ? (value - from) / (to - from)
      : Math.log(Math.max(value, Number.MIN_VALUE) / from) / Math.log(to / from);
  return Math.min(Math.max(share, 0), 1);
}

const STEPS = [1, 2, 5] as const;
/** Rounding of powers must not lose a tick that lies on an end. */
const HAIR = 1e-9;

/** 1, 2 and 5 × 10ⁿ from `from` to `to`. */
function roundNumbers(from: number, to: number): number[] {
  const found: number[] = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power++) {
    for (const step of STEPS) {
      const value = Number((step * 10 ** power).toPrecision(1));
      if (value >= from * (1 - HAIR) && value <= to * (1 + HAIR)) found.push(value);
    }
  }
  return found;
}

/** An axis from 0, or between the round numbers around the values; `null` and, on a logarithmic axis, 0 have no place. */
export function axisOf(values: Iterable<number | null>, scale: Axis["scale"]): Axis {
  let least = Number.POSITIVE_INFINITY;
  let greatest = 0;
  for (const value of values) {
    if (value === null || !(value > 0)) continue;
    least = Math.min(least, value);
    greatest = Math.max(greatest, value);
  }
  if (greatest === 0) return { scale, from: scale === "log" ? 0.1 : 0, to: 1 };
  if (scale === "linear") return { scale, from: 0, to: niceTop(greatest) };
  // Values that hardly differ stand in the middle and look alike, because they are.
  const middle = Math.sqrt(least * greatest);
  const below = roundNumbers(least / 100, Math.min(least, middle / 2));
  const above = roundNumbers(Math.max(greatest, middle * 2), greatest * 100);
  return { scale, from: below[below.length - 1], to: above[0] };
}

/** At most about `most` round values on an axis. */
export function ticks({ scale, from, to }: Axis, most: number): number[] {
  const all = scale === "log" ? roundNumbers(from, to) : [];
  // Less than a power of ten has no round numbers of its own.
  if (all.length < 3) return steps(from, to, most);
  if (all.length <= most) return all;
  const powers = all.filter((value) => Number.isInteger(Math.round(Math.log10(value) * 1e6) / 1e6));
  const every = Math.max(1, Math.ceil(powers.length / most));
  return powers.length >= 2 ? powers.filter((_, i) => i % every === 0) : all.filter((_, i) => i % 2 === 0);
}

/** Multiples of 1, 2 or 5 × 10ⁿ. */
function steps(from: number, to: number, most: number): number[] {
  const power = 10 ** Math.floor(Math.log10((to - from) / most));
  const step = [...STEPS, 10].map((step) => step * power).find((step) => (to - from) / step <= most * (1 + HAIR));
  if (step === undefined) return [];
  const found: number[] = [];
  for (let i = Math.ceil(from / step - HAIR); i * step <= to * (1 + HAIR); i++)
    found.push(Number((i * step).toPrecision(6)));
  return found;
}

/** Moves labels apart to at least `gap`, in their order, between the ends, each near where it wants to be. */
export function spread(wanted: readonly number[], gap: number, from: number, to: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b] || a - b);
  const placed = wanted.map((y) => Math.min(Math.max(y, from), to));
  for (let i = 1; i < order.length; i++) placed[order[i]] = Math.max(placed[order[i]], placed[order[i - 1]] + gap);
  for (let i = order.length - 1, below = to; i >= 0; i--, below -= gap)
    placed[order[i]] = Math.min(placed[order[i]], below);
  return placed;
}

/** Index of the stop that is nearest to a place from 0 to 1; -1 without stops. */
export function nearest(axis: Axis, stops: readonly number[], share: number): number {
  let best = -1;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < stops.length; i++) {
    const distance = Math.abs(place(axis, stops[i]) - share);
    if (distance >= least) continue;
    best = i;
    least = distance;
  }
  return best;
}
