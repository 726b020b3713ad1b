/** Bars of the flame graph: positions, zoom, what is too narrow. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CpuSelection } from "../../src/logic/derive.ts";
import { barAt, layoutBars, movedSpan, spanOf } from "../../src/logic/flame-layout.ts";
import { neighbourFrame } from "../../src/logic/frame-walk.ts";
import { INITIAL } from "../../src/logic/url-state.ts";
import { draw } from "./draw.ts";

const cpu = new CpuSelection(draw("a;b 60\na;c 30\nd 9\ne 1"));
const tree = cpu.tree(INITIAL, "topDown");
const view = { top: 0, span: [0, 100_000] as [number, number], width: 100, firstRow: 0, lastRow: 9, minWidth: 2 };

function bars(zoom: number, change: Partial<typeof view> = {}): string[] {
  const [from, to] = spanOf(tree, zoom);
  const found = layoutBars(tree, { ...view, span: [from, to], ...change });
  return Array.from({ length: found.n }, (_, i) => {
    const node = found.node[i];
    const name = node < 0 ? "…" : node === 0 ? "all" : cpu.profile.name[tree.fn(node)];
    return `${found.row[i]} ${name} ${Math.round(found.x[i])}+${Math.round(found.width[i])}`;
  });
}

test("lays out children under their caller, heaviest first", () =>
  assert.deepEqual(bars(0), ["0 all 0+100", "1 a 0+90", "1 d 90+9", "2 b 0+60", "2 c 60+30"]));

test("joins bars that are too narrow into one that says so", () =>
  assert.deepEqual(bars(0, { minWidth: 10 }), ["0 all 0+100", "1 … 90+10", "1 a 0+90", "2 b 0+60", "2 c 60+30"]));

test("a zoomed frame fills the width, under its callers", () => {
  const a = tree.children(0)[0];
  assert.deepEqual(bars(tree.children(a)[1]), ["0 all 0+100", "1 a 0+100", "2 c 0+100"]);
});

test("draws only the rows in view", () =>
  assert.deepEqual(bars(0, { firstRow: 2, lastRow: 2 }), ["2 b 0+60", "2 c 60+30"]));

test("clips bars to the span in the picture", () =>
  assert.deepEqual(bars(0, { span: [50_000, 70_000] }), ["0 all 0+100", "1 a 0+100", "2 b 0+50", "2 c 50+50"]));

test("zooming by hand keeps the point under the pointer, and stays inside the whole", () => {
  assert.deepEqual(movedSpan([0, 100], [0, 100], 0.5, 20, 0, 1), [10, 60]);
  assert.deepEqual(movedSpan([10, 60], [0, 100], 1, 0, 70, 1), [50, 100]);
  assert.deepEqual(movedSpan([10, 60], [0, 100], 9, 30, 0, 1), [0, 100]);
  assert.deepEqual(movedSpan([10, 60], [0, 100], 0, 30, 0, 10), [26, 36]);
});

test("finds the bar under a point", () => {
  const found = layoutBars(tree, view);
  assert.equal(cpu.profile.name[tree.fn(found.node[barAt(found, 2, 61)])], "c");
  assert.equal(barAt(found, 2, 95), -1);
});

test("arrow keys walk to caller, callee and siblings and stop at the edges", () => {
  const name = (node: number) => cpu.profile.name[tree.fn(node)];
  const walk = (from: number, ...keys: string[]) =>
    keys.reduce((node, key) => neighbourFrame(tree, node, `Arrow${key}`, 0, 0), from);
  assert.equal(name(walk(-1, "Down")), "a");
  assert.equal(name(walk(-1, "Down", "Down", "Right")), "c");
  assert.equal(name(walk(-1, "Down", "Down", "Right", "Right")), "c");
  assert.equal(name(walk(-1, "Down", "Down", "Up", "Up")), "a");
});
