/** Trees, tables and shares of drawn profiles. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CpuSelection, type TreeName } from "../../src/logic/derive.ts";
import type { FlameTree } from "../../src/logic/flame-tree.ts";
import { detailFunction } from "../../src/logic/function-details.ts";
import { heatRank, walkHottest } from "../../src/logic/function-totals.ts";
import { INITIAL, type ViewState } from "../../src/logic/url-state.ts";
import { draw } from "./draw.ts";

/** Heaviest first: "name total/self" indented by depth, in milliseconds. */
function written(cpu: CpuSelection, tree: FlameTree): string {
  const lines: string[] = [];
  const visit = (node: number, depth: number) => {
    for (const child of tree.children(node)) {
      const ms = (us: number) => Math.round(us / 1000);
      const name = cpu.profile.name[tree.fn(child)];
      lines.push(`${" ".repeat(depth)}${name} ${ms(tree.total_us(child))}/${ms(tree.self_us(child))}`);
      visit(child, depth + 1);
    }
  };
  visit(0, 0);
  return lines.join("\n");
}

function check(profile: string, state: Partial<ViewState>, expected: string, tree: TreeName = "topDown"): void {
  const cpu = new CpuSelection(draw(profile));
  const whole = { ...INITIAL, ...state };
  const drawn = expected.trim().replaceAll(/^ {4}/gm, "");
  assert.equal(written(cpu, cpu.tree(whole, tree)), drawn);
}

const SERVER = `
  main;handle;PARSE 10
  main;handle;render;PARSE 30
  main;handle;render 20
  (idle) 40
  main;handle;PARSE 5
`;

test("merges stacks top-down, heaviest first, idle left out", () =>
  check(
    SERVER,
    {},
    `
    main 65/0
     handle 65/0
      render 50/20
       PARSE 30/30
      PARSE 15/15`,
  ));

test("inverts: leaves first, then who called them", () =>
  check(
    SERVER,
    {},
    `
    PARSE 45/45
     render 30/0
      handle 30/0
       main 30/0
     handle 15/0
      main 15/0
    render 20/20
     handle 20/0
      main 20/0`,
    "inverted",
  ));

test("orders siblings by name, so that a frame keeps its place", () =>
  check(
    "b 3\na 1\nc;z 1\nc;y 9",
    { order: "name" },
    `
    a 1/1
    b 3/3
    c 10/0
     y 9/9
     z 1/1`,
  ));

test("the sandwich has callers of a function on one side and what it calls on the other, recursion counted once", () => {
  const profile = "main;a;f;x 3\nmain;b;f;f;x 2\nmain;b 5\nf 1";
  const f = draw(profile).name.indexOf("f");
  check(
    profile,
    { sandwich: f },
    `
    a 3/0
     main 3/0
    b 2/0
     main 2/0`,
    "callers",
  );
  check(
    profile,
    { sandwich: f },
    `
    f 6/1
     x 3/3
     f 2/0
      x 2/2`,
    "callees",
  );
});

test("melts a hidden package into its callers, time included", () =>
  check(
    SERVER,
    { hiddenPackages: ["parse"] },
    `
    main 65/0
     handle 65/15
      render 50/50`,
  ));

test("weighs only samples that start inside the interval", () =>
  check(
    SERVER,
    { range: [0.01, 0.05] },
    `
    main 50/0
     handle 50/0
      render 50/20
       PARSE 30/30`,
  ));

test("shows idle time when asked to", () =>
  check(
    "a 1\n(idle) 2",
    { hiddenCategories: [] },
    `
    (idle) 2/2
    a 1/1`,
  ));

test("counts recursion once in totals, and charges what the application calls to it", () => {
  const cpu = new CpuSelection(draw("f;f;f 4\nf;g;f;LIB 6\nf;(gc) 2"));
  const totals = cpu.totals(INITIAL);
  const f = cpu.profile.name.indexOf("f");
  assert.equal(totals.total_us[f], 12_000);
  assert.equal(totals.self_us[f], 4000);
  assert.equal(totals.charged_us[f], 12_000);
  assert.equal(totals.nSamples[f], 3);
});

test("search counts a sample once however many matches are on its stack", () => {
  const cpu = new CpuSelection(draw("ab;ac;ab 10\nx 10"));
  const share = cpu.matchShare({ ...INITIAL, search: "A" });
  assert.deepEqual(share && { n: share.nFunctions, share: share.share }, { n: 2, share: 0.5 });
});

test("walks the hottest functions round the end", () => {
  const cpu = new CpuSelection(draw("a 1\nb 3\nc;a 1\nc;d 9"));
  const totals = cpu.totals(INITIAL);
  const names: string[] = [];
  for (let fn = -1, i = 0; i < 4; i++) {
    fn = walkHottest(totals, fn, 1);
    names.push(`${heatRank(totals, fn)} ${cpu.profile.name[fn]}`);
  }
  assert.deepEqual(names, ["1 d", "2 b", "3 a", "1 d"]);
});

test("own time and callees of a recursive function add up to its total", () => {
  const cpu = new CpuSelection(draw("m;f;g 3\nn;f;f;g 4\nm;f 2"));
  const { shape, weights } = cpu.topDown(INITIAL);
  const f = cpu.profile.name.indexOf("f");
  const details = detailFunction(shape, weights, f);
  const name = (fn: number) => cpu.profile.name[fn];
  assert.deepEqual(
    details.callers.map((c) => [name(c.fn), c.total_us]),
    [
      ["m", 5000],
      ["n", 4000],
    ],
  );
  assert.deepEqual(
    details.callees.map((c) => [name(c.fn), c.total_us]),
    [
      ["f", 4000],
      ["g", 3000],
    ],
  );
});

test("a zoomed frame keeps its name while categories are hidden and shown", () => {
  const cpu = new CpuSelection(draw(SERVER));
  const tree = cpu.tree(INITIAL, "topDown");
  const handle = tree.children(tree.children(0)[0])[0];
  const zoomed = { ...INITIAL, ...cpu.zoomTo(INITIAL, "topDown", handle) };
  for (const hiddenPackages of [[], ["parse"]]) {
    const state = { ...zoomed, hiddenPackages };
    assert.equal(cpu.profile.name[cpu.tree(state, "topDown").fn(cpu.zoomNode(state, "topDown"))], "handle");
  }
});

test("a stack that precedes its parent is refused with a sentence", async () => {
  const { indexProfile, BadProfile } = await import("../../src/logic/profile.ts");
  const none = { name: [0], file: [0], line: [0], column: [0], category: [0], package: [-1], kind: [-1] };
  const broken = {
    unit: "us" as const,
    strings: ["a"],
    categories: [],
    tiers: [],
    functions: none,
    stacks: { parent: [0], function: [0], tier: [] },
    threads: [],
    lines: { function: [], line: [], self_us: [] },
    sources: [],
  };
  assert.throws(() => indexProfile(broken), BadProfile);
});
