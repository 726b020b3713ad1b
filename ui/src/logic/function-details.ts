/** Who calls a function, what it calls, and which of its lines are hot. */
import type { TreeShape, TreeWeights } from "./call-tree.ts";
import type { Profile } from "./profile.ts";

export interface Neighbour {
  /** -1 = the root: called from nowhere that was recorded. */
  fn: number;
  total_us: number;
}

export interface FunctionDetails {
  callers: Neighbour[];
  /** Includes the function itself where it recurses. Own time + callees = total time. */
  callees: Neighbour[];
  nPlaces: number;
}

/** Seen from the outermost call of each stack, so that recursion is counted once. */
export function detailFunction(shape: TreeShape, weights: TreeWeights, fn: number): FunctionDetails {
  const callers = new Map<number, number>();
  const callees = new Map<number, number>();
  let nPlaces = 0;
  for (let node = 1; node < shape.fn.length; node++) {
    const total_us = weights.total_us[node];
    if (total_us <= 0) continue;
    const above = shape.parent[node];
    if (shape.fn[node] === fn && shape.outermost[node] === 1) {
      nPlaces += 1;
      callers.set(shape.fn[above], (callers.get(shape.fn[above]) ?? 0) + total_us);
    }
    if (above > 0 && shape.fn[above] === fn && shape.outermost[above] === 1) {
      callees.set(shape.fn[node], (callees.get(shape.fn[node]) ?? 0) + total_us);
    }
  }
  return { callers: heaviestFirst(callers), callees: heaviestFirst(callees), nPlaces };
}

function heaviestFirst(times: Map<number, number>): Neighbour[] {
  return [...times].map(([fn, total_us]) => ({ fn, total_us })).sort((a, b) => b.total_us - a.total_us || a.fn - b.fn);
}

export interface LineHeat {
  line: number;
  self_us: number;
  /** Of the hottest line: the length of its bar. */
  relative: number;
}

/** Own time by source line over the whole recording, in source order; the hottest `max` lines. */
export function lineHeat(profile: Profile, fn: number, max: number): LineHeat[] {
  const found: { line: number; self_us: number }[] = [];
  const { lines } = profile;
  for (let i = 0; i < lines.function.length; i++) {
    if (lines.function[i] === fn) found.push({ line: lines.line[i], self_us: lines.self_us[i] });
  }
  found.sort((a, b) => b.self_us - a.self_us);
  const hottest = found[0]?.self_us ?? 1;
  return found
    .slice(0, max)
    .sort((a, b) => a.line - b.line)
    .map((row) => ({ ...row, relative: row.self_us / hottest }));
}
