/**
 * The profile as typed arrays, checked once here and trusted afterwards: decode from the page's text, index, validate.
 *
 * A broken profile is an error with a sentence; the page shows it and keeps everything else.
 */
import type { ProfileData, SourceExcerpt, WeightUnit } from "../contract.ts";
import { addGroups, type FunctionTable, type Groups } from "./groups.ts";

/** V8's profiler, or the native recorder. */
export type Recorder = "cpu" | "native";

export interface ThreadSamples {
  recorder: Recorder;
  pid: number;
  thread: number;
  name: string;
  hasTimes: boolean;
  /** Ascending, since the recording's start. */
  start_us: Float64Array;
  duration_us: Float64Array;
  stack: Int32Array;
  /** How many samples a row stands for; `null` when every row is one. */
  count: Float64Array | null;
  nSamples: number;
  effective_interval_us: number;
}

export interface Profile extends FunctionTable, Groups {
  /** What every `…_us` of it counts. */
  unit: WeightUnit;
  /** With the stand-ins of `groups.ts` at their end. */
  nFunctions: number;
  line: Int32Array;
  column: Int32Array;
  stackParent: Int32Array;
  stackFunction: Int32Array;
  /** -> tiers, -1 = not known. */
  stackTier: Int8Array;
  tiers: string[];
  threads: ThreadSamples[];
  lines: { function: Int32Array; line: Int32Array; self_us: Float64Array };
  /** By file. */
  sources: Map<string, SourceExcerpt[]>;
  /** By function. */
  deopts: Map<number, Deopt[]>;
}

/** Why V8 threw optimised code of a line away, and how often. */
export interface Deopt {
  line: number;
  reason: string;
  count: number;
}

/** What the page puts in place of a profile that it cannot read. */
export class BadProfile extends Error {}

/** Reads base64 of gzip of JSON. */
export async function decodeProfile(base64: string): Promise<ProfileData> {
  const binary = atob(base64.trim());
  const packed = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) packed[i] = binary.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text()) as ProfileData;
}

/** Checks lengths and references, and lays the tables out for counting. Cost: linear in all tables. */
export function indexProfile(data: ProfileData): Profile {
  const { functions, strings, stacks } = data;
  const nFunctions = functions.name.length;
  for (const [column, values] of Object.entries(functions)) {
    if (values.length !== nFunctions) throw new BadProfile(`functions.${column} has ${values.length} of ${nFunctions}`);
  }
  if (stacks.parent.length !== stacks.function.length) throw new BadProfile("columns of stacks differ in length");
  const text = (index: number): string | null => (index < 0 ? null : (strings[index] ?? ""));
  const stackParent = Int32Array.from(stacks.parent);
  const stackFunction = Int32Array.from(stacks.function);
  const stackTier = stacks.tier.length > 0 ? Int8Array.from(stacks.tier) : new Int8Array(stackParent.length).fill(-1);
  if (stackTier.length !== stackParent.length) throw new BadProfile("columns of stacks differ in length");
  for (let i = 0; i < stackParent.length; i++) {
    if (stackParent[i] >= i) throw new BadProfile(`stack ${i} comes before its parent ${stackParent[i]}`);
    if (!(stackFunction[i] >= 0 && stackFunction[i] < nFunctions)) {
      throw new BadProfile(`stack ${i} has no function ${stackFunction[i]}`);
    }
  }
  const table: FunctionTable = {
    name: functions.name.map((i) => text(i) ?? ""),
    file: functions.file.map((i) => text(i) ?? ""),
    category: functions.category.map((i) => data.categories[i] ?? "native"),
    package: functions.package.map(text),
    kind: functions.kind.map(text),
  };
  const groups = addGroups(table);
  const withGroups = (column: number[]) => {
    const values = new Int32Array(table.name.length);
    values.set(column);
    return values;
  };
  return {
    ...table,
    ...groups,
    unit: data.unit,
    nFunctions: table.name.length,
    line: withGroups(functions.line),
    column: withGroups(functions.column),
    stackParent,
    stackFunction,
    stackTier,
    tiers: data.tiers,
    threads: data.threads.map((thread) => indexThread(thread, stackParent.length)),
    lines: {
      function: Int32Array.from(data.lines.function),
      line: Int32Array.from(data.lines.line),
      self_us: Float64Array.from(data.lines.self_us),
    },
    sources: indexSources(data),
    deopts: indexDeopts(data),
  };
}

function indexSources({ sources, strings }: ProfileData): Map<string, SourceExcerpt[]> {
  const byFile = new Map<string, SourceExcerpt[]>();
  for (const excerpt of sources) {
    const file = strings[excerpt.file] ?? "";
    byFile.set(file, [...(byFile.get(file) ?? []), excerpt]);
  }
  return byFile;
}

function indexDeopts({ deopts, strings }: ProfileData): Map<number, Deopt[]> {
  const byFunction = new Map<number, Deopt[]>();
  if (!deopts) return byFunction;
  for (let i = 0; i < deopts.function.length; i++) {
    const deopt = { line: deopts.line[i], reason: strings[deopts.reason[i]] ?? "", count: deopts.count[i] };
    byFunction.set(deopts.function[i], [...(byFunction.get(deopts.function[i]) ?? []), deopt]);
  }
  return byFunction;
}

function indexThread(thread: ProfileData["threads"][number], nStacks: number): ThreadSamples {
  const { samples } = thread;
  const n = samples.stack.length;
  if (samples.start_delta_us.length !== n || samples.duration_us.length !== n) {
    throw new BadProfile(`sample columns of thread ${thread.thread} of process ${thread.pid} differ in length`);
  }
  const count = samples.count.length > 0 ? Float64Array.from(samples.count) : null;
  if (count && count.length !== n) throw new BadProfile(`counts of thread ${thread.thread} differ in length`);
  const start_us = new Float64Array(n);
  let now = 0;
  let latest = 0;
  for (let i = 0; i < n; i++) {
    now += samples.start_delta_us[i];
    // V8 writes a few deltas of some negative microseconds; searching by time needs ascending starts.
    if (now > latest) latest = now;
    start_us[i] = latest;
    if (samples.stack[i] >= nStacks) throw new BadProfile(`sample ${i} has no stack ${samples.stack[i]}`);
  }
  return {
    recorder: thread.recorder,
    pid: thread.pid,
    thread: thread.thread,
    name: thread.name,
    hasTimes: thread.has_times,
    start_us,
    duration_us: Float64Array.from(samples.duration_us),
    stack: Int32Array.from(samples.stack),
    count,
    nSamples: count ? count.reduce((sum, one) => sum + one, 0) : n,
    effective_interval_us: thread.effective_interval_us,
  };
}
