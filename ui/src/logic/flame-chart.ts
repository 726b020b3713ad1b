/**
 * The flame chart: each thread's stacks in the order of time.
 *
 * Samples are summed up to bins of 2, 4, 8, … so that a picture of an hour costs no more than one of a second. A bin
 * stands for the stack that held it longest. Bins begin at fixed samples, so panning does not make them flicker.
 */
import type { TreeShape } from "./call-tree.ts";
import { BarList, type Bars } from "./flame-layout.ts";
import type { ThreadSamples } from "./profile.ts";
import { lowerBound } from "./selection.ts";

/** A bin's stack, as a node of the tree, and how long it held the bin. */
interface Level {
  node: Int32Array;
  held_us: Float64Array;
}

export interface ChartLane {
  thread: ThreadSamples;
  /** Level 0 is the samples; each further one joins two bins of the one before. */
  levels: Level[];
  /** Deepest stack. */
  nRows: number;
  shape: TreeShape;
}

/** Node 0 (all frames melted away) and left-out samples are gaps: -1. */
export function buildLane(shape: TreeShape, thread: ThreadSamples): ChartLane {
  const n = thread.stack.length;
  const node = new Int32Array(n);
  let nRows = 0;
  for (let i = 0; i < n; i++) {
    const at = thread.stack[i] < 0 ? -1 : shape.nodeOfStack[thread.stack[i]];
    node[i] = at > 0 ? at : -1;
    if (at > 0 && shape.depth[at] > nRows) nRows = shape.depth[at];
  }
  const levels: Level[] = [{ node, held_us: thread.duration_us }];
  for (let below = levels[0]; below.node.length > 1; below = levels[levels.length - 1]) levels.push(joined(below));
  return { thread, levels, nRows, shape };
}

function joined(below: Level): Level {
  const n = (below.node.length + 1) >> 1;
  const node = new Int32Array(n);
  const held_us = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const a = 2 * i;
    const b = a + 1 < below.node.length ? a + 1 : a;
    const same = a !== b && below.node[a] === below.node[b];
    const winner = below.held_us[b] > below.held_us[a] ? b : a;
    node[i] = below.node[winner];
    held_us[i] = same ? below.held_us[a] + below.held_us[b] : below.held_us[winner];
  }
  return { node, held_us };
}

export interface ChartView {
  from_us: number;
  to_us: number;
  width: number;
  /** Row of the lane's first frames, counted from the top of all lanes. */
  rowOffset: number;
  firstRow: number;
  lastRow: number;
}

/** A bin narrower than this is drawn as one, in pixels; so bars are one to two pixels wide where there are too many. */
const FINE = 2;
/** Bars are joined across a gap below this, in pixels. */
const NO_GAP = 0.4;

/** Bars of one lane; their nodes are the tree's. Neighbours with the same caller path are one bar. */
export function layoutLane(lane: ChartLane, view: ChartView): Bars {
  const { start_us, duration_us } = lane.thread;
  const { parent, depth } = lane.shape;
  const n = start_us.length;
  const list = new BarList();
  const scale = view.width / (view.to_us - view.from_us);
  if (n === 0 || !(scale > 0) || !Number.isFinite(scale)) return list.bars();
  const openNode: number[] = [];
  const openX: number[] = [];
  let lastX = Number.NEGATIVE_INFINITY;
  const close = (keep: number) => {
    while (openNode.length > keep) {
      const row = view.rowOffset + openNode.length - 1;
      const node = openNode.pop() as number;
      const x = Math.max(0, openX.pop() as number);
      const width = Math.min(view.width, lastX) - x;
      if (row >= view.firstRow && row <= view.lastRow && width > 0) list.add(node, row, x, width);
    }
  };
  const path: number[] = [];
  const put = (node: number, x: number, end: number) => {
    if (node < 0 || x - lastX > NO_GAP) close(0);
    if (node < 0) return;
    path.length = 0;
    let at = node;
    while (depth[at] > 0 && openNode[depth[at] - 1] !== at) {
      path.push(at);
      at = parent[at];
    }
    close(depth[at]);
    for (let i = path.length - 1; i >= 0; i--) {
      openNode.push(path[i]);
      openX.push(x);
    }
    lastX = end;
  };
  const visit = (level: number, bin: number) => {
    const first = bin << level;
    const last = Math.min(n, (bin + 1) << level) - 1;
    const x = (start_us[first] - view.from_us) * scale;
    const end = (start_us[last] + duration_us[last] - view.from_us) * scale;
    if (end < 0 || x > view.width) return;
    if (level === 0 || end - x <= FINE) put(lane.levels[level].node[bin], x, end);
    else {
      visit(level - 1, 2 * bin);
      if (2 * bin + 1 < lane.levels[level - 1].node.length) visit(level - 1, 2 * bin + 1);
    }
  };
  visit(lane.levels.length - 1, 0);
  close(0);
  return list.bars();
}

