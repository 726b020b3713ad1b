'use strict';
/**
 * The memory that the probes (one per thread of the target) and the relay share: a few control words and, for each
 * thread, a slot with a label and a ring of 32-byte records. One producer and one consumer per ring, no locks.
 *
 * It knows nothing of what a record means, of timers or of sockets.
 *
 * ```text
 * | control: FLAGS, THREADS_WITHOUT_SLOT, WOUND_UP, ASYNC_MS, origin | slot 0: main thread | slot 1: a worker thread | …
 *                                       a slot = | words | label | ring of records |
 * ```
 */

const { copyRecords } = require('./copy-records.cjs');

/** Bits of the FLAGS word: which recorders are on, or that the agent has ended for good. */
const LOOP = 1;
const GC = 2;
const HEAP_USAGE = 4;
const CPU = 8;
const QUIT = 16;
const ASYNC = 32;
/** Bits 32 and up: the wrappers of the counters recorder, and its count of requests alone. */
const COUNTERS = 64;
const REQUESTS = 128;
/** Collections with what they find and leave. */
const COLLECTIONS = 256;
/** V8 traces deoptimisations. */
const DEOPTS = 512;

/** What a slot's STATE word says. A thread claims a free slot, the relay frees an ended one. */
const FREE = 0;
const CLAIMED = 1;
const LIVE = 2;
const ENDED = 3;

/** Broadcast channel on which worker threads send messages to the relay. */
const RELAY_CHANNEL = 'slowpath-relay';

const RECORD_BYTES = 32;
/** 10 ms ticks and a garbage collection per millisecond for some 3 s; the relay drains about every 100 ms. */
const MAIN_RECORDS = 4096;
/** The same for about 2 s of an ordinary thread: 8 KiB each, so that all slots together stay near half a MiB. */
const WORKER_RECORDS = 256;
/** Threads beyond this many at once go without loop, gc and heap records; the relay says so in a note. */
const WORKER_SLOTS = 63;

const CONTROL_BYTES = 64;
const ORIGIN_AT_BYTE = 16;
const FLAGS = 0;
const THREADS_WITHOUT_SLOT = 1;
const WOUND_UP = 2;
const ASYNC_MS = 3;

const WORDS_BYTES = 64;
const LABEL_BYTES = 512;
const STATE = 0;
const THREAD_ID = 1;
const OS_THREAD_ID = 2;
const WRITTEN = 3;
const READ = 4;
const DROPPED = 5;
const LABEL_LENGTH = 6;

const SLOT_HEAD_BYTES = WORDS_BYTES + LABEL_BYTES;
const TOTAL_BYTES =
  CONTROL_BYTES +
  SLOT_HEAD_BYTES +
  MAIN_RECORDS * RECORD_BYTES +
  WORKER_SLOTS * (SLOT_HEAD_BYTES + WORKER_RECORDS * RECORD_BYTES);

const { load, store, add, exchange, compareExchange, wait, notify } = Atomics;
/** Taken before the target can fake it. `performance.now()` of Node 18 is not enough: it reads `process.hrtime` anew. */
const { hrtime } = process;

