/** Where the lanes of the flame chart lie under each other, and the bars and stalls of all of them. */
import type { Stall } from "../contract.ts";
import { type ChartFrame, type ChartLane, frameAround, layoutLane, sampleAt } from "./flame-chart.ts";
import type { Bars, Span } from "./flame-layout.ts";
import { lowerBound } from "./selection.ts";

/** A lane and the rows that it has: one for its name, one per level. */
export interface PlacedLane {
  lane: ChartLane;
  captionRow: number;
  firstRow: number;
}

/** A row of air between lanes. */
const BETWEEN = 1;

export function placeLanes(lanes: readonly ChartLane[]): { placed: PlacedLane[]; nRows: number } {
  const placed: PlacedLane[] = [];
  let row = 0;
  for (const lane of lanes) {
    placed.push({ lane, captionRow: row, firstRow: row + 1 });
    row += 1 + Math.max(1, lane.nRows) + BETWEEN;
  }
  return { placed, nRows: Math.max(0, row - BETWEEN) };
}

/** The lane that a row belongs to. */
export const laneOfRow = (placed: readonly PlacedLane[], row: number): PlacedLane | undefined =>
  placed.find(({ captionRow, lane }) => row >= captionRow && row <= captionRow + Math.max(1, lane.nRows));

export function layoutLanes(
  placed: readonly PlacedLane[],
  span_us: Span,
  width: number,
  firstRow: number,
  lastRow: number,
): Bars {
  const parts = placed
    .filter(({ lane, firstRow: top }) => top <= lastRow && top + lane.nRows >= firstRow)
    .map(({ lane, firstRow: rowOffset }) =>
      layoutLane(lane, { from_us: span_us[0], to_us: span_us[1], width, rowOffset, firstRow, lastRow }),
    );
  if (parts.length === 1) return parts[0];
  const n = parts.reduce((sum, part) => sum + part.n, 0);
  const all = {
    n,
    node: new Int32Array(n),
    row: new Int32Array(n),
    x: new Float64Array(n),
    width: new Float64Array(n),
  };
  let at = 0;
  for (const part of parts) {
    for (const column of ["node", "row", "x", "width"] as const) all[column].set(part[column], at);
    at += part.n;
  }
  return all;
}

/** Stalls of each lane's thread inside the span, on the lane's row of names. */
export function stallMarks(placed: readonly PlacedLane[], stalls: readonly Stall[], span_us: Span, width: number) {
  const scale = width / (span_us[1] - span_us[0]);
  return placed.flatMap(({ lane, captionRow }) =>
    stalls
      .filter((stall) => stall.pid === lane.thread.pid && stall.thread === lane.thread.thread)
      .map((stall) => {
        const x = Math.max(0, (stall.start_s * 1e6 - span_us[0]) * scale);
        const end = Math.min(width, (stall.start_s * 1e6 + stall.duration_ms * 1e3 - span_us[0]) * scale);
        return { row: captionRow, x, width: end < 0 || x > width ? 0 : Math.max(1, end - x) };
      })
      .filter((mark) => mark.width > 0),
  );
}

/** The frame of a node that lies between two times; where bins were drawn it need not fill all of the bar. */
export function frameBetween({ lane }: PlacedLane, node: number, from_us: number, to_us: number): ChartFrame | null {
  const { start_us } = lane.thread;
  const middle = sampleAt(lane, (from_us + to_us) / 2);
  const found = middle < 0 ? null : frameAround(lane, middle, node);
  if (found) return found;
  for (let i = lowerBound(start_us, from_us); i < start_us.length && start_us[i] < to_us; i++) {
    const frame = frameAround(lane, i, node);
    if (frame) return frame;
  }
  return null;
}

/** Longest frame of a function that is a leaf of its samples; `null` when it never is one. Looks at all lanes. */
export function longestLeaf(
  placed: readonly PlacedLane[],
  fn: number,
  range_us: Span,
): { lane: PlacedLane; frame: ChartFrame } | null {
  let best: { lane: PlacedLane; frame: ChartFrame } | null = null;
  let longest = 0;
  for (const lane of placed) {
    const { levels, shape, thread } = lane.lane;
    const nodes = levels[0].node;
    const last = lowerBound(thread.start_us, range_us[1]);
    for (let first = lowerBound(thread.start_us, range_us[0]); first < last; first++) {
      if (nodes[first] <= 0 || shape.fn[nodes[first]] !== fn) continue;
      let end = first;
      let held = thread.duration_us[first];
      while (end + 1 < last && nodes[end + 1] === nodes[first]) held += thread.duration_us[++end];
      if (held > longest) {
        longest = held;
        best = { lane, frame: { node: nodes[first], first, last: end } };
      }
      first = end;
    }
  }
  return best;
}
