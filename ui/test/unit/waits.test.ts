/** What requests waited for: parts, filters, groups, links, and circles that do not overlap. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AsyncSite, RequestComposition } from "../../src/contract.ts";
import { packBubbles } from "../../src/logic/bubbles.ts";
import {
  byDifference,
  FAMILIES,
  filterSites,
  groupLinks,
  groupSites,
  PARTIES,
  pathParts,
  stackInFlight,
  wayTo,
} from "../../src/logic/waits.ts";

const site = (kind: AsyncSite["kind"], name: string, held_up_ms: number, more: Partial<AsyncSite> = {}): AsyncSite => ({
  kind,
  name,
  remote: null,
  call: "",
  function: name,
  file: `${name}.js`,
  line: 1,
  column: 1,
  party: "app",
  package: null,
  n_requests: 1,
  n: 1,
  max_in_series: 1,
  held_up_ms,
  waited_ms: held_up_ms,
  longest_ms: held_up_ms,
  ran_ms: 0,
  blocked_ms: 0,
  n_wakers: 0,
  begun_by: [],
  ...more,
});

const PATH: RequestComposition = {
  route: "all",
  n: 100,
  mean_ms: 16,
  typical: { n: 21, mean_ms: 15 },
  slow: { n: 5, mean_ms: 60 },
  rows: [
    { kind: "running", name: "", site: null, mean_ms: 5, typical_ms: 5, slow_ms: 6 },
    { kind: "http", name: "fetch", site: 0, mean_ms: 8, typical_ms: 9, slow_ms: 9 },
    { kind: "lock", name: "acquire", site: 1, mean_ms: 3, typical_ms: 1, slow_ms: 45 },
  ],
  difference: null,
};

test("the parts of a bar lie end to end and add up to its duration, waits first", () => {
  for (const group of ["typical", "slow"] as const) {
    const parts = pathParts(PATH, group);
    let at = 0;
    for (const part of parts) {
      assert.equal(part.start, at);
      at += part.length;
    }
    assert.equal(at, PATH[group].mean_ms);
    assert.deepEqual(
      parts.map(({ row }) => row.site),
      [1, 0, null],
    );
  }
});

test("what slow requests have more of comes first", () => {
  assert.deepEqual(
    byDifference(PATH).map(({ row, more_ms }) => [row.kind, row.site, more_ms]),
    [
      ["lock", 1, 44],
      ["running", null, 1],
      ["http", 0, 0],
    ],
  );
});

const SITES = [
  site("redis", "load", 9, { remote: "a:1", begun_by: [[2, 7]] }),
  site("redis", "save", 5, { remote: "b:2", begun_by: [[0, 3]] }),
  site("fs", "read", 4, { party: "dependency" }),
  site("redis", "keep", 1, {
    remote: "a:1",
    begun_by: [
      [0, 2],
      [2, 1],
    ],
  }),
];

test("places are filtered by kind, party and every word of a text", () => {
  const check = (change: object, expected: number[]) => {
    const filter = { families: new Set(FAMILIES), parties: new Set(PARTIES), text: "", ...change };
    assert.deepEqual(filterSites(SITES, filter), expected);
  };
  check({}, [0, 1, 2, 3]);
  check({ families: new Set(["pool"]) }, [2]);
  check({ parties: new Set(["dependency"]) }, [2]);
  check({ text: "REDIS a:1" }, [0, 3]);
  check({ text: "nothing" }, []);
});

test("places that wait for the same are one group, and links within it are none", () => {
  const groups = groupSites(SITES, [0, 1, 2, 3]);
  assert.deepEqual(
    groups.map(({ key, sites, held_up_ms }) => [key, sites, held_up_ms]),
    [
      ["redis a:1", [0, 3], 10],
      ["redis b:2", [1], 5],
      ["fs", [2], 4],
    ],
  );
  assert.deepEqual(
    groupLinks(SITES, groups).sort((a, b) => a[0] - b[0]),
    [
      [0, 1, 3],
      [2, 0, 8],
    ],
  );
});

test("the way to a place ends where a circle would begin", () => {
  assert.deepEqual(wayTo(SITES, 1), [2, 0]);
  const round = [site("fs", "a", 1, { begun_by: [[1, 1]] }), site("fs", "b", 1, { begun_by: [[0, 1]] })];
  assert.deepEqual(wayTo(round, 0), [1]);
});

test("layers stand on each other, the largest at the bottom", () => {
  const { top, layers } = stackInFlight({
    start_s: 0,
    step_s: 1,
    series: [
      { kind: "fs", mean: [1, 0] },
      { kind: "http", mean: [2, 4] },
    ],
  });
  assert.equal(top, 4);
  assert.deepEqual(
    layers.map(({ kind, lower, upper }) => [kind, lower, upper]),
    [
      ["http", [0, 0], [2, 4]],
      ["fs", [2, 4], [3, 4]],
    ],
  );
});

test("circles do not overlap, stay in the box, and have areas in the ratio of their weights", () => {
  const weights = Array.from({ length: 60 }, (_, i) => 1000 / (i + 1));
  const placed = packBubbles(weights, 900, 360);
  assert.ok(placed.length > 50, `${placed.length} of 60 found a place`);
  for (const [i, a] of placed.entries()) {
    assert.ok(a.x >= a.r && a.x <= 900 - a.r && a.y >= a.r && a.y <= 360 - a.r, "in the box");
    for (const b of placed.slice(i + 1)) assert.ok(Math.hypot(a.x - b.x, a.y - b.y) >= a.r + b.r, "apart");
  }
  const [first, second] = placed;
  assert.ok(Math.abs((first.r / second.r) ** 2 - 2) < 1e-6);
  assert.deepEqual(packBubbles([0, 0], 900, 360), []);
});

test("a place where nothing waited is not listed", () => {
  const all = { families: new Set(FAMILIES), parties: new Set(PARTIES), text: "" };
  const sites = [site("client", "nobody", 0, { n: 0 }), site("fs", "held", 0, { n: 0, blocked_ms: 30 }), SITES[2]];
  assert.deepEqual(filterSites(sites, all), [1, 2]);
});
