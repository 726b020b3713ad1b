/**
 * Merges stacks into the top-down call tree that is drawn, transforms it, and weighs it.
 *
 * The shape depends on what is hidden and transformed; the weights on threads and interval. They are computed apart, so
 * that brushing costs two linear passes. Nodes are numbered parents first; node 0 is the root, which is no function.
 */
import type { Profile } from "./profile.ts";
import { Grower, type Stage, transformStage } from "./reshape.ts";
import type { StackWeights } from "./selection.ts";
import type { Transform } from "./transforms.ts";

/** What to do with the frames of a function. */
export const KEEP = 0;
/** Its frames melt into their callers, time included. */
export const COLLAPSE = 1;
/** Samples in which it is the leaf are left out (idle). */
export const DROP = 2;

/** A tree that can be drawn; what only tables need is computed when they ask. */
export class TreeShape implements Stage {
  readonly nodeOfStack: Int32Array;
  readonly parent: Int32Array;
  readonly fn: Int32Array;
  readonly tier: Int8Array;
  readonly stackOfNode: Int32Array;
  readonly depth: Int32Array;
  private knownOutermost: Uint8Array | undefined;
  private knownOwner: Int32Array | undefined;

  constructor(
    private readonly profile: Profile,
    stage: Stage,
  ) {
    this.nodeOfStack = stage.nodeOfStack;
    this.parent = stage.parent;
    this.fn = stage.fn;
    this.tier = stage.tier;
    this.stackOfNode = stage.stackOfNode;
    this.depth = new Int32Array(stage.parent.length);
    for (let node = 1; node < this.depth.length; node++) this.depth[node] = this.depth[stage.parent[node]] + 1;
  }

  /** 1 where no caller is the same function: summing these counts recursion once. */
  get outermost(): Uint8Array {
    this.knownOutermost ??= findOutermost(this.parent, this.fn, this.profile.nFunctions);
    return this.knownOutermost;
  }

  /** Nearest application function at or above the node; -1 = none. */
  get owner(): Int32Array {
    this.knownOwner ??= findOwners(this.parent, this.fn, this.profile);
    return this.knownOwner;
  }
}

/** `fate` has one of KEEP, COLLAPSE, DROP per function. `byTier`: frames that V8 ran differently stay apart. */
export function shapeTree(
  profile: Profile,
  fate: Uint8Array,
  transforms: readonly Transform[],
  byTier: boolean,
): TreeShape {
  let stage = mergeStacks(profile, fate, byTier);
  for (const transform of transforms) stage = transformStage(profile, stage, transform);
  return new TreeShape(profile, stage);
}

function mergeStacks(profile: Profile, fate: Uint8Array, byTier: boolean): Stage {
  const { stackParent, stackFunction, stackTier } = profile;
  const nStacks = stackParent.length;
  const nodeOfStack = new Int32Array(nStacks);
  // Stacks are a tree already: without anything that melts together no two of them become one node.
  const allApart = !fate.includes(COLLAPSE) && (byTier || stackTier.every((tier) => tier < 0));
  const grower = new Grower(nStacks, allApart ? 0 : nStacks);
  for (let stack = 0; stack < nStacks; stack++) {
    const f = stackFunction[stack];
    const base = stackParent[stack] < 0 ? 0 : nodeOfStack[stackParent[stack]];
    const tier = byTier ? stackTier[stack] : -1;
    if (base < 0 || fate[f] === DROP) nodeOfStack[stack] = -1;
    else if (fate[f] === COLLAPSE) nodeOfStack[stack] = base;
    else nodeOfStack[stack] = allApart ? grower.only(base, f, tier, stack) : grower.child(base, f, tier, stack);
  }
  return grower.stage(nodeOfStack);
}

function findOwners(parent: Int32Array, fn: Int32Array, { category }: Profile): Int32Array {
  const owner = new Int32Array(parent.length).fill(-1);
  for (let node = 1; node < owner.length; node++) {
    owner[node] = category[fn[node]] === "app" ? fn[node] : owner[parent[node]];
  }
  return owner;
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
