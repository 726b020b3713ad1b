/**
 * The bottom-up tree: some nodes of the top-down tree first, below them who called them, and who called those.
 *
 * Started at the nodes with own time it is the inverted flame graph; started at the outermost frames of one function,
 * its callers. Each node keeps the top-down nodes ("leaves") whose time it stands for and where each has climbed to
 * ("cursors"); asking for children lets them climb by one and groups them by function.
 */
import type { FlameTree, NameRank, TopDownTree } from "./flame-tree.ts";
import { heaviestFirst } from "./heaviest.ts";

interface Climbers {
  leaves: Int32Array;
  cursors: Int32Array;
}

/** Where the climb starts: the weight of a leaf, and the function that the root stands for (-1 = all). */
export interface Climb {
  climbers: Climbers;
  weight_us: Float64Array;
  nSamples: Float64Array;
  rootFunction: number;
  total_us: number;
}

/** From every node with own time. Time of node 0 itself belongs to no function (all above it was hidden): no bar. */
export function climbFromLeaves({ shape, weights }: TopDownTree): Climb {
  const n = shape.fn.length;
  const nSamples = Float64Array.from(weights.nSamples);
  for (let node = 1; node < n; node++) nSamples[shape.parent[node]] -= weights.nSamples[node];
  const found = new Int32Array(n);
  let nFound = 0;
  for (let node = 1; node < n; node++) if (weights.self_us[node] > 0) found[nFound++] = node;
  const leaves = found.slice(0, nFound);
  return {
    climbers: { leaves, cursors: leaves },
    weight_us: weights.self_us,
    nSamples,
    rootFunction: -1,
    total_us: weights.total_us[0],
  };
}

/** From the outermost frames of a function, with all that they called; so recursion counts once. */
export function climbFromFunction({ shape, weights }: TopDownTree, fn: number): Climb {
  const leaves: number[] = [];
  const cursors: number[] = [];
  let total_us = 0;
  for (let node = 1; node < shape.fn.length; node++) {
    if (shape.fn[node] !== fn || shape.outermost[node] === 0 || weights.total_us[node] <= 0) continue;
    leaves.push(node);
    cursors.push(shape.parent[node]);
    total_us += weights.total_us[node];
  }
  return {
    climbers: { leaves: Int32Array.from(leaves), cursors: Int32Array.from(cursors) },
    weight_us: weights.total_us,
    nSamples: weights.nSamples,
    rootFunction: fn,
    total_us,
  };
}

export class InvertedTree implements FlameTree {
  readonly total: number;
  readonly heaviestFirst: boolean;
  private readonly fns: number[];
  private readonly parents = [-1];
  private readonly depths = [0];
  private readonly starts = [0];
  private readonly totals: number[];
  private readonly samples: number[];
  private readonly levels: number[];
  /** Climbers of siblings lie in one array; each node has a part of it. */
  private readonly climbers: Climbers[];
  private readonly from = [0];
  private readonly to: number[];
  private readonly ordered: (Int32Array | undefined)[] = [];
  private readonly ownTime: boolean;
  /** Which group a function has, while grouping; -1 outside. */
  private readonly groupOfFunction: Int32Array;

  constructor(
    private readonly base: TopDownTree,
    private readonly climb: Climb,
    private readonly nameRank: NameRank,
    nFunctions: number,
  ) {
    const { leaves, cursors } = climb.climbers;
    let deepest = 0;
    let nSamples = 0;
    for (let i = 0; i < leaves.length; i++) {
      deepest = Math.max(deepest, base.shape.depth[cursors[i]]);
      nSamples += climb.nSamples[leaves[i]];
    }
    this.heaviestFirst = nameRank === null;
    this.ownTime = climb.rootFunction < 0;
    this.total = climb.total_us;
    this.fns = [climb.rootFunction];
    this.totals = [climb.total_us];
    this.samples = [nSamples];
    this.levels = [deepest];
    this.climbers = [climb.climbers];
    this.to = [leaves.length];
    this.groupOfFunction = new Int32Array(nFunctions).fill(-1);
  }

  fn(node: number): number {
    return this.fns[node];
  }
  /** Callers of one function ran in several tiers. */
  tier(): number {
    return -1;
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
    return this.ownTime && this.depths[node] === 1 ? this.totals[node] : 0;
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

  children(node: number): Int32Array {
    const known = this.ordered[node];
    if (known) return known;
    const grown = this.grow(node);
    const { totals, fns, nameRank } = this;
    const list = nameRank
      ? Int32Array.from(grown).sort((a, b) => nameRank[fns[a]] - nameRank[fns[b]])
      : heaviestFirst(grown, totals);
    let at = this.starts[node];
    for (const child of list) {
      this.starts[child] = at;
      at += totals[child];
    }
    this.ordered[node] = list;
    return list;
  }

  /** Adds a child per function that the climbers stand on; each child's climbers lie next to each other in one array. */
  private grow(node: number): number[] {
    const { leaves, cursors } = this.climbers[node];
    const [from, to] = [this.from[node], this.to[node]];
    const { fn, parent, depth } = this.base.shape;
    const { weight_us, nSamples } = this.climb;
    const first = this.fns.length;
    const sizes: number[] = [];
    for (let i = from; i < to; i++) {
      if (cursors[i] === 0) continue;
      const f = fn[cursors[i]];
      let group = this.groupOfFunction[f];
      if (group < 0) {
        group = sizes.push(0) - 1;
        this.groupOfFunction[f] = group;
        this.fns.push(f);
        this.parents.push(node);
        this.depths.push(this.depths[node] + 1);
        this.starts.push(0);
        this.totals.push(0);
        this.samples.push(0);
        this.levels.push(0);
      }
      sizes[group] += 1;
      this.totals[first + group] += weight_us[leaves[i]];
      this.samples[first + group] += nSamples[leaves[i]];
      this.levels[first + group] = Math.max(this.levels[first + group], depth[cursors[i]] - 1);
    }
    let sum = 0;
    for (const size of sizes) {
      sum += size;
      this.to.push(sum);
      this.from.push(sum);
    }
    const moved = { leaves: new Int32Array(sum), cursors: new Int32Array(sum) };
    for (let i = to - 1; i >= from; i--) {
      if (cursors[i] === 0) continue;
      // Filled from behind, a group begins where its `from` ends up.
      this.from[first + this.groupOfFunction[fn[cursors[i]]]] -= 1;
      const at = this.from[first + this.groupOfFunction[fn[cursors[i]]]];
      moved.leaves[at] = leaves[i];
      moved.cursors[at] = parent[cursors[i]];
    }
    const list: number[] = [];
    for (let group = 0; group < sizes.length; group++) {
      this.climbers.push(moved);
      this.groupOfFunction[this.fns[first + group]] = -1;
      list.push(first + group);
    }
    return list;
  }
}
