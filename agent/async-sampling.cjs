'use strict';
/**
 * How many requests the async recorder follows: so many that their stacks and records stay within a share of the
 * thread's time and of the ring. Counts what it could not follow, and how full libuv's thread pool was meanwhile.
 */

/** @typedef {InstanceType<typeof import('./async-ring.cjs').AsyncRing>} AsyncRing */

const SECOND = 6;

const { performance } = require('perf_hooks');

const { env } = process;
const { nodeTiming } = performance;

const CONTROL_MS = 100;
const WRITE_MS = 1000;
/** Share of the thread's busy time that following may take; with what collecting the stacks costs it is twice that. */
const MAX_SPENT = 0.05;
/** Share of all its time that following may take besides: of a thread that idles nobody misses it. */
const MAX_SPENT_OF_ALL = 0.003;
/** What one record costs, with the callbacks that it is made of, ms. */
const RECORD_MS = 0.004;
/** Records a second: at 30 to 60 bytes each on the disk some 10 MB a minute at the very most. */
const MAX_RECORDS_PER_S = 4000;
/** Above this no new request is followed: what is begun shall be whole. */
const MAX_FILL = 0.5;
const FIRST_SHARE = 0.25;
const LEAST_SHARE = 0.001;
const DEFAULT_POOL_SIZE = 4;

class Sampling {
  /** @param {AsyncRing} ring @param {number} t */
  constructor(ring, t) {
    this.ring = ring;
    this.share = FIRST_SHARE;
    this.random = 0x9e3779b9;
    // Since the last control:
    this.spentMs = 0;
    this.nRecords = 0;
    this.controlledAt = t;
    this.idleMs = nodeTiming.idleTime;
    // Since the last record:
    this.nSeen = 0;
    this.nTaken = 0;
    this.nHooks = 0;
    this.nFaults = 0;
    this.allSpentMs = 0;
    this.writtenAt = t;
    /** Followed requests under way. */
    this.nFollowed = 0;

    this.poolSize = Number(env.UV_THREADPOOL_SIZE) || DEFAULT_POOL_SIZE;
    this.nInPool = 0;
    this.poolChangedAt = t;
    /** Integral of the tasks in the pool, queued ones included, over time. */
    this.poolTaskMs = 0;
    /** Time with more tasks than the pool has threads. */
    this.poolFullMs = 0;
    this.nPoolTasks = 0;
    ring.pushText(JSON.stringify({ pool_size: this.poolSize }));
  }

  /** Decides whether the next request is followed. */
  follows() {
    this.nSeen += 1;
    if (this.nextRandom() >= this.share || this.ring.fill > MAX_FILL) return false;
    this.nTaken += 1;
    return true;
  }

  /** Returns a number from 0 to 1. Our own (xorshift): the target's `Math.random` may be seeded, and must not be used up. */
  nextRandom() {
    let x = this.random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.random = x;
    return (x >>> 0) / 2 ** 32;
  }

  /** @param {number} t */
  poolTaskBegins(t) {
    this.poolTime(t);
    this.nInPool += 1;
  }

  /** @param {number} t */
  poolTaskEnds(t) {
    this.poolTime(t);
    this.nPoolTasks += 1;
    this.nInPool -= 1;
  }

  /** @param {number} t */
  poolTime(t) {
    const ms = t - this.poolChangedAt;
    this.poolTaskMs += ms * this.nInPool;
    if (this.nInPool > this.poolSize) this.poolFullMs += ms;
    this.poolChangedAt = t;
  }

  /** @param {number} t @param {number} offsetMs */
  onTick(t, offsetMs) {
    const ms = t - this.controlledAt;
    if (ms >= CONTROL_MS) this.control(ms, t);
    if (t - this.writtenAt >= WRITE_MS) this.write(t, offsetMs);
  }

  /** Follows fewer requests at once when that takes too much, and slowly more when it takes little. @param {number} ms @param {number} t */
  control(ms, t) {
    this.spentMs += this.nRecords * RECORD_MS;
    const idleMs = nodeTiming.idleTime;
    const busyMs = Math.max(0, ms - (idleMs - this.idleMs));
    this.idleMs = idleMs;
    const allowedMs = MAX_SPENT * busyMs + MAX_SPENT_OF_ALL * ms;
    const spent = Math.max(this.spentMs / allowedMs, (this.nRecords * 1000) / ms / MAX_RECORDS_PER_S);
    const factor = spent > 1 ? Math.max(1 / spent, 0.2) * 0.9 : spent < 0.7 ? 1.25 : 1;
    this.share = Math.min(1, Math.max(LEAST_SHARE, this.share * factor));
    this.allSpentMs += this.spentMs;
    this.spentMs = 0;
    this.nRecords = 0;
    this.controlledAt = t;
  }

  /** @param {number} t @param {number} offsetMs */
  write(t, offsetMs) {
    this.poolTime(t);
    const { nSeen, nTaken, allSpentMs, poolTaskMs, poolFullMs, nPoolTasks } = this;
    this.ring.push(SECOND, nSeen, t + offsetMs, nTaken, allSpentMs / (t - this.writtenAt), poolTaskMs, poolFullMs, nPoolTasks);
    this.nSeen = this.nTaken = this.nPoolTasks = 0;
    this.allSpentMs = this.poolTaskMs = this.poolFullMs = 0;
    this.writtenAt = t;
  }
}

module.exports = { Sampling };
