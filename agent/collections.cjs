'use strict';
/**
 * Watches the collections of the thread it runs in, with what each one found and left: what `--trace-gc` prints, without the
 * flag. V8 keeps the numbers itself (`v8.GCProfiler`), so nothing runs in the target while it is on.
 */

const v8 = require('v8');

/** Spaces that scavenges collect. All others are old. */
const YOUNG = /^new_/;

/**
 * @typedef {{ kind: string, n: number, ms: number, longest_ms: number, freed: number, promoted: number, survived: number }} KindSum
 *   bytes; `promoted` went from young to old space, `survived` is what was young before and is alive
 * @typedef {{ from_ms: number, t_ms: number, allocated: number, kinds: KindSum[] }} Collections
 */

class CollectionWatch {
  constructor() {
    /** @type {any} */
    this.profiler = undefined;
    this.fromMs = 0;
    this.usedAtStart = 0;
  }

  get isOn() {
    return this.profiler !== undefined;
  }

  /** Whether this Node has what it takes: 18.15 and later. */
  static get isPossible() {
    return typeof (/** @type {any} */ (v8).GCProfiler) === 'function';
  }

  /** @param {number} t */
  start(t) {
    if (this.profiler || !CollectionWatch.isPossible) return;
    this.profiler = new (/** @type {any} */ (v8).GCProfiler)();
    this.profiler.start();
    this.fromMs = t;
    this.usedAtStart = v8.getHeapStatistics().used_heap_size;
  }

  /** Returns what happened since the start. @param {number} t @returns {Collections | undefined} */
  stop(t) {
    if (!this.profiler) return undefined;
    const { statistics } = this.profiler.stop();
    const usedAtEnd = v8.getHeapStatistics().used_heap_size;
    this.profiler = undefined;
    return { from_ms: this.fromMs, t_ms: t, ...summed(statistics, this.usedAtStart, usedAtEnd) };
  }
}

/**
 * @param {any[]} statistics in order of time, as V8 gives them
 * @param {number} usedAtStart
 * @param {number} usedAtEnd
 * @returns {{ allocated: number, kinds: KindSum[] }}
 */
function summed(statistics, usedAtStart, usedAtEnd) {
  /** @type {Map<string, KindSum>} */
  const kinds = new Map();
  let allocated = 0;
  let used = usedAtStart;
  for (const { gcType: kind, cost, beforeGC, afterGC } of statistics) {
    const [before, after] = [beforeGC.heapStatistics.usedHeapSize, afterGC.heapStatistics.usedHeapSize];
    // Between two collections the heap only grows.
    allocated += Math.max(before - used, 0);
    used = after;
    const sum = kinds.get(kind) ?? { kind, n: 0, ms: 0, longest_ms: 0, freed: 0, promoted: 0, survived: 0 };
    kinds.set(kind, sum);
    const [youngBefore, youngAfter] = [young(beforeGC), young(afterGC)];
    const promoted = kind === 'Scavenge' ? Math.max(after - youngAfter - (before - youngBefore), 0) : 0;
    sum.n += 1;
    sum.ms += cost / 1e3;
    sum.longest_ms = Math.max(sum.longest_ms, cost / 1e3);
    sum.freed += Math.max(before - after, 0);
    sum.promoted += promoted;
    sum.survived += kind === 'Scavenge' ? promoted + youngAfter : 0;
  }
  return { allocated: allocated + Math.max(usedAtEnd - used, 0), kinds: [...kinds.values()] };
}

/** @param {any} heap */
function young(heap) {
  const spaces = /** @type {any[]} */ (heap.heapSpaceStatistics).filter(({ spaceName }) => YOUNG.test(spaceName));
  return spaces.reduce((sum, { spaceUsedSize }) => sum + spaceUsedSize, 0);
}

module.exports = { CollectionWatch, summed };
