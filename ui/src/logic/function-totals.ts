/** The function table of a selection: self, total and charged time by function, hottest first. */
import type { TreeShape, TreeWeights } from "./call-tree.ts";
import { heaviestFirst } from "./heaviest.ts";

export interface FunctionTotals {
  self_us: Float64Array;
  total_us: Float64Array;
  /** Self time plus what was called from it with no other application function between; application functions only. */
  charged_us: Float64Array;
  nSamples: Float64Array;
  /** Functions that occur, by self time, then total time. */
  byHeat: Int32Array;
  /** How many of them have time of their own: the length of the walk with `n`. */
  nHot: number;
}

/** `nSamples` counts samples with the function anywhere on the stack, as `total_us` does. */
export function totalFunctions(shape: TreeShape, weights: TreeWeights, nFunctions: number): FunctionTotals {
  // A function's four sums lie side by side: with many functions most of the cost is fetching them.
  const sums = new Float64Array(nFunctions * 4);
  const { fn, owner, outermost } = shape;
  for (let node = 1; node < fn.length; node++) {
    if (weights.total_us[node] <= 0) continue;
    const at = fn[node] * 4;
    const self = weights.self_us[node];
    if (self > 0) {
      sums[at] += self;
      if (owner[node] >= 0) sums[owner[node] * 4 + 2] += self;
    }
    if (outermost[node] === 1) {
      sums[at + 1] += weights.total_us[node];
      sums[at + 3] += weights.nSamples[node];
    }
  }
  const column = (k: number) => {
    const values = new Float64Array(nFunctions);
    for (let f = 0; f < nFunctions; f++) values[f] = sums[f * 4 + k];
    return values;
  };
  const [self_us, total_us, charged_us, nSamples] = [column(0), column(1), column(2), column(3)];
  const hot: number[] = [];
  const callers: number[] = [];
  for (let fn = 0; fn < nFunctions; fn++) {
    if (self_us[fn] > 0) hot.push(fn);
    else if (total_us[fn] > 0) callers.push(fn);
  }
  const byHeat = new Int32Array(hot.length + callers.length);
  byHeat.set(heaviestFirst(heaviestFirst(hot, total_us), self_us));
  byHeat.set(heaviestFirst(callers, total_us), hot.length);
  return { self_us, total_us, charged_us, nSamples, byHeat, nHot: hot.length };
}

export type SortColumn = "self" | "total" | "charged" | "samples";

/** Functions with time in the selection, by the asked column; `matches` narrows them, `null` = all. */
export function orderFunctions(totals: FunctionTotals, column: SortColumn, matches: Uint8Array | null): Int32Array {
  const { byHeat } = totals;
  const kept = matches ? byHeat.filter((fn) => matches[fn] === 1) : byHeat;
  if (column === "self") return kept;
  const key = { total: totals.total_us, charged: totals.charged_us, samples: totals.nSamples }[column];
  return heaviestFirst(kept, key);
}

/** Rank by self time, from 1; 0 = not in the selection or never on top of a stack. */
export function heatRank(totals: FunctionTotals, fn: number): number {
  if (fn < 0 || !(totals.self_us[fn] > 0)) return 0;
  return totals.byHeat.indexOf(fn) + 1;
}

/** The next function of the walk, round the end; `step` is 1 or -1. -1 when nothing is hot. */
export function walkHottest(totals: FunctionTotals, current: number, step: 1 | -1): number {
  const n = totals.nHot;
  if (n === 0) return -1;
  const rank = heatRank(totals, current);
  const next = rank === 0 ? (step > 0 ? 0 : n - 1) : (rank - 1 + step + n) % n;
  return totals.byHeat[next];
}
