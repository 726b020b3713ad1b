/** What each step does to a drawn tree, and that steps come undone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CpuSelection } from "../../src/logic/derive.ts";
import type { FlameTree } from "../../src/logic/flame-tree.ts";
import type { Profile } from "../../src/logic/profile.ts";
import { type Transform, TransformHistory, toggleTransform, withTransform } from "../../src/logic/transforms.ts";
import { INITIAL } from "../../src/logic/url-state.ts";
import { draw } from "./draw.ts";

/** Stacks with time of their own, "root;caller;callee 12", heaviest branch first. */
function stacks(profile: Profile, tree: FlameTree): string[] {
  const lines: string[] = [];
  const visit = (node: number, path: string[]) => {
    if (tree.self_us(node) > 0) lines.push(`${path.join(";")} ${tree.self_us(node) / 1000}`);
    for (const child of tree.children(node)) visit(child, [...path, profile.name[tree.fn(child)]]);
  };
  visit(0, []);
  return lines;
}

/** `steps` name functions; `subtree` and `leaf` a whole stack. */
function check(before: string, steps: [Transform["kind"], string][], ...after: string[]): void {
  const profile = draw(before);
  const cpu = new CpuSelection(profile);
  const fn = (name: string) => profile.name.indexOf(name);
  const stackOf = (path: string) =>
    path.split(";").reduce((parent, name) => {
      const at = profile.stackFunction.findIndex((f, i) => f === fn(name) && profile.stackParent[i] === parent);
      assert.ok(at >= 0, path);
      return at;
    }, -1);
  const transforms = steps.map(([kind, name]): Transform => {
    if (kind === "subtree") return { kind, stack: stackOf(name) };
    if (kind === "leaf") return { kind, path: name.split(";").reverse().map(fn) };
    return kind === "package" ? { kind, group: name } : { kind, fn: fn(name) };
  });
  assert.deepEqual(stacks(profile, cpu.topDown({ ...INITIAL, transforms })), after);
}

test("focus keeps only stacks with the function, wherever it was called", () =>
  check("a;f;x 1\nb;f;x 2\nb;c 4\nb;c;f;f 8", [["focus", "f"]], "f;f 8", "f;x 3"));

test("subtree keeps only what was called on one way", () =>
  check("a;f;x 1\nb;f;x 2\nb;f 4", [["subtree", "b;f"]], "f 4", "f;x 2"));

test("leaf keeps only samples that end so", () =>
  check("a;f;x 1\nb;f;x 2\nb;x 4\nb;f 8", [["leaf", "f;x"]], "b;f;x 2", "a;f;x 1"));

test("merge gives a function's time to its callers", () =>
  check("a;f 1\na;f;x 2\na;x 3\nf 4", [["merge", "f"]], " 4", "a 1", "a;x 5"));

test("drop leaves out samples with the function", () => check("a;f 1\na;f;x 2\na;x 3\nf 4", [["drop", "f"]], "a;x 3"));

test("recursion becomes one frame, with what lies between", () =>
  check("a;f;g;f;x 1\na;f;g 2\na;f;x 3", [["recursion", "f"]], "a;f;x 4", "a;f;g 2"));

test("direct recursion becomes one frame, indirect stays", () =>
  check("a;f;f;f;x 1\na;f;g;f 2", [["direct", "f"]], "a;f;g;f 2", "a;f;x 1"));

test("neighbouring frames of a package become one, and Node core likewise", () => {
  check("a;LIB;LIB;b;LIB 1\na;LIB 2", [["package", "lib"]], "a;[lib] 2", "a;[lib];b;[lib] 1");
  check("a;native:x;native:y 1", [["package", ":native"]], "a;[native] 1");
  check("a 1", [["package", "no such"]], "a 1");
});

test("steps work on what the steps before have left", () =>
  check(
    "a;LIB;f;x 1\nb;f;LIB;x 2\nb;y 4",
    [
      ["merge", "LIB"],
      ["focus", "f"],
      ["drop", "y"],
    ],
    "f;x 3",
  ));

test("a step that names what is not there leaves nothing, and the page does not break", () => {
  const cpu = new CpuSelection(draw("a 1"));
  for (const transform of [
    { kind: "focus", fn: 77 },
    { kind: "subtree", stack: 77 },
    { kind: "leaf", path: [77] },
  ] as const) {
    assert.equal(cpu.topDown({ ...INITIAL, transforms: [transform] }).total, 0);
  }
});

test("undo and redo go through the list, and a new step ends redo", () => {
  const a: Transform = { kind: "focus", fn: 1 };
  const b: Transform = { kind: "drop", fn: 2 };
  const history = new TransformHistory();
  history.changed([]);
  history.changed([a]);
  let now: readonly Transform[] = [a, b];
  now = history.undo(now) ?? now;
  assert.deepEqual(now, [a]);
  now = history.redo(now) ?? now;
  assert.deepEqual(now, [a, b]);
  now = history.undo(now) ?? now;
  history.changed(now);
  assert.equal(history.canRedo, false);
});

test("a link that opens with steps can be undone", () => {
  const history = new TransformHistory();
  assert.deepEqual(history.undo([{ kind: "focus", fn: 1 }]), []);
  assert.equal(history.undo([]), undefined);
});

test("the same step twice is one step, and its key takes it away again", () => {
  const step: Transform = { kind: "focus", fn: 1 };
  assert.deepEqual(withTransform([step], step), [step]);
  assert.deepEqual(toggleTransform([step], step), []);
});
