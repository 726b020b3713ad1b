/** The function table of a selection: self, total and charged time by function, hottest first. */
import type { TreeShape, TreeWeights } from "./call-tree.ts";

export interface FunctionTotals {
  self_us: Float64Array;
  total_us: Float64Array;
  /** Self time plus what was called from it with no other application function between; application functions only. */
  charged_us: Float64Array;
  nSamples: Float64Array;
  /** Functions that occur, by self time, then total time. */
  byHeat: Int32Array;
}

/** `nSamples` counts samples with the function anywhere on the stack, as `total_us` does. */
export function totalFunctions(shape: TreeShape, weights: TreeWeights, nFunctions: number): FunctionTotals {
  const self_us = new Float64Array(nFunctions);
  const total_us = new Float64Array(nFunctions);
  const charged_us = new Float64Array(nFunctions);
  const nSamples = new Float64Array(nFunctions);
  for (let node = 1; node < shape.fn.length; node++) {
    const fn = shape.fn[node];
    self_us[fn] += weights.self_us[node];
    if (shape.owner[node] >= 0) charged_us[shape.owner[node]] += weights.self_us[node];
    if (shape.outermost[node] === 1) {
      total_us[fn] += weights.total_us[node];
      nSamples[fn] += weights.nSamples[node];
    }
  }
  const present: number[] = [];
  for (let fn = 0; fn < nFunctions; fn++) if (total_us[fn] > 0) present.push(fn);
  present.sort((a, b) => self_us[b] - self_us[a] || total_us[b] - total_us[a] || a - b);
  return { self_us, total_us, charged_us, nSamples, byHeat: Int32Array.from(present) };
}

export type SortColumn = "self" | "total" | "charged" | "samples";

/** Functions with time in the selection, by the asked column; `matches` narrows them, `null` = all. */
export function orderFunctions(totals: FunctionTotals, column: SortColumn, matches: Uint8Array | null): number[] {
  const list = Array.from(totals.byHeat);
  const kept = matches ? list.filter((fn) => matches[fn] === 1) : list;
  if (column === "self") return kept;
  const key = { total: totals.total_us, charged: totals.charged_us, samples: totals.nSamples }[column];
  return kept.sort((a, b) => key[b] - key[a] || totals.self_us[b] - totals.self_us[a] || a - b);
}

/** Rank by self time, from 1; 0 = not in the selection or never on top of a stack. */
export function heatRank(totals: FunctionTotals, fn: number): number {
  if (fn < 0 || !(totals.self_us[fn] > 0)) return 0;
  return totals.byHeat.indexOf(fn) + 1;
}

/** Functions that have time of their own: the length of the walk with `n`. */
export function nHot(totals: FunctionTotals): number {
  let n = 0;
  while (n < totals.byHeat.length && totals.self_us[totals.byHeat[n]] > 0) n += 1;
  return n;
}

/** The next function of the walk, round the end; `step` is 1 or -1. -1 when nothing is hot. */
export function walkHottest(totals: FunctionTotals, current: number, step: 1 | -1): number {
  const n = nHot(totals);
  if (n === 0) return -1;
  const rank = heatRank(totals, current);
  const next = rank === 0 ? (step > 0 ? 0 : n - 1) : (rank - 1 + step + n) % n;
  return totals.byHeat[next];
}
