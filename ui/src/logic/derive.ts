/** What the CPU views show, derived from profile and state and remembered while one of the last few states needs it. */
import { shapeTree, type TreeShape, type TreeWeights, weighTree } from "./call-tree.ts";
import { buildLane, type ChartLane } from "./flame-chart.ts";
import { type FlameTree, functionsUp, type NameRank, TopDownTree } from "./flame-tree.ts";
import { weight } from "./format.ts";
import { type FunctionTotals, totalFunctions } from "./function-totals.ts";
import { climbFromFunction, climbFromLeaves, InvertedTree } from "./inverted-tree.ts";
import { rankNames } from "./name-order.ts";
import type { Profile, Recorder, ThreadSamples } from "./profile.ts";
import { remember } from "./remember.ts";
import { haystack, type MatchShare, matchFunctions, shareOfMatches } from "./search.ts";
import { type StackWeights, threadKey, threadsOf, weighStacks } from "./selection.ts";
import { readTransforms, type Transform, writeTransforms } from "./transforms.ts";
import { NOT_ZOOMED, type ViewState } from "./url-state.ts";
import { fates, type LegendEntry, legendEntries } from "./visibility.ts";

/** The trees that one can zoom in; each has its own part of the state. */
export type TreeName = "topDown" | "inverted" | "callers" | "callees";

export class CpuSelection {
  constructor(readonly profile: Profile) {}

  private readonly poolOf = remember(2, (recorder: Recorder) => threadsOf(this.profile.threads, recorder));
  private readonly threadsOf = remember(4, (pool: readonly ThreadSamples[], keys: string): readonly ThreadSamples[] => {
    const wanted = keys.split(",");
    const chosen = pool.filter((thread) => wanted.includes(threadKey(thread)));
    return chosen.length > 0 ? chosen : pool;
  });
  private readonly weightsOf = remember(
    4,
    (threads: readonly ThreadSamples[], from: number | null, to: number | null): StackWeights =>
      weighStacks(this.profile, threads, from === null || to === null ? null : [from, to]),
  );
  private readonly shapeOf = remember(
    8,
    (categories: string, packages: string, transforms: string, byTier: boolean): TreeShape =>
      shapeTree(
        this.profile,
        fates(this.profile, split(categories), split(packages)),
        readTransforms(transforms),
        byTier,
      ),
  );
  private readonly treeWeightsOf = remember(4, weighTree);
  private readonly rankOf = remember(1, rankNames);
  private readonly topDownOf = remember(
    4,
    (shape: TreeShape, weights: TreeWeights, rank: NameRank) => new TopDownTree(shape, weights, rank),
  );
  private readonly invertedOf = remember(
    2,
    (base: TopDownTree, rank: NameRank) => new InvertedTree(base, climbFromLeaves(base), rank, this.profile.nFunctions),
  );
  private readonly callersOf = remember(
    4,
    (base: TopDownTree, fn: number, rank: NameRank) =>
      new InvertedTree(base, climbFromFunction(base, fn), rank, this.profile.nFunctions),
  );
  private readonly totalsOf = remember(4, (shape: TreeShape, weights: TreeWeights) =>
    totalFunctions(shape, weights, this.profile.nFunctions),
  );
  private readonly laneOf = remember(32, buildLane);
  private readonly haystackOf = remember(1, haystack);
  private readonly matchesOf = remember(4, (query: string) =>
    query.trim() === "" ? null : matchFunctions(this.haystackOf(this.profile), query),
  );
  private readonly shareOf = remember(4, shareOfMatches);
  private readonly legendOf = remember(4, (threads: readonly ThreadSamples[]) =>
    legendEntries(this.profile, this.weightsOf(threads, null, null)),
  );

  /** A weight of this profile as text with its unit. */
  weight(value: number | null | undefined): string {
    return weight(value, this.profile.unit);
  }
  /** The threads to choose from: those of one recorder. */
  pool(state: ViewState): readonly ThreadSamples[] {
    return this.poolOf(state.recorder);
  }
  threads(state: ViewState): readonly ThreadSamples[] {
    return this.threadsOf(this.pool(state), state.threads.join(","));
  }
  stackWeights(state: ViewState): StackWeights {
    return this.weightsOf(this.threads(state), state.range?.[0] ?? null, state.range?.[1] ?? null);
  }
  private shape(state: ViewState, transforms: readonly Transform[]): TreeShape {
    const { hiddenCategories, hiddenPackages, tiers } = state;
    return this.shapeOf(
      hiddenCategories.join("\n"),
      hiddenPackages.join("\n"),
      writeTransforms(transforms),
      tiers === "split",
    );
  }
  private rank(state: ViewState): NameRank {
    return state.order === "name" ? this.rankOf(this.profile) : null;
  }
  private weighed(state: ViewState, shape: TreeShape): TopDownTree {
    return this.topDownOf(shape, this.treeWeightsOf(shape, this.stackWeights(state)), this.rank(state));
  }