/** A frame of the chart: a stretch of samples with one node on their stack. */
export interface ChartFrame {
  node: number;
  /** Samples from `first` to `last`, both in it. */
  first: number;
  last: number;
}

const isBelow = (shape: TreeShape, node: number, above: number): boolean => {
  let at = node;
  while (at > 0 && shape.depth[at] > shape.depth[above]) at = shape.parent[at];
  return at === above;
};

/** Two samples with more than this between them are not one stretch: sampling was off. */
const MAX_GAP_US = 50_000;

/** The whole stretch around a sample in which a node stays on the stack; `null` when it is not there. */
export function frameAround(lane: ChartLane, sample: number, node: number): ChartFrame | null {
  const nodes = lane.levels[0].node;
  const { start_us, duration_us } = lane.thread;
  if (!(nodes[sample] > 0) || !isBelow(lane.shape, nodes[sample], node)) return null;
  const follows = (i: number) => start_us[i + 1] - start_us[i] - duration_us[i] <= MAX_GAP_US;
  let first = sample;
  while (first > 0 && follows(first - 1) && nodes[first - 1] > 0 && isBelow(lane.shape, nodes[first - 1], node))
    first--;
  let last = sample;
  while (last + 1 < nodes.length && follows(last) && nodes[last + 1] > 0 && isBelow(lane.shape, nodes[last + 1], node))
    last++;
  return { node, first, last };
}

/** Start and end of a frame, in microseconds. */
export const frameTime = ({ thread }: ChartLane, frame: ChartFrame): [number, number] => [
  thread.start_us[frame.first],
  thread.start_us[frame.last] + thread.duration_us[frame.last],
];

/** The sample that runs at a time; -1 = none. */
export function sampleAt({ thread }: ChartLane, time_us: number): number {
  const { start_us, duration_us } = thread;
  const i = lowerBound(start_us, time_us + 1e-6) - 1;
  return i >= 0 && time_us < start_us[i] + duration_us[i] ? i : -1;
}

/** The frame that an arrow key leads to; `null` when there is none. */
export function neighbourChartFrame(lane: ChartLane, frame: ChartFrame, key: string): ChartFrame | null {
  const { shape, levels } = lane;
  const nodes = levels[0].node;
  const ancestorAt = (node: number, depth: number): number => {
    let at = node;
    while (shape.depth[at] > depth) at = shape.parent[at];
    return at;
  };
  const depth = shape.depth[frame.node];
  if (key === "ArrowUp") return depth > 1 ? frameAround(lane, frame.first, shape.parent[frame.node]) : null;
  if (key === "ArrowDown") {
    for (let i = frame.first; i <= frame.last; i++) {
      if (shape.depth[nodes[i]] > depth) return frameAround(lane, i, ancestorAt(nodes[i], depth + 1));
    }
    return null;
  }
  const step = key === "ArrowLeft" ? -1 : 1;
  for (let i = step < 0 ? frame.first - 1 : frame.last + 1; i >= 0 && i < nodes.length; i += step) {
    if (nodes[i] > 0 && shape.depth[nodes[i]] >= depth) return frameAround(lane, i, ancestorAt(nodes[i], depth));
  }
  return null;
}
