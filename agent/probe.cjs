'use strict';
/**
 * The probe: writes event-loop ticks, garbage collections and heap sizes of the thread it runs in into that thread's
 * ring. It does no I/O, formats nothing, and takes its orders from the flags in the shared memory alone, so that the
 * relay can switch recorders while this thread is busy.
 *
 * Everything it needs of Node is taken at load, before the target can replace it (fake timers, zone.js).
 */

const { performance, PerformanceObserver } = require('perf_hooks');
const { getHeapStatistics } = require('v8');
const { AsyncRing } = require('./async-ring.cjs');
const { CollectionWatch } = require('./collections.cjs');
const { Counters } = require('./counters.cjs');
const { hideFromRequireCache } = require('./hide.cjs');
const { LOOP, GC, HEAP_USAGE, QUIT, ASYNC, COUNTERS, REQUESTS, COLLECTIONS } = require('./ring.cjs');

const { setInterval, clearInterval } = globalThis;
const { nodeTiming } = performance;

/** @typedef {InstanceType<typeof import('./ring.cjs').Slot>} Slot */
/** @typedef {InstanceType<typeof import('./ring.cjs').SharedMemory>} SharedMemory */

/** Record kinds, as in PROTOCOL.md. */
const TICK = 1;
const GC_PAUSE = 2;
const HEAP = 3;
const EXTERNAL = 4;

/** When ticks of the loop recorder are due; Node's timers count whole milliseconds, so a shorter one says no more. */
const TICK_MS = 10;
/** How often a probe whose loop recorder is off looks for orders. */
const IDLE_MS = 100;
const HEAP_USAGE_MS = 1000;
/** 2 MiB: some 100 followed requests of 30 slices, ten times what the relay finds when it drains. */
const ASYNC_RECORDS = 32_768;

class Probe {
  /**
   * @param {SharedMemory} memory
   * @param {Slot} slot this thread's own
   * @param {number} offsetMs what to add to times of this thread's own performance entries to get the main thread's
   * @param {(message: object) => void} post hands a message to the relay
   */
  constructor(memory, slot, offsetMs, post) {
    this.memory = memory;
    this.slot = slot;
    this.offsetMs = offsetMs;
    this.flags = 0;
    this.periodMs = 0;
    this.tickDue = 0;
    this.heapDue = 0;
    /** @type {NodeJS.Timeout | undefined} */
    this.timer = undefined;
    /** @type {PerformanceObserver | undefined} */
    this.gcObserver = undefined;
    this.counters = new Counters((counts) => post({ thread: slot.threadId, counts }));
    this.post = post;
    this.collections = new CollectionWatch();
    /** @type {InstanceType<typeof import('./async.cjs').AsyncRecorder> | undefined} */
    this.asyncRecorder = undefined;
    this.obey(memory.flags);
  }

  /** Runs at every tick of the timer. Whatever goes wrong ends the probe and nothing else. */
  onTimer() {
    try {
      const flags = this.memory.flags;
      const t = this.memory.nowMs();
      if (flags & this.flags & LOOP) {
        const lagMs = t - this.tickDue;
        this.slot.push(TICK, t, lagMs > 0 ? lagMs : 0, nodeTiming.idleTime);
      }
      this.tickDue = t + TICK_MS;
      if (flags !== this.flags) this.obey(flags);
      if (flags & HEAP_USAGE && t >= this.heapDue) this.recordHeap(t);
      this.counters.onTick(t);
      this.asyncRecorder?.onTick();
    } catch {
      this.end();
    }
  }

  /** @param {number} t */
  recordHeap(t) {
    this.heapDue = t + HEAP_USAGE_MS;
    const heap = getHeapStatistics();
    this.slot.push(HEAP, t, heap.used_heap_size, heap.total_heap_size);
    this.slot.push(EXTERNAL, t, heap.external_memory, heap.malloced_memory);
  }

  /** Switches to what `flags` ask for. @param {number} flags */
  obey(flags) {
    this.flags = flags;
    if (flags & QUIT) return this.end();
    if (flags & GC) this.observeGc();
    else this.ignoreGc();
    this.switchCounters(flags);
    this.watchCollections((flags & COLLECTIONS) !== 0);
    if (flags & ASYNC) this.followRequests();
    else this.followNothing();
    this.setPeriod(flags & (LOOP | ASYNC) ? TICK_MS : IDLE_MS);
  }

  /** @param {number} flags */
  switchCounters(flags) {
    const wanted = (flags & (COUNTERS | REQUESTS)) !== 0;
    if (wanted === this.counters.isOn) return;
    const t = this.memory.nowMs();
    if (wanted) this.counters.start(flags & COUNTERS ? 'everything' : 'requests', t);
    else this.counters.stop(t);
  }

  /** @param {boolean} wanted */
  watchCollections(wanted) {
    const t = this.memory.nowMs();
    if (wanted) return this.collections.start(t);
    const collections = this.collections.stop(t);
    if (collections) this.post({ thread: this.slot.threadId, collections });
  }

  /** @param {number} periodMs */
  setPeriod(periodMs) {
    if (this.periodMs === periodMs) return;
    this.periodMs = periodMs;
    clearInterval(this.timer);
    this.timer = setInterval(() => this.onTimer(), periodMs);
    this.timer.unref();
    this.tickDue = this.memory.nowMs() + periodMs;
  }

  observeGc() {
    if (this.gcObserver) return;
    this.gcObserver = new PerformanceObserver((list) => {
      try {
        for (const entry of list.getEntries()) {
          const { kind } = /** @type {{ kind: number }} */ (entry.detail);
          this.slot.push(GC_PAUSE, entry.startTime + this.offsetMs, entry.duration, kind);
        }
      } catch {
        this.end();
      }
    });
    this.gcObserver.observe({ entryTypes: ['gc'] });
  }

  ignoreGc() {
    this.gcObserver?.disconnect();
    this.gcObserver = undefined;
  }

  /** Hands over what is not in the ring, at the exit of the process. */
  handOver() {
    this.counters.stop(this.memory.nowMs());
  }

  followRequests() {
    if (this.asyncRecorder) return;
    // Loaded and allocated only now: most threads never need it.
    const { AsyncRecorder } = require('./async.cjs');
    hideFromRequireCache();
    const buffer = new SharedArrayBuffer(AsyncRing.bytesFor(ASYNC_RECORDS));
    this.post({ thread: this.slot.threadId, asyncRing: buffer, records: ASYNC_RECORDS });
    this.asyncRecorder = new AsyncRecorder(new AsyncRing(buffer, 0, ASYNC_RECORDS), this.offsetMs, this.memory.asyncMs);
    this.asyncRecorder.start();
  }

  followNothing() {
    this.asyncRecorder?.stop();
    this.asyncRecorder = undefined;
  }

  /** Takes every trace of the probe out of this thread, and tells the relay that nothing more will come from here. */
  end() {
    clearInterval(this.timer);
    this.timer = undefined;
    this.ignoreGc();
    this.counters.stop(this.memory.nowMs());
    this.collections.stop(this.memory.nowMs());
    this.followNothing();
    this.slot.end();
  }
}

module.exports = { Probe };
