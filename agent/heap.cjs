'use strict';
/**
 * Samples who allocates, and who allocates what stays, on the main thread: V8's sampling heap profiler, driven from the
 * relay's thread.
 *
 * The phase has two windows. In the first every allocation is a candidate: that says who makes the collector work. The second
 * lies between two full collections, and its profile keeps only what is alive at the end: that says what the heap
 * grew by, and by whom.
 *
 * A full collection holds the main thread for about a millisecond for each megabyte alive, so a large heap is left alone.
 */

const { callsOf, withDeadline } = require('./inspector.cjs');

const ANSWER_MS = 20_000;
/** First window: at 100 MB/s some 240 samples. */
const ALLOCATIONS_MS = 600;
/** Mean bytes between its samples. A sample takes some 30 µs: at 300 MB/s 4 % of a core. */
const ALLOCATIONS_INTERVAL = 256 * 1024;
/** What stays is a small part of what is allocated, so it is sampled more densely, at the rate that the first window saw: 3 % of a core. */
const SURVIVORS_PER_SECOND = 1000;
const MIN_INTERVAL = 32 * 1024;
const MAX_INTERVAL = 512 * 1024;
/** Until Node 20 the first window keeps only what is alive, and says nothing of the rate. */
const SEES_ALL = Number(process.versions.node.split('.')[0]) >= 20;
const UNKNOWN_RATE_INTERVAL = 128 * 1024;
/** Larger heaps would stand for half a second and more at each full collection. */
const MAX_USED_BYTES = 512 * 1024 * 1024;
/** Second window, at least: shorter, and too little has stayed to be told from what is in flight. */
const SURVIVORS_MS = 800;
/** Functions on a stack; V8's own default. */
const STACK_DEPTH = 128;

/**
 * @typedef {{ frames: [name: string, url: string, line: number, column: number][],
 *   nodes: [parent: number, frame: number, bytes: number, samples: number][] }} Allocations lines and columns from 0; `parent` is an
 *   index of an earlier node, or -1
 * @typedef {{ window: 'allocations' | 'survivors', from_ms: number, t_ms: number, interval: number, used_before: number,
 *   used_after: number } & Allocations} HeapWindow
 */

class HeapSampler {
  /**
   * @param {() => number} nowMs
   * @param {{ window: (window: HeapWindow) => void, watchCollections: (on: boolean) => Promise<void>, note: (why: string) => void }} listener
   */
  constructor(nowMs, listener) {
    this.nowMs = nowMs;
    this.listener = listener;
    /** @type {import('inspector').Session | undefined} */
    this.session = undefined;
    /** @type {NodeJS.Timeout | undefined} */
    this.timer = undefined;
    /** @type {Promise<void>} */
    this.switching = Promise.resolve();
    /** @type {{ window: HeapWindow['window'], from: number, interval: number, usedBefore: number } | undefined} */
    this.open = undefined;
  }

  /** Resolves once allocations are being sampled. */
  async start() {
    if (this.session) throw new Error('the heap is already being sampled');
    const { Session } = require('inspector');
    const session = new Session();
    session.connectToMainThread();
    this.session = session;
    try {
      const { usedSize } = await this.call('Runtime.getHeapUsage');
      if (usedSize > MAX_USED_BYTES) {
        throw new Error(`the heap is too large for full collections: ${Math.round(usedSize / 1e6)} MB are in use`);
      }
      await this.listener.watchCollections(true);
      await this.begin('allocations', ALLOCATIONS_INTERVAL, usedSize);
    } catch (error) {
      await this.listener.watchCollections(false);
      this.abandon();
      throw error;
    }
    this.timer = setTimeout(() => {
      this.switching = this.switchOver().catch((error) => this.listener.note(String(error?.message ?? error)));
    }, ALLOCATIONS_MS);
  }

