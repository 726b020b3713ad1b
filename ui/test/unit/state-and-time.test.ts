/** The hash, the timeline's geometry, the tables of the report. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProcessInfo, TimelineSeries } from "../../src/contract.ts";
import { processTree, stallsIn } from "../../src/logic/report-tables.ts";
import { axisTicks, brushed, linePath, niceTop, valueAt } from "../../src/logic/timeline.ts";
import { INITIAL, readHash, writeHash } from "../../src/logic/url-state.ts";

test("an untouched page has an empty hash", () => assert.equal(writeHash(INITIAL), ""));

test("every part of the state survives the hash", () => {
  const state = {
    range: [12.5, 20.000_125] as const,
    recorder: "native" as const,
    threads: ["4242.3", "4242.0"],
    view: "sandwich" as const,
    order: "name" as const,
    tiers: "split" as const,
    zoomStack: 17,
    zoomPath: [1, 2, 3],
    zoomCallers: [4, 5],
    zoomCallees: [6],
    transforms: [
      { kind: "focus" as const, fn: 4 },
      { kind: "subtree" as const, stack: 9 },
      { kind: "leaf" as const, path: [1, 2] },
      { kind: "package" as const, group: "@scope/a,b-c" },
      { kind: "package" as const, group: ":node" },
      { kind: "direct" as const, fn: 0 },
    ],
    sandwich: 4,
    selected: 5,
    details: "closed" as const,
    search: "a&b=c#%",
    hiddenCategories: ["node", "native"],
    hiddenPackages: ["@scope/a,b"],
    colourBy: "package" as const,
    open: [0, 2],
    theme: "dark" as const,
    latencyScale: "linear" as const,
    waitSite: 7,
    lang: "zh" as const,
  };
  assert.deepEqual(readHash(`#${writeHash(state)}`), state);
  assert.deepEqual(readHash(writeHash({ ...INITIAL, hiddenCategories: [] })).hiddenCategories, []);
});

test("a broken or foreign hash is ignored", () => {
  for (const hash of [
    "#cpu",
    "#t=9-3",
    "#zoom=-1",
    "#zoom=x",
    "#q=%E0%A4%A",
    "#theme=pink",
    "#new=1",
    "#__proto__=1",
    "#t=1",
    "#view=pie",
    "#do=focus-x,leaf-,package-,pie-3,subtree",
  ]) {
    assert.deepEqual(readHash(hash), INITIAL, hash);
  }
});

const series = (v: (number | null)[]): TimelineSeries => ({
  id: "cpu",
  label: "",
  unit: "cores",
  t_s: v.map((_, i) => i),
  v,
});

test("a line keeps gaps as gaps and lone points visible", () => {
  assert.equal(linePath(series([0, 1, null, 1]), 4, 4, 10, 1), "M0.0 10.0L1.0 0.0M3.0 0.0h1");
});

test("thinning keeps the spike", () => {
  const v = Array.from({ length: 1000 }, (_, i) => (i === 501 ? 9 : 1));
  assert.match(linePath(series(v), 1000, 10, 90, 9), /L5\.0 0\.0/);
});

test("values under the cross-hair are the nearest, and none far from any", () => {
  assert.equal(valueAt(series([1, 2, 3]), 1.4), 2);
  assert.equal(valueAt(series([1, null, 3]), 1.1), null);
  assert.equal(valueAt(series([1, 2, 3]), 50), null);
  assert.equal(valueAt(series([]), 0), null);
});

test("scales end at round numbers", () => {
  assert.deepEqual([0, 0.7, 1, 113, 158, 820].map(niceTop), [1, 0.8, 1, 150, 200, 1000]);
  assert.deepEqual(axisTicks(60, 960, 72), [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60]);
  assert.deepEqual(axisTicks(0, 960, 72), [0]);
});

test("a drag to the left selects too, a click does not", () => {
  assert.deepEqual(brushed(8, 3, 10, 0.1), [3, 8]);
  assert.deepEqual(brushed(8, 12, 10, 0.1), [8, 10]);
  assert.equal(brushed(8, 8.05, 10, 0.1), null);
});

test("stalls that reach into the interval count, longest first", () => {
  const stall = (start_s: number, duration_ms: number) => ({
    start_s,
    duration_ms,
    pid: 1,
    thread: 0,
    culprit: null,
    function_index: null,
  });
  const found = stallsIn([stall(0.9, 200), stall(2, 300), stall(5, 900)], [1, 3]);
  assert.deepEqual(
    found.map((s) => s.start_s),
    [2, 0.9],
  );
});

test("processes stand under their parents, and a circle of pids ends", () => {
  const process = (pid: number, ppid: number): ProcessInfo => ({
    pid,
    ppid,
    role: "",
    command: "",
    node: null,
    threads: [],
    exit: null,
    rss_peak_bytes: null,
    fds_peak: null,
  });
  const rows = processTree([process(3, 2), process(2, 1), process(4, 2), process(7, 8), process(8, 7)]);
  assert.deepEqual(
    rows.map((r) => [r.process.pid, r.level]),
    [
      [2, 0],
      [3, 1],
      [4, 1],
      [7, 0],
      [8, 1],
    ],
  );
});
