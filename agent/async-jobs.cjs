'use strict';
/**
 * Turns of the loop that do not end because one promise job or tick after the other runs: the loop stands still though no
 * callback takes long. Counts the jobs of each turn, looks at the clock every few of them, and asks once a turn for the
 * place that makes them.
 */

const { performance } = require('perf_hooks');

/** @typedef {InstanceType<typeof import('./async-ring.cjs').AsyncRing>} AsyncRing */

const now = performance.now.bind(performance);

/** Record kind, as in PROTOCOL.md. */
const JOBS = 9;
/** Jobs between two looks at the clock. */
const BATCH = 64;
/** A turn shorter than this holds nobody up: what stalls are. */
const LONG_TURN_MS = 20;
/** Fewer jobs than this did not make a turn long together. */
const MIN_JOBS = 4 * BATCH;
/** Part of a turn that one batch may take: with more it was a single job that held the loop. */
const MAX_BATCH_PART = 0.5;

class JobTurns {
  /** @param {AsyncRing} ring @param {number} offsetMs */
  constructor(ring, offsetMs) {
    this.ring = ring;
    this.offsetMs = offsetMs;
    /** Whether the next resource that is made shows who makes so many. */
    this.wantsSite = false;
    this.site = 0;
    this.startedAt = 0;
    this.lastAt = 0;
    this.longestMs = 0;
    this.nJobs = 0;
    this.nTicks = 0;
    this.hasSite = false;
  }

  /** A turn begins. @param {number} t */
  begin(t) {
    this.startedAt = t;
    this.lastAt = t;
    this.longestMs = 0;
    this.nJobs = 0;
    this.nTicks = 0;
    this.hasSite = false;
    this.wantsSite = false;
  }

  /** A promise job or tick of the turn is about to run. @param {boolean} isTick */
  job(isTick) {
    if (isTick) this.nTicks += 1;
    if (++this.nJobs % BATCH !== 0) return;
    const t = now();
    this.longestMs = Math.max(this.longestMs, t - this.lastAt);
    this.lastAt = t;
    if (t - this.startedAt >= LONG_TURN_MS && !this.hasSite) this.hasSite = this.wantsSite = true;
  }

  /** The turn is over, or the hooks go off. */
  end() {
    const ms = this.lastAt - this.startedAt;
    if (this.nJobs < MIN_JOBS || ms < LONG_TURN_MS || this.longestMs > MAX_BATCH_PART * ms) return;
    const { offsetMs, startedAt, lastAt, nJobs, nTicks, site } = this;
    this.ring.push(JOBS, nJobs, startedAt + offsetMs, lastAt + offsetMs, nTicks, 0, 0, this.hasSite ? site : 0);
  }
}

module.exports = { JobTurns };
