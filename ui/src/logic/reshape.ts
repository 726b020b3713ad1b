/**
 * Grows a call tree from another one: each transform is one pass over the nodes, callers first, that says where each
 * node goes. Linear in nodes and stacks; the tree before stays as it is.
 */
import type { Profile } from "./profile.ts";
import type { Transform } from "./transforms.ts";

/** A call tree and where each stack's time sits in it. */
export interface Stage {
  /** Node that carries a stack's time; -1 = left out. */
  nodeOfStack: Int32Array;
  parent: Int32Array;
  fn: Int32Array;
  /** -> tiers of the profile; -1 = not known, or several. */
  tier: Int8Array;
  /** One stack per node, a name for the node that survives other filters. */
  stackOfNode: Int32Array;
}

/** Adds nodes, each child of a node once. */
export class Grower {
  private readonly children: ChildTable;
  private readonly parent: Int32Array;
  private readonly fn: Int32Array;
  private readonly tier: Int8Array;
  private readonly stackOfNode: Int32Array;
  private n = 1;

  /** At most `maxNodes`, of which `maxShared` by `child`. */
  constructor(maxNodes: number, maxShared = maxNodes) {
    this.children = new ChildTable(maxShared);
    this.parent = new Int32Array(maxNodes + 1).fill(-1, 0, 1);
    this.fn = new Int32Array(maxNodes + 1).fill(-1, 0, 1);
    this.tier = new Int8Array(maxNodes + 1).fill(-1, 0, 1);
    this.stackOfNode = new Int32Array(maxNodes + 1).fill(-1, 0, 1);
  }

  /** The child of `base` that is `fn`; `stack` names it when it is new. */
  child(base: number, fn: number, tier: number, stack: number): number {
    const key = fn * 8 + tier + 1;
    const known = this.children.find(base, key);
    if (known >= 0) return known;
    const node = this.only(base, fn, tier, stack);
    this.children.add(base, key, node);
    return node;
  }

  /** A child that is known to be the only one of its kind. */
  only(base: number, fn: number, tier: number, stack: number): number {
    const node = this.n++;
    this.parent[node] = base;
    this.fn[node] = fn;
    this.tier[node] = tier;
    this.stackOfNode[node] = stack;
    return node;
  }

  stage(nodeOfStack: Int32Array): Stage {
    return {
      nodeOfStack,
      parent: this.parent.slice(0, this.n),
      fn: this.fn.slice(0, this.n),
      tier: this.tier.slice(0, this.n),
      stackOfNode: this.stackOfNode.slice(0, this.n),
    };
  }
}

/** `move` says where a node goes, given where its caller went (-1 = left out, 0 = the root) and a way to stay a frame. */
function regrow(
  before: Stage,
  move: (node: number, caller: number, stay: (base: number) => number) => number,
  maxNodes = before.parent.length,
): Stage {
  const n = before.parent.length;
  const grower = new Grower(maxNodes);
  const to = new Int32Array(n);
  let node = 1;
  const stay = (base: number) => grower.child(base, before.fn[node], before.tier[node], before.stackOfNode[node]);
  for (; node < n; node++) to[node] = move(node, to[before.parent[node]], stay);
  return grower.stage(before.nodeOfStack.map((at) => (at < 0 ? -1 : to[at])));
}

/** The tree after one step. A step that names what is not in the tree leaves nothing or everything, as its kind says. */
export function transformStage(profile: Profile, before: Stage, transform: Transform): Stage {
  const { fn, parent } = before;
  switch (transform.kind) {
    case "focus":
      return startOver(before, (node) => fn[node] === transform.fn);
    case "subtree": {
      const top = before.nodeOfStack[transform.stack] ?? -1;
      return top === 0 ? before : startOver(before, (node) => node === top);
    }
    case "leaf":
      return keepLeaves(before, transform.path);
    case "merge":
      return regrow(before, (node, caller, stay) => (caller < 0 || fn[node] === transform.fn ? caller : stay(caller)));
    case "drop":
      return regrow(before, (node, caller, stay) => (caller < 0 || fn[node] === transform.fn ? -1 : stay(caller)));
    case "direct":
      return regrow(before, (node, caller, stay) =>
        caller < 0 || (fn[node] === transform.fn && fn[parent[node]] === transform.fn) ? caller : stay(caller),
      );
    case "recursion":
      return collapseRecursion(before, transform.fn);
    case "package":
      return collapseGroup(before, profile, transform.group);
  }
}

