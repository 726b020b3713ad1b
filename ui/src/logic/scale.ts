/** Where an exponent and its interval stand on the axis of the scale section, and what a row says. */
import type { ScaleRow } from "../contract.ts";

/** The axis holds what is usual: from costs that fall with their input to its cube. */
export const AXIS: readonly [number, number] = [-0.5, 3];

/** 0 at the left end of the axis, 1 at the right. Values past an end stand at it. */
export function onAxis(exponent: number): number {
  const [from, to] = AXIS;
  return Math.min(1, Math.max(0, (exponent - from) / (to - from)));
}

/** By how many times the cost grew from the smallest input to the largest; null where it was not seen at the smallest. */
export function growth(row: ScaleRow): number | null {
  const first = row.ms_per_request[0] ?? 0;
  const last = row.ms_per_request.at(-1) ?? 0;
  return first > 0 ? last / first : null;
}

/** An exponent with two digits after the point: 1.98, −0.05. */
export const exponentText = (value: number): string => (Math.round(value * 100) / 100 + 0).toFixed(2).replace("-", "−");
