/**
 * The bottom-up tree: a function with own time first, below it who called it, and who called those.
 *
 * Each node keeps the top-down nodes ("leaves") whose time it stands for and where each has climbed to ("cursors");
 * asking for children lets them climb by one and groups them by function.
 */
import type { FlameTree, TopDownTree } from "./flame-tree.ts";

interface Climbers {
  leaves: Int32Array;
  cursors: Int32Array;
}

export class InvertedTree implements FlameTree {
  readonly inverted = true;
  readonly total: number;
  private readonly fns = [-1];
  private readonly parents = [-1];
  private readonly depths = [0];
  private readonly starts = [0];
  private readonly totals: number[];
  private readonly samples: number[];
  private readonly levels: number[];
  private readonly climbers: Climbers[];
  private readonly ordered: (readonly number[] | undefined)[] = [];

  constructor(private readonly base: TopDownTree) {
    const { shape, weights } = base;
    const leaves: number[] = [];
    let deepest = 0;
    // Time of node 0 itself belongs to no function (everything above it was hidden), so it has no bar.
    for (let node = 1; node < shape.fn.length; node++) {
      if (weights.self_us[node] <= 0) continue;
      leaves.push(node);
      if (shape.depth[node] > deepest) deepest = shape.depth[node];
    }
    this.total = base.total;
    this.totals = [base.total];
    this.samples = [weights.nSamples[0]];
    this.levels = [deepest];
    this.climbers = [{ leaves: Int32Array.from(leaves), cursors: Int32Array.from(leaves) }];
  }

  fn(node: number): number {
    return this.fns[node];
  }
  parent(node: number): number {
    return this.parents[node];
  }
  depth(node: number): number {
    return this.depths[node];
  }
  total_us(node: number): number {
    return this.totals[node];
  }
  /** Only the first level runs code of its own; below it are the callers. */
  self_us(node: number): number {
    return this.depths[node] === 1 ? this.totals[node] : 0;
  }
  nSamples(node: number): number {
    return this.samples[node];
  }
  start_us(node: number): number {
    return this.starts[node];
  }
  levelsBelow(node: number): number {
    return this.levels[node];
  }

  children(node: number): readonly number[] {
    const known = this.ordered[node];
    if (known) return known;
    const groups = this.group(this.climbers[node]);
    const { shape } = this.base;
    const list: number[] = [];
    for (const [fn, group] of groups) {
      let deepest = 0;
      const cursors = new Int32Array(group.cursors.length);
      for (let i = 0; i < cursors.length; i++) {
        cursors[i] = shape.parent[group.cursors[i]];
        deepest = Math.max(deepest, shape.depth[group.cursors[i]] - 1);
      }
      const child = this.fns.length;
      this.fns.push(fn);
      this.parents.push(node);
      this.depths.push(this.depths[node] + 1);
      this.starts.push(0);
      this.totals.push(group.total);
      this.samples.push(group.nSamples);
      this.levels.push(deepest);
      this.climbers.push({ leaves: Int32Array.from(group.leaves), cursors });
      list.push(child);
    }
    list.sort((a, b) => this.totals[b] - this.totals[a] || a - b);
    let at = this.starts[node];
    for (const child of list) {
      this.starts[child] = at;
      at += this.totals[child];
    }
    this.ordered[node] = list;
    return list;
  }

  private group(climbers: Climbers) {
    const { shape, weights } = this.base;
    const ownSamples = this.ownSamples();
    const groups = new Map<number, { leaves: number[]; cursors: number[]; total: number; nSamples: number }>();
    for (let i = 0; i < climbers.leaves.length; i++) {
      const cursor = climbers.cursors[i];
      if (cursor === 0) continue;
      const fn = shape.fn[cursor];
      let group = groups.get(fn);
      if (!group) {
        group = { leaves: [], cursors: [], total: 0, nSamples: 0 };
        groups.set(fn, group);
      }
      const leaf = climbers.leaves[i];
      group.leaves.push(leaf);
      group.cursors.push(cursor);
      group.total += weights.self_us[leaf];
      group.nSamples += ownSamples[leaf];
    }
    return groups;
  }

  private own: Float64Array | undefined;
  /** Samples that end in a node, from the counts at or below it. */
  private ownSamples(): Float64Array {
    if (!this.own) {
      const { shape, weights } = this.base;
      this.own = Float64Array.from(weights.nSamples);
      for (let node = 1; node < shape.fn.length; node++) this.own[shape.parent[node]] -= weights.nSamples[node];
    }
    return this.own;
  }
}
