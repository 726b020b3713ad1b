/** What the walkthrough says: how to read a flame graph, told by the reader's own numbers. Words are in `strings.ts`. */
import type { CpuSelection } from "./derive.ts";
import type { ViewState } from "./url-state.ts";

export interface WalkthroughFacts {
  total: string;
  /** Widest application function, or the widest of all, and its share. */
  wide: { fn: number; share: number } | null;
  /** Function with most own time, and its share. */
  hot: { fn: number; share: number } | null;
  deepest: number;
}

export function walkthroughFacts(cpu: CpuSelection, state: ViewState): WalkthroughFacts {
  const tree = cpu.topDown(state);
  const totals = cpu.totals(state);
  const { category } = cpu.profile;
  const heaviest = (wanted: (fn: number) => boolean): number => {
    let best = -1;
    for (const fn of totals.byHeat) {
      if (wanted(fn) && (best < 0 || totals.total_us[fn] > totals.total_us[best])) best = fn;
    }
    return best;
  };
  const app = heaviest((fn) => category[fn] === "app");
  const wide = app >= 0 ? app : heaviest(() => true);
  const hot = totals.nHot > 0 ? totals.byHeat[0] : -1;
  return {
    total: cpu.weight(tree.total),
    wide: wide < 0 ? null : { fn: wide, share: totals.total_us[wide] / tree.total },
    hot: hot < 0 ? null : { fn: hot, share: totals.self_us[hot] / tree.total },
    deepest: tree.levelsBelow(0),
  };
}
