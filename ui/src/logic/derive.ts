/** What the CPU views show, derived from profile and state and remembered until one of their inputs changes. */
import { shapeTree, type TreeShape, type TreeWeights, weighTree } from "./call-tree.ts";
import { type FlameTree, TopDownTree } from "./flame-tree.ts";
import { weight } from "./format.ts";
import { type FunctionTotals, totalFunctions } from "./function-totals.ts";
import { InvertedTree } from "./inverted-tree.ts";
import type { Profile, ThreadSamples } from "./profile.ts";
import { type MatchShare, matchFunctions, shareOfMatches } from "./search.ts";
import { type StackWeights, threadKey, weighStacks } from "./selection.ts";
import type { ViewState } from "./url-state.ts";
import { fates, type LegendEntry, legendEntries } from "./visibility.ts";

/** Remembers the last result; computes again when an input is another one. */
function remember<Inputs extends readonly unknown[], Result>(compute: (...inputs: Inputs) => Result) {
  let known: { inputs: Inputs; result: Result } | undefined;
  return (...inputs: Inputs): Result => {
    if (!known?.inputs.every((input, i) => input === inputs[i])) known = { inputs, result: compute(...inputs) };
    return known.result;
  };
}

export class CpuSelection {
  constructor(readonly profile: Profile) {}

  private readonly threadsOf = remember((key: string): readonly ThreadSamples[] => {
    const chosen = this.profile.threads.filter((thread) => threadKey(thread) === key);
    return chosen.length > 0 ? chosen : this.profile.threads;
  });
  private readonly weightsOf = remember(
    (threads: readonly ThreadSamples[], from: number | null, to: number | null): StackWeights =>
      weighStacks(this.profile, threads, from === null || to === null ? null : [from, to]),
  );
  private readonly shapeOf = remember(
    (categories: string, packages: string, focus: number): TreeShape =>
      shapeTree(this.profile, fates(this.profile, split(categories), split(packages)), focus),
  );
  private readonly treeWeightsOf = remember(weighTree);
  private readonly topDownOf = remember((shape: TreeShape, weights: TreeWeights) => new TopDownTree(shape, weights));
  private readonly invertedOf = remember((base: TopDownTree) => new InvertedTree(base));
  private readonly totalsOf = remember((shape: TreeShape, weights: TreeWeights) =>
    totalFunctions(shape, weights, this.profile.nFunctions),
  );
  private readonly matchesOf = remember((query: string) => matchFunctions(this.profile, query));
  private readonly shareOf = remember(shareOfMatches);
  private readonly legendOf = remember((threads: readonly ThreadSamples[]) => legendEntries(this.profile, threads));

  /** A weight of this profile as text with its unit. */
  weight(value: number | null | undefined): string {
    return weight(value, this.profile.unit);
  }
  threads(state: ViewState): readonly ThreadSamples[] {
    return this.threadsOf(state.thread);
  }
  stackWeights(state: ViewState): StackWeights {
    return this.weightsOf(this.threads(state), state.range?.[0] ?? null, state.range?.[1] ?? null);
  }
  topDown(state: ViewState): TopDownTree {
    const focus = state.focus < this.profile.nFunctions ? state.focus : -1;
    const shape = this.shapeOf(state.hiddenCategories.join("\n"), state.hiddenPackages.join("\n"), focus);
    return this.topDownOf(shape, this.treeWeightsOf(shape, this.stackWeights(state)));
  }
  tree(state: ViewState): FlameTree {
    const topDown = this.topDown(state);
    return state.inverted ? this.invertedOf(topDown) : topDown;
  }
  totals(state: ViewState): FunctionTotals {
    const { shape, weights } = this.topDown(state);
    return this.totalsOf(shape, weights);
  }
  matches(state: ViewState): Uint8Array | null {
    return this.matchesOf(state.search);
  }
  matchShare(state: ViewState): MatchShare | null {
    const matches = this.matches(state);
    const { shape, weights } = this.topDown(state);
    return matches && this.shareOf(shape, weights, matches);
  }
  legend(state: ViewState): { categories: LegendEntry[]; packages: LegendEntry[] } {
    return this.legendOf(this.threads(state));
  }

  /** The node that the state zooms to; 0 = the whole tree. */
  zoomNode(state: ViewState): number {
    if (!state.inverted) {
      return Math.max(0, this.topDown(state).shape.nodeOfStack[state.zoomStack] ?? 0);
    }
    const tree = this.tree(state);
    let node = 0;
    for (const fn of state.zoomPath) {
      const child = tree.children(node).find((c) => tree.fn(c) === fn);
      if (child === undefined) break;
      node = child;
    }
    return node;
  }

  /** The part of the state that zooms to a node. */
  zoomTo(state: ViewState, node: number): Partial<ViewState> {
    if (!state.inverted) return { zoomStack: this.topDown(state).shape.stackOfNode[node] };
    const tree = this.tree(state);
    const zoomPath: number[] = [];
    for (let at = node; at > 0; at = tree.parent(at)) zoomPath.unshift(tree.fn(at));
    return { zoomPath };
  }

  /** Zooms the top-down tree to where a function spends most, keeping nothing that could hide it. */
  zoomToFunction(state: ViewState, fn: number): Partial<ViewState> {
    const shown: Partial<ViewState> = { inverted: false, focus: -1, selected: fn };
    const category = this.profile.category[fn];
    const name = this.profile.package[fn];
    const hiddenCategories = state.hiddenCategories.filter((id) => id !== category);
    const hiddenPackages = state.hiddenPackages.filter((id) => id !== name);
    const next = { ...state, ...shown, hiddenCategories, hiddenPackages };
    const node = this.topDown(next).heaviest(fn, "total");
    return {
      ...shown,
      hiddenCategories,
      hiddenPackages,
      zoomStack: node < 0 ? -1 : this.topDown(next).shape.stackOfNode[node],
    };
  }

  /** First start and last end of the threads' samples, in seconds; `null` without samples. */
  coverage(state: ViewState): [number, number] | null {
    let from = Number.POSITIVE_INFINITY;
    let to = Number.NEGATIVE_INFINITY;
    for (const { start_us, duration_us } of this.threads(state)) {
      const n = start_us.length;
      if (n === 0) continue;
      from = Math.min(from, start_us[0] / 1e6);
      to = Math.max(to, (start_us[n - 1] + duration_us[n - 1]) / 1e6);
    }
    return to >= from ? [from, to] : null;
  }
}

const split = (lines: string): string[] => (lines === "" ? [] : lines.split("\n"));