/** Returns CLOCK_MONOTONIC in ms. */
function monotonicMs() {
  const [seconds, nanoseconds] = hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** The shared memory as a whole, as seen by one thread. */
class SharedMemory {
  /** @param {SharedArrayBuffer} [buffer] the main thread makes it, every other thread is given it */
  constructor(buffer = new SharedArrayBuffer(TOTAL_BYTES)) {
    this.buffer = buffer;
    this.control = new Int32Array(buffer, 0, CONTROL_BYTES / 4);
    this.origin = new Float64Array(buffer, ORIGIN_AT_BYTE, 1);
  }

  /**
   * Fixes the scale of `nowMs`, once and before sharing.
   *
   * @param {number} ms CLOCK_MONOTONIC in ms when the main thread's `performance.now()` was 0
   */
  setOriginMs(ms) {
    this.origin[0] = ms;
  }

  /** Returns the time on the scale of the main thread's `performance.now()`, whichever thread asks. */
  nowMs() {
    return monotonicMs() - this.origin[0];
  }

  get flags() {
    return load(this.control, FLAGS);
  }
  set flags(flags) {
    store(this.control, FLAGS, flags);
  }

  /** How long the async recorder will be on, ms; 0 where nobody knows. */
  get asyncMs() {
    return load(this.control, ASYNC_MS);
  }
  set asyncMs(ms) {
    store(this.control, ASYNC_MS, ms);
  }

  countThreadWithoutSlot() {
    add(this.control, THREADS_WITHOUT_SLOT, 1);
  }

  /** Returns how many threads found no slot since the last call. */
  takeThreadsWithoutSlot() {
    return exchange(this.control, THREADS_WITHOUT_SLOT, 0);
  }

  /** The relay has sent its last and let go of the main thread. */
  tellWoundUp() {
    store(this.control, WOUND_UP, 1);
    notify(this.control, WOUND_UP);
  }

  /** Waits up to a millisecond, and returns whether the relay has wound up. */
  awaitWoundUp() {
    return wait(this.control, WOUND_UP, 0, 1) === 'not-equal';
  }

  /** Returns slot `index`: 0 is the main thread's. @param {number} index */
  slot(index) {
    const workerSlotBytes = SLOT_HEAD_BYTES + WORKER_RECORDS * RECORD_BYTES;
    return index === 0
      ? new Slot(this.buffer, CONTROL_BYTES, MAIN_RECORDS)
      : new Slot(this.buffer, TOTAL_BYTES - (WORKER_SLOTS - index + 1) * workerSlotBytes, WORKER_RECORDS);
  }

  /** Returns every slot, the main thread's first. */
  slots() {
    return Array.from({ length: 1 + WORKER_SLOTS }, (_, index) => this.slot(index));
  }

  /** Returns a slot that is now the calling worker thread's own, or `undefined` when all are taken. */
  claimWorkerSlot() {
    for (let index = 1; index <= WORKER_SLOTS; index++) {
      const slot = this.slot(index);
      if (slot.claim()) return slot;
    }
    return undefined;
  }
}

/** One thread's place in the shared memory. */
class Slot {
  /**
   * @param {SharedArrayBuffer} buffer
   * @param {number} at first byte of the slot
   * @param {number} capacity records, a power of two
   */
  constructor(buffer, at, capacity) {
    this.words = new Int32Array(buffer, at, WORDS_BYTES / 4);
    this.labelBytes = new Uint8Array(buffer, at + WORDS_BYTES, LABEL_BYTES);
    this.numbers = new Float64Array(buffer, at + SLOT_HEAD_BYTES, (capacity * RECORD_BYTES) / 8);
    this.bytes = new Uint8Array(buffer, at + SLOT_HEAD_BYTES, capacity * RECORD_BYTES);
    this.capacity = capacity;
  }

  get state() {
    return load(this.words, STATE);
  }
  get threadId() {
    return load(this.words, THREAD_ID);
  }
  /** The operating system's id of the thread, 0 where unknown. */
  get osThreadId() {
    return load(this.words, OS_THREAD_ID);
  }

  claim() {
    return compareExchange(this.words, STATE, FREE, CLAIMED) === FREE;
  }

  /** Opens the slot to the relay. @param {number} threadId @param {number} osThreadId */
  open(threadId, osThreadId) {
    for (const word of [WRITTEN, READ, DROPPED, LABEL_LENGTH]) store(this.words, word, 0);
    store(this.words, THREAD_ID, threadId);
    store(this.words, OS_THREAD_ID, osThreadId);
    store(this.words, STATE, LIVE);
  }

  /** The thread has ended and writes no more. */
  end() {
    store(this.words, STATE, ENDED);
  }

  /** Gives the slot back, once the relay has drained it. */
  free() {
    store(this.words, STATE, FREE);
  }

  /** What the thread calls itself, written at most once per thread; cut to 512 bytes; empty until known. */
  get label() {
    return Buffer.from(this.labelBytes.slice(0, load(this.words, LABEL_LENGTH))).toString();
  }
  set label(label) {
    const { written } = new TextEncoder().encodeInto(label, new Uint8Array(LABEL_BYTES));
    this.labelBytes.set(Buffer.from(label).subarray(0, written));
    store(this.words, LABEL_LENGTH, written ?? 0);
  }

  /**
   * Adds one record; when the ring is full, drops it and counts it. Only the slot's own thread may call this.
   *
   * @param {number} kind @param {number} tMs @param {number} a @param {number} b
   */
  push(kind, tMs, a, b) {
    const { words, numbers, capacity } = this;
    const written = words[WRITTEN];
    if (((written - load(words, READ)) | 0) >= capacity) {
      add(words, DROPPED, 1);
      return;
    }
    const at = (written & (capacity - 1)) * 4;
    numbers[at] = kind;
    numbers[at + 1] = tMs;
    numbers[at + 2] = a;
    numbers[at + 3] = b;
    store(words, WRITTEN, (written + 1) | 0);
  }

  /** Takes all records out, oldest first, as a copy of their bytes. Only the relay may call this. */
  drain() {
    const read = this.words[READ];
    const n = (load(this.words, WRITTEN) - read) | 0;
    const out = copyRecords(this.bytes, RECORD_BYTES, read, n);
    store(this.words, READ, (read + n) | 0);
    return out;
  }

  /** Returns how many records were dropped since the last call. Only the relay may call this. */
  takeDropped() {
    return exchange(this.words, DROPPED, 0);
  }
}

module.exports = {
  SharedMemory,
  Slot,
  LOOP,
  GC,
  HEAP_USAGE,
  CPU,
  QUIT,
  ASYNC,
  COUNTERS,
  REQUESTS,
  COLLECTIONS,
  DEOPTS,
  RELAY_CHANNEL,
  FREE,
  CLAIMED,
  LIVE,
  ENDED,
};
