'use strict';
/**
 * How many requests the async recorder follows: so many that their stacks and records stay within a share of the
 * thread's time and of the ring. Counts what it could not follow, and how full libuv's thread pool was meanwhile.
 */

/** @typedef {InstanceType<typeof import('./async-ring.cjs').AsyncRing>} AsyncRing */

const SECOND = 6;

const { env } = process;

const CONTROL_MS = 100;
/** What the rest of a window shows in less than this is chance. */
const LEAST_CONTROL_MS = 30;
const WRITE_MS = 1000;
/** Share of the thread's time that following may take while the hooks are on; with what collecting the stacks costs it is twice that. */
const MAX_SPENT = 0.05;
/** The same where there are few requests: each counts, and they are not in one another's way. */
const MAX_SPENT_ON_FEW = 0.12;
/** What one record costs, with the callbacks that it is made of, ms. */
const RECORD_MS = 0.004;
/** Records a ms: at 30 to 60 bytes each on the disk some 10 MB a minute at the very most. */
const MAX_RECORDS_PER_MS = 4;
/** What pauses have saved of that is spent in a window within this time. */
const SPEND_SAVED_MS = 500;
const MAX_SAVED = 12_000;
/** Above this no new request is followed: what is begun shall be whole. */
const MAX_FILL = 0.5;
/** Requests that are followed before it is known what that costs. */
const FIRST_FOLLOWED = 30;
const LEAST_SHARE = 0.001;
const DEFAULT_POOL_SIZE = 4;

class Sampling {
  /** @param {AsyncRing} ring @param {number} t */
  constructor(ring, t) {
    this.ring = ring;
    /** Of the requests that come in a window, those that are followed; 0: not known yet. */
    this.share = 0;
    this.maxSpent = MAX_SPENT;
    this.random = 0x9e3779b9;
    // Since the last control:
    this.spentMs = 0;
    this.nRecords = 0;
    this.controlledAt = t;
    /** Records that were allowed so far and not written. */
    this.nSaved = 0;
    this.savedAt = t;
    // Since the last record:
    this.nSeen = 0;
    this.nTaken = 0;
    this.nHooks = 0;
    this.nFaults = 0;
    this.allSpentMs = 0;
    this.writtenAt = t;
    /** Of that time, what lies in windows; and since when that is counted. */
    this.openMs = 0;
    this.isOpen = false;
    this.openSince = t;
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

  /** A window opens. @param {number} t @param {number} requestsPerMs @param {boolean} hasFew whether there are few requests */
  begin(t, requestsPerMs, hasFew) {
    this.maxSpent = hasFew ? MAX_SPENT_ON_FEW : MAX_SPENT;
    if (this.share === 0) this.share = Math.min(1, FIRST_FOLLOWED / Math.max(1, requestsPerMs * CONTROL_MS));
    this.controlledAt = this.openSince = this.poolChangedAt = t;
    this.nInPool = 0;
    this.isOpen = true;
  }

  /** A window closes. @param {number} t */
  end(t) {
    const ms = t - this.controlledAt;
    if (ms >= LEAST_CONTROL_MS) this.control(ms, t);
    this.countTime(t);
    this.isOpen = false;
  }

  /** @param {number} t */
  countTime(t) {
    if (!this.isOpen) return;
    this.poolTime(t);
    this.openMs += t - this.openSince;
    this.openSince = t;
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
    if (this.nInPool === 0) return; // It was begun before the window.
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
    if (this.isOpen && ms >= CONTROL_MS) this.control(ms, t);
    if (t - this.writtenAt >= WRITE_MS) this.write(t, offsetMs);
  }

  /** Follows fewer requests at once when that takes too much, and soon more when it takes little. @param {number} ms @param {number} t */
  control(ms, t) {
    this.spentMs += this.nRecords * RECORD_MS;
    this.nSaved = Math.min(MAX_SAVED, this.nSaved + (t - this.savedAt) * MAX_RECORDS_PER_MS - this.nRecords);
    const nAllowed = ms * (MAX_RECORDS_PER_MS + Math.max(0, this.nSaved) / SPEND_SAVED_MS);
    const spent = Math.max(this.spentMs / (this.maxSpent * ms), this.nRecords / nAllowed);
    const factor = spent > 1 ? Math.max(1 / spent, 0.2) * 0.9 : spent < 0.35 ? 2 : spent < 0.7 ? 1.25 : 1;
    this.share = Math.min(1, Math.max(LEAST_SHARE, this.share * factor));
    this.allSpentMs += this.spentMs;
    this.spentMs = 0;
    this.nRecords = 0;
    this.controlledAt = this.savedAt = t;
  }

  /** Writes what was counted in windows since the last time. @param {number} t @param {number} offsetMs */
  write(t, offsetMs) {
    this.countTime(t);
    const { nSeen, nTaken, allSpentMs, poolTaskMs, poolFullMs, nPoolTasks } = this;
    const openMs = Math.round(this.openMs);
    const spent = openMs > 0 ? allSpentMs / openMs : 0;
    this.ring.push(SECOND + 16 * openMs, nSeen, t + offsetMs, nTaken, spent, poolTaskMs, poolFullMs, nPoolTasks);
    this.nSeen = this.nTaken = this.nPoolTasks = 0;
    this.allSpentMs = this.poolTaskMs = this.poolFullMs = this.openMs = 0;
    this.writtenAt = t;
  }
}

module.exports = { Sampling };
