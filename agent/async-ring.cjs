'use strict';
/**
 * The memory through which one thread hands asynchronous operations to the relay: a ring of 64-byte records, and texts
 * between them in their order. One writer, one reader, no locks. It knows nothing of what a record means.
 *
 * ```text
 * | WRITTEN, READ, DROPPED | record | record | text of 2 records: head, bytes | record | …
 * ```
 */

const { copyRecords } = require('./copy-records.cjs');

const RECORD_BYTES = 64;
const NUMBERS = RECORD_BYTES / 8;
const HEAD_BYTES = 64;
/** A text's head is a record with this kind and the number of bytes that follow it. */
const TEXT = 1;

const WRITTEN = 0;
const READ = 1;
const DROPPED = 2;

const { load, store, add, exchange } = Atomics;

class AsyncRing {
  /** Bytes of shared memory that a ring of so many records takes. @param {number} capacity */
  static bytesFor(capacity) {
    return HEAD_BYTES + capacity * RECORD_BYTES;
  }

  /**
   * @param {SharedArrayBuffer} buffer
   * @param {number} at first byte of the ring, a multiple of 8
   * @param {number} capacity records, a power of two
   */
  constructor(buffer, at, capacity) {
    this.words = new Int32Array(buffer, at, HEAD_BYTES / 4);
    this.numbers = new Float64Array(buffer, at + HEAD_BYTES, capacity * NUMBERS);
    this.bytes = new Uint8Array(buffer, at + HEAD_BYTES, capacity * RECORD_BYTES);
    this.capacity = capacity;
    /** Taken now: the target may replace what is global later. */
    this.encoder = new TextEncoder();
    this.scratch = new Uint8Array(MAX_TEXT_BYTES);
  }

  reset() {
    for (const word of [WRITTEN, READ, DROPPED]) store(this.words, word, 0);
  }

  /** Returns how much of the ring waits for the relay, 0 to 1. */
  get fill() {
    return ((this.words[WRITTEN] - load(this.words, READ)) | 0) / this.capacity;
  }

  /**
   * Adds one record, or drops and counts it when the ring is full; returns whether it was added. Only the ring's own
   * thread may call this.
   *
   * @param {number} a @param {number} b @param {number} c @param {number} d
   * @param {number} e @param {number} f @param {number} g @param {number} h
   */
  push(a, b, c, d, e, f, g, h) {
    const { words, numbers, capacity } = this;
    const written = words[WRITTEN];
    if (((written - load(words, READ)) | 0) >= capacity) {
      add(words, DROPPED, 1);
      return false;
    }
    const at = (written & (capacity - 1)) * NUMBERS;
    numbers[at] = a;
    numbers[at + 1] = b;
    numbers[at + 2] = c;
    numbers[at + 3] = d;
    numbers[at + 4] = e;
    numbers[at + 5] = f;
    numbers[at + 6] = g;
    numbers[at + 7] = h;
    store(words, WRITTEN, (written + 1) | 0);
    return true;
  }

  /** Adds a text of at most 4 kB, all of it or nothing; returns whether it was added. @param {string} text */
  pushText(text) {
    const { words, numbers, bytes, capacity } = this;
    const { read = 0, written: n = 0 } = this.encoder.encodeInto(text, this.scratch);
    const nRecords = Math.ceil(n / RECORD_BYTES);
    const written = words[WRITTEN];
    if (read < text.length || ((written - load(words, READ)) | 0) + 1 + nRecords > capacity) {
      add(words, DROPPED, 1);
      return false;
    }
    const head = (written & (capacity - 1)) * NUMBERS;
    numbers[head] = TEXT;
    numbers[head + 1] = n;
    for (let i = 0; i < nRecords; i++) {
      const part = this.scratch.subarray(i * RECORD_BYTES, Math.min(n, (i + 1) * RECORD_BYTES));
      bytes.set(part, ((written + 1 + i) & (capacity - 1)) * RECORD_BYTES);
    }
    store(words, WRITTEN, (written + 1 + nRecords) | 0);
    return true;
  }

  /** Takes everything out, oldest first, as a copy of the bytes. Only the relay may call this. */
  drain() {
    const read = this.words[READ];
    const n = (load(this.words, WRITTEN) - read) | 0;
    const out = copyRecords(this.bytes, RECORD_BYTES, read, n);
    store(this.words, READ, (read + n) | 0);
    return out;
  }

  /** Returns how many records and texts were dropped since the last call. Only the relay may call this. */
  takeDropped() {
    return exchange(this.words, DROPPED, 0);
  }
}

const MAX_TEXT_BYTES = 4096;

module.exports = { AsyncRing };
