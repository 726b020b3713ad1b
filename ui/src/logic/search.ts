/** Finds functions by text and measures how much of the picture they cover. */
import type { TreeShape, TreeWeights } from "./call-tree.ts";
import type { Profile } from "./profile.ts";

/** 1 per function whose name, file, package or kind holds the text, whatever the case. `null` for an empty query. */
export function matchFunctions(profile: Profile, query: string): Uint8Array | null {
  const wanted = query.trim().toLowerCase();
  if (wanted === "") return null;
  const matches = new Uint8Array(profile.nFunctions);
  for (let fn = 0; fn < profile.nFunctions; fn++) {
    const text = `${profile.name[fn]}\n${profile.file[fn]}\n${profile.package[fn] ?? ""}\n${profile.kind[fn] ?? ""}`;
    if (text.toLowerCase().includes(wanted)) matches[fn] = 1;
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