/** Only stacks through a node that `isTop`; the first such node of each becomes a child of the root. */
function startOver(before: Stage, isTop: (node: number) => boolean): Stage {
  const { parent } = before;
  const inside = new Uint8Array(parent.length);
  let nInside = 0;
  for (let node = 1; node < parent.length; node++) {
    if (inside[parent[node]] === 0 && !isTop(node)) continue;
    inside[node] = 1;
    nInside += 1;
  }
  const move = (node: number, caller: number, stay: (base: number) => number) =>
    inside[node] === 0 ? -1 : stay(inside[parent[node]] === 1 ? caller : 0);
  return regrow(before, move, nInside);
}

function collapseRecursion(before: Stage, wanted: number): Stage {
  /** Where the outermost frame of the function went, on the way to each node. */
  const first = new Int32Array(before.parent.length).fill(-1);
  return regrow(before, (node, caller, stay) => {
    first[node] = first[before.parent[node]];
    if (caller < 0) return -1;
    if (before.fn[node] !== wanted) return stay(caller);
    if (first[node] < 0) first[node] = stay(caller);
    return first[node];
  });
}

function collapseGroup(before: Stage, profile: Profile, key: string): Stage {
  const group = profile.groups.get(key);
  if (group === undefined) return before;
  const n = before.parent.length;
  const grower = new Grower(n);
  const to = new Int32Array(n);
  const isIn = (node: number) => node > 0 && profile.groupOf[before.fn[node]] === group;
  for (let node = 1; node < n; node++) {
    const caller = before.parent[node];
    const stack = before.stackOfNode[node];
    if (!isIn(node)) to[node] = grower.child(to[caller], before.fn[node], before.tier[node], stack);
    else to[node] = isIn(caller) ? to[caller] : grower.child(to[caller], group, -1, stack);
  }
  return grower.stage(before.nodeOfStack.map((at) => (at < 0 ? -1 : to[at])));
}

/** The tree stays; only the time of nodes whose path upwards begins with these functions does. */
function keepLeaves(before: Stage, path: readonly number[]): Stage {
  const { parent, fn } = before;
  const ends = new Uint8Array(parent.length);
  for (let node = 1; node < parent.length; node++) {
    let at = node;
    let i = 0;
    while (i < path.length && at > 0 && fn[at] === path[i]) {
      at = parent[at];
      i += 1;
    }
    if (i === path.length) ends[node] = 1;
  }
  return { ...before, nodeOfStack: before.nodeOfStack.map((at) => (at >= 0 && ends[at] === 1 ? at : -1)) };
}

/**
 * Open-addressing table from (node, key) to node; a Map of numbers is five times slower at 100,000 frames. An entry's
 * numbers lie side by side, since most of the cost is fetching them.
 */
class ChildTable {
  private readonly mask: number;
  /** Node, key, child + 1 (0 = free), nothing. */
  private readonly entries: Int32Array;

  constructor(maxEntries: number) {
    let size = 16;
    while (size < maxEntries * 1.5) size *= 2;
    this.mask = size - 1;
    this.entries = new Int32Array(size * 4);
  }

  private slot(node: number, key: number): number {
    const { entries, mask } = this;
    const mixed = Math.imul(node, 0x9e3779b1) ^ Math.imul(key, 0x85ebca6b);
    let at = (mixed ^ (mixed >>> 15)) & mask;
    while (entries[at * 4 + 2] > 0 && (entries[at * 4] !== node || entries[at * 4 + 1] !== key)) at = (at + 1) & mask;
    return at * 4;
  }

  find(node: number, key: number): number {
    return this.entries[this.slot(node, key) + 2] - 1;
  }

  add(node: number, key: number, child: number): void {
    const at = this.slot(node, key);
    this.entries[at] = node;
    this.entries[at + 1] = key;
    this.entries[at + 2] = child + 1;
  }
}
