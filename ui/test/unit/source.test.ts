/** Which lines of a function are shown, with what beside them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Profile } from "../../src/logic/profile.ts";
import { callSites, isGap, sourceRows } from "../../src/logic/source-view.ts";
import { draw } from "./draw.ts";

const FILE = "src/a.js";
const CODE = `
/** Renders. */
export function render(items) {
  const parts = [];
  for (const item of items) {
    parts.push(escape(item));
  }
  // one
  // two
  // three
  // four
  // five
  // six
  // seven
  // eight
  // nine
  // ten
  // eleven
  if (parts.length > 9) return escape(
    parts.join(""),
  );
  return parts;
}

function escape(text) {
  return text.replace(/</g, "");
}
`;

/** "main" calls "render", which calls "escape"; all in one file, with samples on lines 5 and 18 and 25. */
function profileOf(excerpts: [number, number][] = [[1, 27]]): Profile {
  const profile = draw("main;render 4\\nmain;render;escape 6\\nmain;render;native:replace 1".replaceAll("\\n", "\n"));
  const fn = (name: string) => profile.name.indexOf(name);
  for (const name of ["main", "render", "escape"]) profile.file[fn(name)] = FILE;
  profile.line.set([40, 2, 24], 0);
  const all = CODE.trimStart().split("\n");
  profile.sources.set(
    FILE,
    excerpts.map(([from, to]) => ({ file: 0, first_line: from, lines: all.slice(from - 1, to) })),
  );
  profile.lines = {
    function: Int32Array.from([fn("render"), fn("render"), fn("escape")]),
    line: Int32Array.from([5, 18, 25]),
    self_us: Float64Array.from([3000, 1000, 6000]),
  };
  return profile;
}

/** "line time text → calls", "- n" for a fold, "~ n" for missing lines, "(…)" around lines of others. */
function shown(profile: Profile, name: string): string[] {
  const fn = profile.name.indexOf(name);
  const callees = ["escape", "native:replace"].map((callee, i) => ({
    fn: profile.name.indexOf(callee),
    total_us: [6000, 1000][i],
  }));
  return (sourceRows(profile, fn, callees) ?? []).map((row) => {
    if (isGap(row)) return `${row.lines.length > 0 ? "-" : "~"} ${row.to - row.from + 1}`;
    const calls = row.calls
      .map((call) => ` → ${profile.name[call.fn]} ${call.total_us / 1000}/${call.nLines}`)
      .join("");
    const text = `${row.line}${row.self_us > 0 ? ` ${row.self_us / 1000}ms` : ""} ${row.text.trim().slice(0, 12)}${calls}`;
    return row.inside ? text : `(${text})`;
  });
}

test("shows the function to its last line, cold stretches folded, calls found by name", () =>
  assert.deepEqual(shown(profileOf(), "render"), [
    "(1 /** Renders.)",
    "2 export funct",
    "3 const parts ",
    "4 for (const i",
    "5 3ms parts.push(e → escape 6/2",
    "6 }",
    "7 // one",
    "8 // two",
    "9 // three",
    "10 // four",
    "11 // five",
    "12 // six",
    "13 // seven",
    "14 // eight",
    "15 // nine",
    "16 // ten",
    "17 // eleven",
    "18 1ms if (parts.le → escape 6/2",
    '19 parts.join("',
    "20 );",
    "21 return parts",
    "22 }",
    "(23 )",
  ]));

test("a definition is no call, and what native code is called is found too", () => {
  const profile = profileOf();
  const replace = profile.name.indexOf("native:replace");
  profile.name[replace] = "replace";
  const rows = sourceRows(profile, profile.name.indexOf("escape"), [{ fn: replace, total_us: 5 }]) ?? [];
  const calls = rows.flatMap((row) => (isGap(row) ? [] : row.calls.map(() => row.line)));
  assert.deepEqual(calls, [25]);
});

test("long cold stretches fold, and lines that the report lacks are told apart from them", () => {
  const profile = profileOf([
    [1, 15],
    [19, 23],
  ]);
  profile.lines.line.set([5, 21]);
  assert.deepEqual(shown(profile, "render").slice(8), [
    "9 // three",
    "- 6",
    "~ 3",
    '19 parts.join("',
    "20 );",
    "21 1ms return parts",
    "22 }",
    "(23 )",
  ]);
});

test("beyond a gap only own samples say that a function goes on", () => {
  const profile = profileOf([
    [1, 6],
    [24, 26],
  ]);
  profile.lines.line.set([5, 5]);
  assert.deepEqual(shown(profile, "render").at(-1), "6 }");
});

test("a caller's call sites are its lines with the name", () => {
  const profile = profileOf();
  const [render, callee] = ["render", "escape"].map((name) => profile.name.indexOf(name));
  assert.deepEqual(
    callSites(profile, render, callee).map((site) => site.line),
    [5, 18],
  );
  assert.deepEqual(callSites(profile, -1, callee), []);
  assert.deepEqual(callSites(profile, profile.name.indexOf("main"), render), []);
});

test("names that cannot be called by name are not looked for, and none is taken for a pattern", () => {
  const profile = profileOf();
  const callee = profile.name.indexOf("escape");
  for (const name of ["(anonymous)", "RegExp: (.*", "a+b", ""]) {
    profile.name[callee] = name;
    assert.deepEqual(callSites(profile, profile.name.indexOf("render"), callee), []);
  }
  profile.name[callee] = "Text.escape";
  assert.equal(callSites(profile, profile.name.indexOf("render"), callee).length, 2);
});

test("a function without recorded code has no source", () => {
  const profile = profileOf([]);
  assert.equal(sourceRows(profile, profile.name.indexOf("render"), []), null);
});

test("a line is hot by its share of all line samples, not for being the hottest of a cold function", () => {
  const profile = profileOf();
  profile.lines.self_us.set([1, 1, 1_000_000]);
  const rows = sourceRows(profile, profile.name.indexOf("render"), []) ?? [];
  for (const row of rows) if (!isGap(row)) assert.ok(row.relative < 0.001);
});
