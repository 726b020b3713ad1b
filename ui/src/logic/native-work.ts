/** Rows of the table of native work: a class with its parts below it, largest first. */
import type { NativeWork } from "../contract.ts";

export interface WorkGroup {
  class: string;
  share: number;
  cpu_s: number;
  nSamples: number;
  /** Largest first; one part that is the whole class stands in the row of the class itself. */
  parts: readonly NativeWork[];
}

/** Adds up the parts of each class. `work` is sorted, largest first. */
export function groupWork(work: readonly NativeWork[]): WorkGroup[] {
  const groups = new Map<string, { share: number; cpu_s: number; nSamples: number; parts: NativeWork[] }>();
  for (const row of work) {
    const group = groups.get(row.class) ?? { share: 0, cpu_s: 0, nSamples: 0, parts: [] };
    group.share += row.share;
    group.cpu_s += row.cpu_s;
    group.nSamples += row.n_samples;
    group.parts.push(row);
    groups.set(row.class, group);
  }
  return [...groups]
    .map(([name, group]) => ({ class: name, ...group }))
    .sort((a, b) => b.cpu_s - a.cpu_s || (a.class < b.class ? -1 : 1));
}
