/** Builds `ProfileData` (see `src/contract.ts`) from functions and stacks that a person can read. */

const CATEGORIES = ["app", "dependency", "node", "native", "kernel", "wasm", "gc", "program", "idle"];
const TIERS = ["interpreter", "Sparkplug", "Maglev", "TurboFan"];
/** More than any sample has: keys of the stack table are made of parent, function and tier. */
const MAX_FUNCTIONS = 1_000_000;

export class ProfileBuilder {
  strings = [""];
  categories = CATEGORIES;
  functions = { name: [], file: [], line: [], column: [], category: [], package: [], kind: [] };
  stacks = { parent: [], function: [], tier: [] };
  lines = { function: [], line: [], self_us: [] };
  sources = [];
  threads = [];
  #string = new Map([["", 0]]);
  #function = new Map();
  #stack = new Map();

  text(value) {
    if (value === null || value === undefined) return -1;
    let at = this.#string.get(value);
    if (at === undefined) {
      at = this.strings.push(value) - 1;
      this.#string.set(value, at);
    }
    return at;
  }

  /** `where` is "file:line:column" or "" for native code. Returns the index. */
  function(name, where, category, { pkg = null, kind = null } = {}) {
    const key = `${name}\n${where}`;
    const known = this.#function.get(key);
    if (known !== undefined) return known;
    const [, file, line, column] = /^(.*?)(?::(\d+)(?::(\d+))?)?$/.exec(where);
    const { functions } = this;
    functions.name.push(this.text(name));
    functions.file.push(this.text(file));
    functions.line.push(Number(line ?? 0));
    functions.column.push(Number(column ?? 0));
    functions.category.push(CATEGORIES.indexOf(category));
    functions.package.push(this.text(pkg));
    functions.kind.push(this.text(kind));
    const index = functions.name.length - 1;
    this.#function.set(key, index);
    return index;
  }

  /** One frame under a parent stack; -1 = none. `tier` is a number of `TIERS`. */
  push(parent, fn, tier = -1) {
    const key = ((parent + 1) * MAX_FUNCTIONS + fn) * (TIERS.length + 1) + tier + 1;
    const known = this.#stack.get(key);
    if (known !== undefined) return known;
    this.stacks.parent.push(parent);
    this.stacks.function.push(fn);
    this.stacks.tier.push(tier);
    const index = this.stacks.parent.length - 1;
    this.#stack.set(key, index);
    return index;
  }

  stack(functions) {
    return functions.reduce((parent, fn) => this.push(parent, fn), -1);
  }

  /** `samples` are `[start_us, duration_us, stack]` in time order. */
  thread(pid, thread, name, samples) {
    let before = 0;
    const columns = { start_delta_us: [], duration_us: [], stack: [], count: [] };
    for (const [start, duration, stack] of samples) {
      columns.start_delta_us.push(start - before);
      columns.duration_us.push(duration);
      columns.stack.push(stack);
      before = start;
    }
    const total = columns.duration_us.reduce((a, b) => a + b, 0);
    const effective_interval_us = samples.length > 0 ? Math.round(total / samples.length) : 0;
    this.threads.push({ recorder: "cpu", pid, thread, name, has_times: true, samples: columns, effective_interval_us });
  }

  heat(fn, line, self_us) {
    this.lines.function.push(fn);
    this.lines.line.push(line);
    this.lines.self_us.push(self_us);
  }

  data() {
    const { strings, categories, functions, threads, lines, sources } = this;
    const isKnown = this.stacks.tier.some((tier) => tier >= 0);
    const stacks = { ...this.stacks, tier: isKnown ? this.stacks.tier : [] };
    return { unit: "us", strings, categories, tiers: TIERS, functions, stacks, threads, lines, sources };
  }
}

/** Self and total by function, as Rust writes them into `ReportData.functions`. */
export function functionRows(profile) {
  const n = profile.functions.name.length;
  const self = new Float64Array(n);
  const samples = new Uint32Array(n);
  for (const thread of profile.threads) {
    thread.samples.stack.forEach((stack, i) => {
      self[profile.stacks.function[stack]] += thread.samples.duration_us[i] / 1e6;
      samples[profile.stacks.function[stack]] += 1;
    });
  }
  return [...self.keys()]
    .filter((fn) => self[fn] > 0)
    .sort((a, b) => self[b] - self[a])
    .map((fn) => ({
      function_index: fn,
      name: profile.strings[profile.functions.name[fn]],
      file: profile.strings[profile.functions.file[fn]],
      line: profile.functions.line[fn] || null,
      category: profile.categories[profile.functions.category[fn]],
      package: profile.functions.package[fn] < 0 ? null : profile.strings[profile.functions.package[fn]],
      self_s: self[fn],
      total_s: self[fn],
      charged_s: self[fn],
      n_samples: samples[fn],
    }));
}
