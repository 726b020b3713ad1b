/**
 * Merges stacks into the top-down call tree that is drawn, and weighs it.
 *
 * The shape depends on what is hidden and focused; the weights on threads and interval. They are computed apart, so
 * that brushing costs two linear passes. Nodes are numbered parents first; node 0 is the root, which is no function.
 */
import type { Profile } from "./profile.ts";
import type { StackWeights } from "./selection.ts";

/** What to do with the frames of a function. */
export const KEEP = 0;
/** Its frames melt into their callers, time included. */
export const COLLAPSE = 1;
/** Samples in which it is the leaf are left out (idle). */
export const DROP = 2;

export interface TreeShape {
  /** Node that carries a stack's time; -1 = left out. */
  nodeOfStack: Int32Array;
  parent: Int32Array;
  fn: Int32Array;
  depth: Int32Array;
  /** One stack per node, a name for the node that survives other filters. */
  stackOfNode: Int32Array;
  /** 1 where no caller is the same function: summing these counts recursion once. */
  outermost: Uint8Array;
  /** Nearest application function at or above the node; -1 = none. */
  owner: Int32Array;
}

/** `fate` has one of KEEP, COLLAPSE, DROP per function. `focus` = only stacks below that function; -1 = all. */
export function shapeTree(profile: Profile, fate: Uint8Array, focus: number): TreeShape {
  const { stackParent, stackFunction } = profile;
  const nStacks = stackParent.length;
  const nodeOfStack = new Int32Array(nStacks);
  const parent = [-1];
  const fn = [-1];
  const depth = [0];
  const stackOfNode = [-1];
  const owner = [-1];
  const children = new PairTable(nStacks);
  for (let stack = 0; stack < nStacks; stack++) {
    const f = stackFunction[stack];
    const above = stackParent[stack];
    let base = above < 0 ? (focus < 0 ? 0 : -1) : nodeOfStack[above];
    if (base < 0 && f === focus) base = 0;
    if (base < 0 || fate[f] === DROP) {
      nodeOfStack[stack] = -1;
    } else if (fate[f] === COLLAPSE) {
      nodeOfStack[stack] = base;
    } else {
      let node = children.get(base, f);
      if (node < 0) {
        node = parent.length;
        children.set(base, f, node);
        parent.push(base);
        fn.push(f);
        depth.push(depth[base] + 1);
        stackOfNode.push(stack);
        owner.push(profile.category[f] === "app" ? f : owner[base]);
      }
      nodeOfStack[stack] = node;
    }
  }
  const shape = {
    nodeOfStack,
    parent: Int32Array.from(parent),
    fn: Int32Array.from(fn),
    depth: Int32Array.from(depth),
    stackOfNode: Int32Array.from(stackOfNode),
    owner: Int32Array.from(owner),
  };
  return { ...shape, outermost: findOutermost(shape.parent, shape.fn, profile.nFunctions) };
}

/** Walks the tree depth first with a counter per function, so deep recursion costs no more than its nodes. */
function findOutermost(parent: Int32Array, fn: Int32Array, nFunctions: number): Uint8Array {
  const n = parent.length;
  const firstChild = new Int32Array(n).fill(-1);
  const nextSibling = new Int32Array(n).fill(-1);
  for (let node = n - 1; node > 0; node--) {
    nextSibling[node] = firstChild[parent[node]];
    firstChild[parent[node]] = node;
  }
  const outermost = new Uint8Array(n);
  const open = new Int32Array(nFunctions);
  let node = firstChild[0];
  while (node > 0) {
    if (open[fn[node]]++ === 0) outermost[node] = 1;
    if (firstChild[node] >= 0) {
      node = firstChild[node];
      continue;
    }
    for (;;) {
      open[fn[node]] -= 1;
      if (nextSibling[node] >= 0) {
        node = nextSibling[node];
        break;
      }
      node = parent[node];
      if (node <= 0) break;
    }
  }
  return outermost;
}

export interface TreeWeights {
  self_us: Float64Array;
  total_us: Float64Array;
  nSamples: Float64Array;
}

/** Self and total time by node. `nSamples` counts samples at or below the node. */
export function weighTree(shape: TreeShape, weights: StackWeights): TreeWeights {
  const n = shape.parent.length;
  const self_us = new Float64Array(n);
  const nSamples = new Float64Array(n);
  const { nodeOfStack } = shape;
  for (let stack = 0; stack < nodeOfStack.length; stack++) {
    const node = nodeOfStack[stack];
    if (node < 0) continue;
    self_us[node] += weights.self_us[stack];
    nSamples[node] += weights.nSamples[stack];
  }
  const total_us = Float64Array.from(self_us);
  for (let node = n - 1; node > 0; node--) {
    total_us[shape.parent[node]] += total_us[node];
    nSamples[shape.parent[node]] += nSamples[node];
  }
  return { self_us, total_us, nSamples };
}

/** Open-addressing table from (node, function) to node; a Map of numbers is five times slower at 100,000 frames. */
class PairTable {
  private readonly mask: number;
  private readonly a: Int32Array;
  private readonly b: Int32Array;
  private readonly value: Int32Array;

  constructor(maxEntries: number) {
    let size = 16;
    while (size < maxEntries * 2) size *= 2;
    this.mask = size - 1;
    this.a = new Int32Array(size);
    this.b = new Int32Array(size);
    this.value = new Int32Array(size).fill(-1);
  }

  private slot(a: number, b: number): number {
    let at = (Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b)) & this.mask;
    while (this.value[at] >= 0 && (this.a[at] !== a || this.b[at] !== b)) at = (at + 1) & this.mask;
    return at;
  }

  get(a: number, b: number): number {
    return this.value[this.slot(a, b)];
  }

  set(a: number, b: number, value: number): void {
    const at = this.slot(a, b);
    this.a[at] = a;
    this.b[at] = b;
    this.value[at] = value;
  }
}
