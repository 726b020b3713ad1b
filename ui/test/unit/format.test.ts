/** Numbers in words, places, and the rows that must add up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  axisTime,
  bytes,
  change,
  count,
  factor,
  finePercent,
  milliseconds,
  moment,
  percent,
  quantity,
  shellCommand,
} from "../../src/logic/format.ts";
import { keepEnd, place, shortFile } from "../../src/logic/place.ts";
import { splitLabel, splitParts } from "../../src/logic/split.ts";

const check = <T>(format: (value: T) => string, cases: [T, string][]) => {
  for (const [value, expected] of cases) assert.equal(format(value).replaceAll("\u00a0", " "), expected);
};

test("durations take the unit that fits", () =>
  check(milliseconds, [
    [0, "0 ms"],
    [0.0421, "42.1 µs"],
    [0.42, "0.42 ms"],
    [8.7, "8.7 ms"],
    [431.2, "431 ms"],
    [999.6, "1.00 s"],
    [1071, "1.07 s"],
    [21_000, "21 s"],
    [123_000, "2 min 3 s"],
    [3_725_000, "1 h 2 min"],
    [Number.NaN, "–"],
  ]));

test("shares never claim to be nothing when they are something", () =>
  check(percent, [
    [0, "0 %"],
    [0.0002, "<0.1 %"],
    [0.021, "2.1 %"],
    [0.0996, "10 %"],
    [0.54, "54 %"],
    [null as unknown as number, "–"],
  ]));

test("shares of a load have the digits of its sentence", () =>
  check(finePercent, [
    [0, "0 %"],
    [0.00001, "<0.01 %"],
    [0.001, "0.10 %"],
    [0.023_57, "2.36 %"],
    [0.5, "50.0 %"],
    [0.999_999, ">99.9 %"],
    [1, "100 %"],
    [null as unknown as number, "–"],
  ]));

test("changes carry their sign", () =>
  check(change, [
    [0.98, "−2 %"],
    [1, "±0 %"],
    [1.16, "+16 %"],
    [2.5, "+150 %"],
  ]));
test("bytes are decimal", () =>
  check(bytes, [
    [0, "0 B"],
    [999, "999 B"],
    [33_600_000, "33.6 MB"],
    [8.2e9, "8.2 GB"],
  ]));
test("counts group thousands", () =>
  check(count, [
    [0, "0"],
    [3390, "3,390"],
    [1_234_567, "1,234,567"],
  ]));
test("factors show how much", () =>
  check(factor, [
    [2.113, "2.1×"],
    [1.06, "1.06×"],
    [12.4, "12×"],
  ]));
test("units of evidence", () => {
  assert.equal(quantity(0.54, "share"), "54\u00a0%");
  assert.equal(quantity(214, "times"), "214\u00a0times");
  assert.equal(quantity(null, "ms"), "–");
});
test("time of day stays UTC", () => assert.equal(moment("2026-11-23T14:02:11.5Z"), "2026-11-23 14:02 UTC"));
test("axis of a long run counts minutes", () => assert.equal(axisTime(754, 900), "12:34"));
test("commands can be pasted", () =>
  assert.equal(shellCommand(["node", "a b.js", "it's", "--x=1"]), "node 'a b.js' 'it'\\''s' --x=1"));

test("files are shown from the project or from the package on", () => {
  assert.equal(shortFile("/srv/app/src/a.js", "/srv/app"), "src/a.js");
  assert.equal(shortFile("file:///srv/app/src/a.js", "/srv/app/"), "src/a.js");
  assert.equal(shortFile("/x/node_modules/a/node_modules/@s/b/i.js", "/x"), "@s/b/i.js");
  assert.equal(shortFile("/srv/application/a.js", "/srv/app"), "/srv/application/a.js");
  assert.equal(place("", 3, "/"), "");
  assert.equal(keepEnd("/very/long/path/prompt/rules.js:88", 22), "…/prompt/rules.js:88");
});

test("the split adds up to 100 whatever the remainders", () => {
  for (const split of [
    { js: 1 / 3, gc: 1 / 3, idle: 1 / 3 },
    { js: 0.996, compile: 0.004 },
    { js: 0.125, gc: 0.125, idle: 0.75 },
  ]) {
    assert.equal(
      splitParts(split).reduce((sum, part) => sum + part.percent, 0),
      100,
    );
  }
  assert.deepEqual(splitParts({ js: 0.996, compile: 0.004 }).map(splitLabel), ["100\u00a0%", "<1\u00a0%"]);
  assert.deepEqual(splitParts({}), []);
});
