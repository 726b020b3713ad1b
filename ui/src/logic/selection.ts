/** Adds up sample weights by stack for the chosen threads and interval: the input of every tree and table. */
import type { Profile, Recorder, ThreadSamples } from "./profile.ts";

export interface StackWeights {
  self_us: Float64Array;
  nSamples: Float64Array;
  totalSamples: number;
}

/** `null` range = the whole recording. A sample belongs to the interval in which it starts. */
export function weighStacks(
  profile: Profile,
  threads: readonly ThreadSamples[],
  range_s: readonly [number, number] | null,
): StackWeights {
  const self_us = new Float64Array(profile.stackParent.length);
  const nSamples = new Float64Array(profile.stackParent.length);
  let totalSamples = 0;
  for (const thread of threads) {
    const from = range_s ? lowerBound(thread.start_us, range_s[0] * 1e6) : 0;
    const to = range_s ? lowerBound(thread.start_us, range_s[1] * 1e6) : thread.stack.length;
    for (let i = from; i < to; i++) {
      const stack = thread.stack[i];
      if (stack < 0) continue;
      self_us[stack] += thread.duration_us[i];
      const n = thread.count ? thread.count[i] : 1;
      nSamples[stack] += n;
      totalSamples += n;
    }
  }
  return { self_us, nSamples, totalSamples };
}

/** First index whose value is not below `value`; `sorted` ascends. */
export function lowerBound(sorted: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Identifies a thread among those of its recorder, in the picker and the URL. */
export const threadKey = (thread: { pid: number; thread: number }): string => `${thread.pid}.${thread.thread}`;

/**
 * The threads of one recorder, or of the other where it has none.
 *
 * Both tell of the same time in two ways, so they are never added up.
 */
export function threadsOf<T extends { recorder: Recorder }>(threads: readonly T[], recorder: Recorder): readonly T[] {
  const own = threads.filter((thread) => thread.recorder === recorder);
  return own.length > 0 ? own : threads;
}
