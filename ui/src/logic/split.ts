/** The main thread's time by class as whole per cents that add up to 100. */
import type { SplitClass } from "../contract.ts";

export const SPLIT_CLASSES: readonly SplitClass[] = ["js", "gc", "native", "sync_io", "compile", "run_queue", "idle"];

export interface SplitPart {
  id: SplitClass;
  share: number;
  /** Rounded by largest remainder, so that the row adds up. */
  percent: number;
}

/** "<1 %" for what rounds to nothing but is there. */
export const splitLabel = (part: SplitPart): string => (part.percent === 0 ? "<1\u00a0%" : `${part.percent}\u00a0%`);

/** Classes in order; those with no time are left out. */
export function splitParts(split: Partial<Record<SplitClass, number>>): SplitPart[] {
  const parts = SPLIT_CLASSES.map((id) => ({ id, share: split[id] ?? 0, percent: 0 })).filter((p) => p.share > 0);
  const sum = parts.reduce((total, part) => total + part.share, 0);
  if (sum <= 0) return [];
  for (const part of parts) part.percent = Math.floor((part.share / sum) * 100);
  const byRemainder = [...parts].sort(
    (a, b) => (b.share / sum) * 100 - b.percent - ((a.share / sum) * 100 - a.percent),
  );
  const lacking = 100 - parts.reduce((total, part) => total + part.percent, 0);
  for (const part of byRemainder.slice(0, lacking)) part.percent += 1;
  return parts;
}
