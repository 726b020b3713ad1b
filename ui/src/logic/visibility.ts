/** Which functions the legend's switches leave in the picture, and what the legend lists. */
import type { Category } from "../contract.ts";
import { COLLAPSE, DROP } from "./call-tree.ts";
import type { Profile } from "./profile.ts";
import type { StackWeights } from "./selection.ts";

/** Order of the legend. */
export const CATEGORIES: readonly Category[] = [
  "app",
  "dependency",
  "node",
  "native",
  "kernel",
  "wasm",
  "gc",
  "program",
  "idle",
];

/** Switched off until somebody asks: the picture shows busy time. */
export const HIDDEN_AT_FIRST: readonly string[] = ["idle"];

/** One fate per function, see `call-tree.ts`. */
export function fates(profile: Profile, categories: readonly string[], packages: readonly string[]): Uint8Array {
  const fate = new Uint8Array(profile.nFunctions);
  const hiddenCategories = new Set(categories);
  const hiddenPackages = new Set(packages);
  for (let fn = 0; fn < profile.nFunctions; fn++) {
    const name = profile.package[fn];
    const hidden = hiddenCategories.has(profile.category[fn]) || (name !== null && hiddenPackages.has(name));
    if (profile.category[fn] === "idle") fate[fn] = hidden ? DROP : 0;
    // V8 puts "(root)" under every stack; the picture has a root of its own.
    else if (hidden || profile.name[fn] === "(root)") fate[fn] = COLLAPSE;
  }
  return fate;
}

export interface LegendEntry {
  id: string;
  self_us: number;
}

/** Categories and packages that occur, with self time by the weights; packages by time. */
export function legendEntries(
  profile: Profile,
  weights: StackWeights,
): { categories: LegendEntry[]; packages: LegendEntry[] } {
  const byFunction = new Float64Array(profile.nFunctions);
  for (let stack = 0; stack < profile.stackFunction.length; stack++) {
    byFunction[profile.stackFunction[stack]] += weights.self_us[stack];
  }
  const categories = new Map<string, number>();
  const packages = new Map<string, number>();
  for (let fn = 0; fn < profile.nFunctions; fn++) {
    const category = profile.category[fn];
    categories.set(category, (categories.get(category) ?? 0) + byFunction[fn]);
    const name = profile.package[fn];
    if (name !== null) packages.set(name, (packages.get(name) ?? 0) + byFunction[fn]);
  }
  return {
    categories: CATEGORIES.filter((id) => categories.has(id)).map((id) => ({ id, self_us: categories.get(id) ?? 0 })),
    packages: [...packages]
      .map(([id, self_us]) => ({ id, self_us }))
      .sort((a, b) => b.self_us - a.self_us || (a.id < b.id ? -1 : 1)),
  };
}