  /** Ends the first window and begins the second. */
  async switchOver() {
    // Before the full collection, which is not the target's own.
    await this.listener.watchCollections(false);
    const { used, bytesPerSecond } = await this.end();
    const affordable = Math.min(Math.max(bytesPerSecond / SURVIVORS_PER_SECOND, MIN_INTERVAL), MAX_INTERVAL);
    await this.begin('survivors', SEES_ALL ? Math.round(affordable) : UNKNOWN_RATE_INTERVAL, used);
  }

  /** Hands over the window that is open, and stops. */
  async stop() {
    clearTimeout(this.timer);
    try {
      await this.switching;
      await this.listener.watchCollections(false);
      if (this.open?.window === 'survivors') {
        const missing = this.open.from + SURVIVORS_MS - this.nowMs();
        if (missing > 0) await new Promise((resolve) => setTimeout(resolve, missing));
      }
      if (this.open) await this.end();
    } finally {
      this.abandon();
    }
  }

  /** @param {HeapWindow['window']} window @param {number} interval @param {number} usedBefore */
  async begin(window, interval, usedBefore) {
    const ofAll = window === 'allocations';
    await this.call('HeapProfiler.startSampling', {
      samplingInterval: interval,
      stackDepth: STACK_DEPTH,
      includeObjectsCollectedByMajorGC: ofAll,
      includeObjectsCollectedByMinorGC: ofAll,
    });
    this.open = { window, from: this.nowMs(), interval, usedBefore };
  }

  /** Ends the open window. Returns what is in use after the full collection that this takes, and how fast the window's bytes came. */
  async end() {
    const open = this.open;
    if (!open) return { used: 0, bytesPerSecond: 0 };
    this.open = undefined;
    const end = this.nowMs();
    // Sent together, they are carried out together: nothing of the target runs between them.
    const [, { profile }, { usedSize }] = await Promise.all([
      this.call('HeapProfiler.collectGarbage'),
      this.call('HeapProfiler.stopSampling'),
      this.call('Runtime.getHeapUsage'),
    ]);
    const flat = flattened(profile);
    this.listener.window({
      window: open.window,
      from_ms: open.from,
      t_ms: end,
      interval: open.interval,
      used_before: open.usedBefore,
      used_after: usedSize,
      ...flat,
    });
    const bytes = flat.nodes.reduce((sum, node) => sum + node[2], 0);
    return { used: usedSize, bytesPerSecond: (bytes / Math.max(end - open.from, 1)) * 1e3 };
  }

  /** Stops at once. V8 stops sampling when the session closes. */
  abandon() {
    clearTimeout(this.timer);
    this.open = undefined;
    this.session?.disconnect();
    this.session = undefined;
  }

  /** @param {string} method @param {object} [params] */
  call(method, params) {
    if (!this.session) throw new Error('the heap is not being sampled');
    return withDeadline(callsOf(this.session)(method, params), ANSWER_MS, 'the main thread');
  }
}

/** V8 nests its tree as deep as the stacks are, which readers of JSON do not like. @param {any} profile @returns {Allocations} */
function flattened({ head, samples = [] }) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (const { nodeId } of samples) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1);
  /** @type {Allocations} */
  const flat = { frames: [], nodes: [] };
  /** @type {Map<string, number>} */
  const known = new Map();
  const open = [{ node: head, parent: -1 }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { node, parent } = next;
    const { functionName, url, lineNumber, columnNumber } = node.callFrame;
    const key = `${functionName}\0${url}\0${lineNumber}\0${columnNumber}`;
    let frame = known.get(key);
    if (frame === undefined) {
      frame = flat.frames.push([functionName, url, lineNumber, columnNumber]) - 1;
      known.set(key, frame);
    }
    const index = flat.nodes.push([parent, frame, node.selfSize, counts.get(node.id) ?? 0]) - 1;
    for (const child of node.children) open.push({ node: child, parent: index });
  }
  return flat;
}

module.exports = { HeapSampler, flattened };
