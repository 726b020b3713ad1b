/**
 * The trees that a flame graph draws, behind one interface: top-down (callers above) here, bottom-up in
 * `inverted-tree.ts`.
 *
 * Children are ordered and positioned only when asked for. So the inverted tree, which can be far larger than the
 * profile, exists only as far as somebody looks at it.
 */
import type { TreeShape, TreeWeights } from "./call-tree.ts";
import { heaviestFirst } from "./heaviest.ts";

export interface FlameTree {
  /** Time of the root: 100 % of the picture. */
  readonly total: number;
  /** Whether siblings stand heaviest first; else they stand by name. */
  readonly heaviestFirst: boolean;
  fn(node: number): number;
  /** -> tiers of the profile; -1 = not known. */
  tier(node: number): number;
  parent(node: number): number;
  depth(node: number): number;
  total_us(node: number): number;
  self_us(node: number): number;
  nSamples(node: number): number;
  /** Offset of the node's left edge from the root's, in microseconds; known once its parent's children were asked for. */
  start_us(node: number): number;
  /** In order; without those that have no time. */
  children(node: number): Int32Array;
  /** Levels below the node, itself not counted. */
  levelsBelow(node: number): number;
}

const NONE = new Int32Array(0);

/** Place of each function in the order of names; `null` orders siblings by time. */
export type NameRank = Int32Array | null;

export class TopDownTree implements FlameTree {
  readonly heaviestFirst: boolean;
  private readonly start: Float64Array;
  private readonly firstChild: Int32Array;
  private readonly nextSibling: Int32Array;
  private readonly ordered: (Int32Array | undefined)[];

  constructor(
    readonly shape: TreeShape,
    readonly weights: TreeWeights,
    private readonly nameRank: NameRank,
  ) {
    const n = shape.parent.length;
    this.heaviestFirst = nameRank === null;
    this.start = new Float64Array(n);
    this.ordered = new Array(n);
    this.firstChild = new Int32Array(n).fill(-1);
    this.nextSibling = new Int32Array(n).fill(-1);
    for (let node = n - 1; node > 0; node--) {
      if (weights.total_us[node] <= 0) continue;
      this.nextSibling[node] = this.firstChild[shape.parent[node]];
      this.firstChild[shape.parent[node]] = node;
    }
  }

  get total(): number {
    return this.weights.total_us[0];
  }
  fn(node: number): number {
    return this.shape.fn[node];
  }
  tier(node: number): number {
    return this.shape.tier[node];
  }
  parent(node: number): number {
    return this.shape.parent[node];
  }
  depth(node: number): number {
    return this.shape.depth[node];
  }
  total_us(node: number): number {
    return this.weights.total_us[node];
  }
  self_us(node: number): number {
    return this.weights.self_us[node];
  }
  nSamples(node: number): number {
    return this.weights.nSamples[node];
  }
  start_us(node: number): number {
    return this.start[node];
  }

  children(node: number): Int32Array {
    const known = this.ordered[node];
    if (known) return known;
    if (this.firstChild[node] < 0) return NONE;
    const found: number[] = [];
    for (let child = this.firstChild[node]; child >= 0; child = this.nextSibling[child]) found.push(child);
    const list = this.inOrder(found);
    let at = this.start[node];
    for (const child of list) {
      this.start[child] = at;
      at += this.weights.total_us[child];
    }
    this.ordered[node] = list;
    return list;
  }

  private inOrder(list: number[]): Int32Array {
    const { fn } = this.shape;
    const { nameRank } = this;
    if (!nameRank) return heaviestFirst(list, this.weights.total_us);
    return Int32Array.from(list).sort((a, b) => nameRank[fn[a]] - nameRank[fn[b]] || a - b);
  }

  levelsBelow(node: number): number {
    const { parent, depth } = this.shape;
    const inside = new Uint8Array(parent.length);
    inside[node] = 1;
    let deepest = depth[node];
    for (let at = node + 1; at < parent.length; at++) {
      if (inside[parent[at]] === 0 || this.weights.total_us[at] <= 0) continue;
      inside[at] = 1;
      if (depth[at] > deepest) deepest = depth[at];
    }
    return deepest - depth[node];
  }

  /** The node that carries most time of a function; by its own time or with what it calls. -1 = not in the tree. */
  heaviest(fn: number, by: "self" | "total"): number {
    const weight = by === "self" ? this.weights.self_us : this.weights.total_us;
    let best = -1;
    for (let node = 1; node < this.shape.fn.length; node++) {
      if (this.shape.fn[node] === fn && weight[node] > 0 && (best < 0 || weight[node] > weight[best])) best = node;
    }
    return best;
  }
}

/** Functions of a node and its callers, the node first. */
export function functionsUp(tree: FlameTree, node: number): number[] {
  const list: number[] = [];
  for (let at = node; at >= 0 && tree.fn(at) >= 0; at = tree.parent(at)) list.push(tree.fn(at));
  return list;
}
