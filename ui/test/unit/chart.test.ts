/** The flame chart: bars over time, bins, frames under the keyboard. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { laneOfRow, layoutLanes, longestLeaf, placeLanes, stallMarks } from "../../src/logic/chart-lanes.ts";
import { CpuSelection } from "../../src/logic/derive.ts";
import { frameAround, frameTime, layoutLane, neighbourChartFrame, sampleAt } from "../../src/logic/flame-chart.ts";
import { ticksBetween } from "../../src/logic/timeline.ts";
import { INITIAL } from "../../src/logic/url-state.ts";
import { draw } from "./draw.ts";

const lane = (text: string) => {
  const cpu = new CpuSelection(draw(text));
  return { cpu, lane: cpu.lanes(INITIAL)[0] };
};
const ALL = { rowOffset: 0, firstRow: 0, lastRow: 99 };

/** "row name x+width" in the order of rows, then x. */
function bars(text: string, from_ms: number, to_ms: number, width: number): string[] {
  const { cpu, lane: one } = lane(text);
  const found = layoutLane(one, { ...ALL, from_us: from_ms * 1000, to_us: to_ms * 1000, width });
  return Array.from({ length: found.n }, (_, i) => i)
    .sort((a, b) => found.row[a] - found.row[b] || found.x[a] - found.x[b])
    .map((i) => {
      const name = cpu.profile.name[one.shape.fn[found.node[i]]];
      return `${found.row[i]} ${name} ${Math.round(found.x[i])}+${Math.round(found.width[i])}`;
    });
}

const STORY = "a;b 10\na;b;c 10\na;d 20\n(idle) 40\na;b 20";

test("stacks stand in the order of time; frames that stay are one bar; idle is a gap", () =>
  assert.deepEqual(bars(STORY, 0, 100, 100), [
    "0 a 0+40",
    "0 a 80+20",
    "1 b 0+20",
    "1 d 20+20",
    "1 b 80+20",
    "2 c 10+10",
  ]));

test("only the part inside the interval is drawn", () =>
  assert.deepEqual(bars(STORY, 15, 35, 100), ["0 a 0+100", "1 b 0+25", "1 d 25+75", "2 c 0+25"]));

test("bins narrower than a pixel show the stack that held them longest", () => {
  const many = Array.from({ length: 64 }, (_, i) => (i % 4 === 0 ? "a;x 1" : "a;y 1")).join("\n");
  assert.deepEqual(bars(many, 0, 64, 15), ["0 a 0+15", "1 y 0+15"]);
  assert.equal(bars(many, 0, 8, 80).length, 1 + 4);
});

test("every sample is drawn where there is room, however many there are", () => {
  const text = Array.from({ length: 33 }, (_, i) => `a;f${i} 1`).join("\n");
  assert.equal(bars(text, 0, 33, 330).length, 34);
});

test("a frame is the whole stretch around a sample", () => {
  const { lane: one } = lane(STORY);
  const nodes = one.levels[0].node;
  const a = one.shape.parent[one.shape.parent[nodes[1]]];
  const frame = frameAround(one, 1, a);
  assert.ok(frame);
  assert.deepEqual(frameTime(one, frame), [0, 40_000]);
  assert.equal(frameAround(one, 3, a), null);
});

test("arrow keys walk the chart in time and depth", () => {
  const { cpu, lane: one } = lane(STORY);
  const nodes = one.levels[0].node;
  let frame = frameAround(one, 0, one.shape.parent[nodes[0]]);
  const names: (string | null)[] = [];
  for (const key of ["Down", "Down", "Up", "Right", "Right", "Right", "Left"]) {
    const next = frame && neighbourChartFrame(one, frame, `Arrow${key}`);
    names.push(next && cpu.profile.name[one.shape.fn[next.node]]);
    frame = next ?? frame;
  }
  assert.deepEqual(names, ["b", "c", "b", "d", "b", null, "d"]);
});

test("the sample under a moment is found, and none where nothing was sampled", () => {
  const { lane: one } = lane("a 10\nb 10");
  assert.deepEqual(
    [0, 9_999, 10_000, 20_000, -1].map((t) => sampleAt(one, t)),
    [0, 0, 1, -1, -1],
  );
});

test("lanes lie under each other, each with its name above", () => {
  const { lane: one } = lane("a;b 1");
  const { placed, nRows } = placeLanes([one, one]);
  assert.deepEqual(
    placed.map((p) => [p.captionRow, p.firstRow]),
    [
      [0, 1],
      [4, 5],
    ],
  );
  assert.equal(nRows, 7);
  assert.equal(laneOfRow(placed, 6), placed[1]);
  assert.equal(laneOfRow(placed, 3), undefined);
  const found = layoutLanes(placed, [0, 1000], 10, 0, 9);
  assert.deepEqual([...found.row].sort(), [1, 2, 5, 6]);
});

test("stalls are marked on the lane of their thread", () => {
  const { placed } = placeLanes([lane("a 100").lane]);
  const stall = { start_s: 0.05, duration_ms: 20, pid: 1, thread: 0, culprit: null, function_index: null };
  const marks = stallMarks(placed, [stall, { ...stall, thread: 2 }, { ...stall, start_s: 9 }], [0, 100_000], 100);
  assert.deepEqual(marks, [{ row: 0, x: 50, width: 20 }]);
});

test("the hottest place of a function in time is its longest stretch as a leaf", () => {
  const { cpu, lane: one } = lane("a;f 2\nb 1\na;f 3\na;f 3\nf;g 9");
  const { placed } = placeLanes([one]);
  const found = longestLeaf(placed, cpu.profile.name.indexOf("f"), [0, 1e6]);
  assert.deepEqual(found && frameTime(one, found.frame), [3_000, 9_000]);
});

test("the axis has round times down to microseconds", () => {
  const labels = (from: number, to: number) =>
    ticksBetween(from, to, 300, 100).map((tick) => tick.label.replace("\u00a0", " "));
  assert.deepEqual(labels(10, 16), ["10 s", "12 s", "14 s", "16 s"]);
  assert.deepEqual(labels(1, 1.0003), ["1.0000 s", "1.0001 s", "1.0002 s", "1.0003 s"]);
  assert.deepEqual(labels(3, 3), []);
});