  topDown(state: ViewState): TopDownTree {
    return this.weighed(state, this.shape(state, state.transforms));
  }
  /** Function in the middle of the sandwich; -1 when nothing has time. */
  middle(state: ViewState): number {
    const wanted = state.sandwich;
    if (wanted >= 0 && wanted < this.profile.nFunctions) return wanted;
    return this.totals(state).byHeat[0] ?? -1;
  }
  tree(state: ViewState, name: TreeName): FlameTree {
    switch (name) {
      case "topDown":
        return this.topDown(state);
      case "inverted":
        return this.invertedOf(this.topDown(state), this.rank(state));
      case "callers":
        return this.callersOf(this.topDown(state), this.middle(state), this.rank(state));
      case "callees": {
        const focus: Transform = { kind: "focus", fn: Math.max(0, this.middle(state)) };
        return this.weighed(state, this.shape(state, [...state.transforms, focus]));
      }
    }
  }
  totals(state: ViewState): FunctionTotals {
    const { shape, weights } = this.topDown(state);
    return this.totalsOf(shape, weights);
  }
  /** One lane per chosen thread, in time order. */
  lanes(state: ViewState): ChartLane[] {
    const { shape } = this.topDown(state);
    return this.threads(state).map((thread) => this.laneOf(shape, thread));
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

  /** Node in row 0: the root, but in the lower half of the sandwich the function itself. */
  top(state: ViewState, name: TreeName): number {
    return name === "callees" ? (this.tree(state, name).children(0)[0] ?? 0) : 0;
  }

  /** The node that the state zooms to. */
  zoomNode(state: ViewState, name: TreeName): number {
    if (name === "topDown") return Math.max(0, this.topDown(state).shape.nodeOfStack[state.zoomStack] ?? 0);
    const tree = this.tree(state, name);
    let node = this.top(state, name);
    for (const fn of state[ZOOM_OF[name]]) {
      const child = tree.children(node).find((c) => tree.fn(c) === fn);
      if (child === undefined) break;
      node = child;
    }
    return node;
  }

  /** The part of the state that zooms to a node. */
  zoomTo(state: ViewState, name: TreeName, node: number): Partial<ViewState> {
    if (name === "topDown") return { zoomStack: this.topDown(state).shape.stackOfNode[node] };
    const tree = this.tree(state, name);
    const top = this.top(state, name);
    const path: number[] = [];
    for (let at = node; at > top; at = tree.parent(at)) path.unshift(tree.fn(at));
    return { [ZOOM_OF[name]]: path };
  }

  /** The step that keeps only what the picture shows at and below a node. */
  subtreeTransform(state: ViewState, name: TreeName, node: number): Transform {
    if (name === "topDown") return { kind: "subtree", stack: this.topDown(state).shape.stackOfNode[node] };
    const tree = this.tree(state, name);
    return name === "inverted"
      ? { kind: "leaf", path: functionsUp(tree, node).reverse() }
      : { kind: "focus", fn: tree.fn(node) };
  }

  /** Zooms the top-down tree to where a function spends most, keeping nothing that could hide it. */
  zoomToFunction(state: ViewState, fn: number): Partial<ViewState> {
    const hiddenCategories = state.hiddenCategories.filter((id) => id !== this.profile.category[fn]);
    const hiddenPackages = state.hiddenPackages.filter((id) => id !== this.profile.package[fn]);
    const view = state.view === "sandwich" ? "sandwich" : "flame";
    const sandwich = view === "sandwich" ? fn : -1;
    const shown = { ...NOT_ZOOMED, view, selected: fn, sandwich, hiddenCategories, hiddenPackages } as const;
    const has = (transforms: readonly Transform[]) =>
      this.topDown({ ...state, ...shown, transforms }).heaviest(fn, "total") >= 0;
    const transforms = has(state.transforms) ? state.transforms : [];
    const next = { ...state, ...shown, transforms };
    const node = this.topDown(next).heaviest(fn, "total");
    const zoomStack = node < 0 ? -1 : this.topDown(next).shape.stackOfNode[node];
    return { ...shown, transforms, zoomStack };
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

const ZOOM_OF = { inverted: "zoomPath", callers: "zoomCallers", callees: "zoomCallees" } as const;

const split = (lines: string): string[] => (lines === "" ? [] : lines.split("\n"));
