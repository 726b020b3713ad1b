/** Finds functions by text and measures how much of the picture they cover. */
import type { TreeShape, TreeWeights } from "./call-tree.ts";
import type { FunctionTable } from "./groups.ts";

/** Parts one function's text from the next. */
const END = "\u0000";

/** All functions' names, files, packages and kinds as one text in lower case: searching it is one scan. */
export interface Haystack {
  text: string;
  /** Where each function's text begins, and the end of all. */
  start: Int32Array;
}

export function haystack(table: FunctionTable): Haystack {
  const n = table.name.length;
  const parts: string[] = [];
  for (let fn = 0; fn < n; fn++) {
    const more = `${table.package[fn] ?? ""}\n${table.kind[fn] ?? ""}`;
    // Some letters change their length in lower case, so each part is turned before it is measured.
    parts.push(`${table.name[fn]}\n${table.file[fn]}\n${more}${END}`.toLowerCase());
  }
  const start = new Int32Array(n + 1);
  for (let fn = 0; fn < n; fn++) start[fn + 1] = start[fn] + parts[fn].length;
  return { text: parts.join(""), start };
}

/** 1 per function whose text holds the query, whatever the case. `null` for an empty query. */
export function matchFunctions({ text, start }: Haystack, query: string): Uint8Array | null {
  const wanted = query.trim().toLowerCase();
  if (wanted === "") return null;
  const matches = new Uint8Array(start.length - 1);
  let fn = 0;
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, start[fn])) {
    while (start[fn + 1] <= at) fn += 1;
    matches[fn] = 1;
    fn += 1;
    if (fn === matches.length) break;
  }
  return matches;
}

export interface MatchShare {
  nFunctions: number;
  /** Time in which at least one match is on the stack, each sample counted once. */
  total_us: number;
  share: number;
}

export function shareOfMatches(shape: TreeShape, weights: TreeWeights, matches: Uint8Array): MatchShare {
  const covered = new Uint8Array(shape.fn.length);
  const seen = new Uint8Array(matches.length);
  let total_us = 0;
  let nFunctions = 0;
  for (let node = 1; node < shape.fn.length; node++) {
    const above = covered[shape.parent[node]];
    const fn = shape.fn[node];
    if (matches[fn] === 1 && weights.total_us[node] > 0) {
      if (seen[fn] === 0) nFunctions += 1;
      seen[fn] = 1;
      if (above === 0) total_us += weights.total_us[node];
      covered[node] = 1;
    } else {
      covered[node] = above;
    }
  }
  return { nFunctions, total_us, share: weights.total_us[0] > 0 ? total_us / weights.total_us[0] : 0 };
}
