/** Profiles drawn as text: one stack a line, "root;caller;callee 12" with milliseconds; capitals are dependencies. */
import type { Category, ProfileData } from "../../src/contract.ts";
import { indexProfile, type Profile } from "../../src/logic/profile.ts";

const CATEGORIES: Category[] = ["app", "dependency", "node", "native", "kernel", "wasm", "gc", "program", "idle"];

/** `NAME` is a dependency of package "name", "(gc)" and "(idle)" what they say, "native:x" native, all else application. */
function categoryOf(name: string): Category {
  if (name === "(gc)") return "gc";
  if (name === "(idle)") return "idle";
  if (name.startsWith("native:")) return "native";
  return name === name.toUpperCase() ? "dependency" : "app";
}

/** Each line is one sample; they follow each other without gaps from 0. */
export function draw(text: string): Profile {
  const strings = [""];
  const data: ProfileData = {
    unit: "us",
    strings,
    tiers: [],
    categories: CATEGORIES,
    functions: { name: [], file: [], line: [], column: [], category: [], package: [], kind: [] },
    stacks: { parent: [], function: [], tier: [] },
    threads: [],
    lines: { function: [], line: [], self_us: [] },
    sources: [],
  };
  const functions = new Map<string, number>();
  const stacks = new Map<string, number>();
  const samples = { start_delta_us: [] as number[], duration_us: [] as number[], stack: [] as number[], count: [] };
  let before = 0;
  for (const line of text.trim().split("\n")) {
    const [, path, ms] = /^\s*(\S+) (\d+)$/.exec(line) ?? [];
    let parent = -1;
    let key = "";
    for (const name of path.split(";")) {
      let fn = functions.get(name);
      if (fn === undefined) {
        fn = functions.size;
        functions.set(name, fn);
        data.functions.name.push(strings.push(name) - 1);
        data.functions.file.push(strings.push(`src/${name}.js`) - 1);
        data.functions.line.push(fn + 1);
        data.functions.column.push(1);
        data.functions.category.push(CATEGORIES.indexOf(categoryOf(name)));
        data.functions.package.push(categoryOf(name) === "dependency" ? strings.push(name.toLowerCase()) - 1 : -1);
        data.functions.kind.push(-1);
      }
      key += `;${name}`;
      let stack = stacks.get(key);
      if (stack === undefined) {
        stack = data.stacks.parent.push(parent) - 1;
        data.stacks.function.push(fn);
        stacks.set(key, stack);
      }
      parent = stack;
    }
    samples.start_delta_us.push(before);
    samples.duration_us.push(Number(ms) * 1000);
    samples.stack.push(parent);
    before = Number(ms) * 1000;
  }
  data.threads.push({
    recorder: "cpu",
    pid: 1,
    thread: 0,
    name: "main",
    has_times: true,
    samples,
    effective_interval_us: 1000,
  });
  return indexProfile(data);
}
