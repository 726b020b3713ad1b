'use strict';
/**
 * The counters recorder of one thread: puts the counting wrappers on, hands out what they counted about once a second, and
 * takes them off. `wrap-*.cjs` say what is counted, `tally.cjs` how.
 *
 * It runs in the target's own threads and needs what it replaces: it is loaded at start, before the target can replace
 * anything itself.
 */

const { syncBuiltinESMExports } = require('module');
const { Patches } = require('./patch.cjs');
const { Lookups } = require('./lookups.cjs');
const { Tally } = require('./tally.cjs');
const { wrapBlocking } = require('./wrap-blocking.cjs');
const { wrapFiles } = require('./wrap-files.cjs');
const { countRequests, wrapHttp } = require('./wrap-http.cjs');
const { wrapNet } = require('./wrap-net.cjs');
const { TimerCensus } = require('./wrap-timers.cjs');
const { wrapValues } = require('./wrap-values.cjs');

/** @typedef {'everything' | 'requests'} What */
/** @typedef {InstanceType<typeof Patches>} Wrappers */

const FLUSH_MS = 1000;
/** Cost of a wrapper apart from reading stacks, ms: measured, see README. */
const CALL_MS = 0.0002;
/** Share of the time beyond which the wrappers come off before the end of the phase. */
const MAX_SHARE = 0.1;

class Counters {
  /** @param {(lines: object) => void} post hands counts to the relay */
  constructor(post) {
    this.post = post;
    this.tally = new Tally();
    this.timers = new TimerCensus(this.tally);
    /** @type {Wrappers | undefined} */
    this.patches = undefined;
    /** @type {() => void} */
    this.forget = () => {};
    this.from = 0;
    this.flushDue = 0;
    this.tooDear = false;
  }

  get isOn() {
    return this.patches !== undefined;
  }

  /** @param {What} what @param {number} tMs */
  start(what, tMs) {
    const patches = new Patches();
    this.patches = patches;
    this.tooDear = false;
    this.tally.clear();
    if (what === 'requests') {
      countRequests(this.tally, patches);
    } else {
      this.forget = wrapValues(this.tally, patches);
      wrapBlocking(this.tally, patches);
      const lookups = new Lookups(this.tally);
      wrapHttp(this.tally, patches, lookups);
      wrapFiles(lookups, patches);
      wrapNet(this.tally, patches);
      this.timers.start(patches);
      // Named imports of ES modules see the wrappers only so.
      syncBuiltinESMExports();
    }
    this.from = tMs;
    this.flushDue = tMs + FLUSH_MS;
  }

  /** Call it some times a second. @param {number} tMs */
  onTick(tMs) {
    if (!this.isOn) return;
    this.tally.adapt();
    if (tMs >= this.flushDue) this.flush(tMs, false);
  }

  /** @param {number} tMs @param {boolean} isLast */
  flush(tMs, isLast) {
    this.forget();
    const counts = this.tally.take();
    const nCalls = counts.totals.reduce((n, row) => n + /** @type {number} */ (row[2]), 0);
    const costMs = counts.spent_ms + nCalls * CALL_MS;
    const lasted = tMs - this.from;
    this.post({ t_ms: tMs, from_ms: this.from, ...counts, cost_ms: costMs, last: isLast, too_dear: this.tooDear });
    this.from = tMs;
    this.flushDue = tMs + FLUSH_MS;
    if (!isLast && costMs > MAX_SHARE * lasted && lasted >= FLUSH_MS) {
      this.tooDear = true;
      this.takeOff();
    }
  }

  /** Hands out the last counts. @param {number} tMs */
  stop(tMs) {
    if (!this.isOn) return;
    this.takeOff();
    this.patches = undefined;
    this.flush(tMs, true);
  }

  takeOff() {
    this.patches?.removeAll();
    syncBuiltinESMExports();
  }
}

module.exports = { Counters };
