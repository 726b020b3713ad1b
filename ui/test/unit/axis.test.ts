/** Axes of the charts: ends, ticks, labels, and what the charts of a load are made of. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Axis, axisOf, nearest, place, spread, ticks } from "../../src/logic/axis.ts";
import { percentileName } from "../../src/logic/load-plots.ts";

test("a logarithmic axis ends at round numbers around its values", () => {
  const check = (values: (number | null)[], from: number, to: number) =>
    assert.deepEqual(axisOf(values, "log"), { scale: "log", from, to });
  check([0.15, 3.9], 0.1, 5);
  check([1, 1000], 1, 1000);
  check([null, 0, 7, 90], 5, 100);
});

test("values that hardly differ stand in the middle", () => {
  const axis = axisOf([211, 215], "log");
  assert.deepEqual(axis, { scale: "log", from: 100, to: 500 });
  assert.ok(Math.abs(place(axis, 213) - 0.5) < 0.1);
});

test("a linear axis begins at nothing, and an axis of nothing has ends", () => {
  assert.deepEqual(axisOf([211, 215], "linear"), { scale: "linear", from: 0, to: 300 });
  for (const scale of ["linear", "log"] as const) {
    const axis = axisOf([null, 0], scale);
    assert.ok(axis.to > axis.from);
    assert.equal(place(axis, 0), 0);
  }
});

test("a place is between the ends, equal ratios are equally far", () => {
  const axis: Axis = { scale: "log", from: 1, to: 1000 };
  for (const [value, share] of [
    [1, 0],
    [10, 1 / 3],
    [1000, 1],
    [0, 0],
    [1e9, 1],
  ])
    assert.ok(Math.abs(place(axis, value) - share) < 1e-12, `${value}`);
});

test("ticks are round, few, and inside", () => {
  const check = (axis: Axis, most: number, expected: number[]) => assert.deepEqual(ticks(axis, most), expected);
  check({ scale: "linear", from: 0, to: 80_000 }, 4, [0, 20_000, 40_000, 60_000, 80_000]);
  check({ scale: "log", from: 0.1, to: 5 }, 6, [0.1, 0.2, 0.5, 1, 2, 5]);
  check({ scale: "log", from: 0.02, to: 2000 }, 6, [0.1, 1, 10, 100, 1000]);
  check({ scale: "log", from: 0.2, to: 90 }, 3, [1, 10]);
  check(
    { scale: "log", from: 210.3, to: 216.9 },
    6,
    [211, 212, 213, 214, 215, 216].filter((ms) => ms % 2 === 0),
  );
});

test("labels are moved apart, stay in order and inside", () => {
  assert.deepEqual(spread([10, 50], 16, 0, 100), [10, 50]);
  assert.deepEqual(spread([50, 50, 52], 16, 0, 100), [50, 66, 82]);
  assert.deepEqual(spread([99, 98, 3], 16, 0, 100), [100, 84, 3]);
});

test("the cross-hair finds the nearest stop on the axis, not in value", () => {
  const axis: Axis = { scale: "log", from: 1, to: 100 };
  assert.equal(nearest(axis, [1, 10, 100], 0.3), 1);
  assert.equal(nearest(axis, [1, 10, 100], -1), 0);
  assert.equal(nearest(axis, [], 0.3), -1);
});

test("a percentile has the digits of its tail", () => {
  const check = (inverse: number, expected: string) => assert.equal(percentileName(inverse), expected);
  check(1, "p0");
  check(2, "p50");
  check(10, "p90");
  check(100, "p99");
  check(1000, "p99.9");
  check(1122.018454, "p99.911");
  check(100_000, "p99.999");
});
