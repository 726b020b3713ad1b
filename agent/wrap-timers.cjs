'use strict';
/**
 * The census of timers. Intervals are known from the start of the thread (a call of `setInterval` is rare, and is noted), so
 * that those of before the phase are counted too; `setTimeout` is counted in the phase.
 *
 * Runs of an interval are seen through accessors on the timer: Node reads `_onTimeout` when it runs it and sets
 * `_idleStart` after. No frame of ours is on the stack while the callback runs.
 */

const timers = require('timers');
const { Patches, now } = require('./patch.cjs');

/** @typedef {InstanceType<typeof import('./tally.cjs').Tally>} Tally */
/** @typedef {{ timer: WeakRef<any>, site: number, periodMs: number }} Interval */

/** Intervals known at once; a target that makes one per request loses the oldest. */
const MAX_INTERVALS = 1000;
/** Stacks read of intervals that are made while nothing is recorded: services make theirs at start. */
const MAX_EARLY_SITES = 100;

class TimerCensus {
  /** Begins to note intervals. @param {Tally} tally */
  constructor(tally) {
    this.tally = tally;
    /** @type {Set<Interval>} */
    this.intervals = new Set();
    this.nEarlySites = 0;
    /** @type {Map<any, () => void>} how to stop watching a timer */
    this.watched = new Map();
    this.on = false;
    this.notes = new Patches();
    for (const object of [globalThis, timers]) {
      this.notes.observe(object, 'setInterval', (timer, [, periodMs]) => this.note(timer, periodMs));
    }
  }

  /** @param {any} timer @param {unknown} periodMs */
  note(timer, periodMs) {
    const early = !this.on && this.nEarlySites < MAX_EARLY_SITES;
    if (early) this.nEarlySites += 1;
    const site = early || this.on ? this.tally.callSites.capture() : 0;
    const interval = { timer: new WeakRef(timer), site, periodMs: Math.max(1, Math.trunc(Number(periodMs)) || 1) };
    if (this.intervals.size >= MAX_INTERVALS) {
      const [oldest] = this.intervals;
      this.intervals.delete(oldest);
    }
    this.intervals.add(interval);
    if (this.on) {
      this.tally.add(this.tally.counter('timer.interval.made', `${interval.periodMs} ms`));
      this.watch(interval);
    }
  }

  /** Counts runs of intervals, and new timeouts, until `patches` are removed. @param {InstanceType<typeof Patches>} patches */
  start(patches) {
    this.on = true;
    const { tally } = this;
    for (const object of [globalThis, timers]) {
      patches.observe(object, 'setTimeout', (_, [, ms]) => {
        tally.call(tally.counter('timer.timeout', `${Math.max(1, Math.trunc(Number(ms)) || 1)} ms`));
      });
    }
    for (const interval of this.intervals) this.watch(interval);
    patches.undo.push(() => this.stop());
  }

  stop() {
    this.on = false;
    for (const unwatch of this.watched.values()) unwatch();
    this.watched.clear();
  }

  /** @param {Interval} interval */
  watch(interval) {
    const timer = interval.timer.deref();
    if (!timer || timer._destroyed || typeof timer._onTimeout !== 'function') {
      this.intervals.delete(interval);
      return;
    }
    const { tally } = this;
    const runs = tally.counter('timer.interval', `${interval.periodMs} ms`);
    const lag = tally.counter('timer.lag', `${interval.periodMs} ms`);
    let callback = timer._onTimeout;
    let idleStart = timer._idleStart;
    let began = 0;
    let lastBegan = 0;
    const visible = { enumerable: true, configurable: true };
    Object.defineProperty(timer, '_onTimeout', {
      ...visible,
      get() {
        if (began === 0) began = now();
        return callback;
      },
      set(value) {
        callback = value;
      },
    });
    Object.defineProperty(timer, '_idleStart', {
      ...visible,
      get: () => idleStart,
      set(value) {
        idleStart = value;
        if (began === 0) return;
        const ms = now() - began;
        tally.add(runs, 0, ms);
        tally.addAt(runs, interval.site, 1, 0, ms);
        if (lastBegan > 0) tally.add(lag, 0, Math.max(0, began - lastBegan - interval.periodMs));
        lastBegan = began;
        began = 0;
      },
    });
    this.watched.set(interval, () => {
      const writable = { ...visible, writable: true };
      Object.defineProperty(timer, '_onTimeout', { ...writable, value: callback });
      Object.defineProperty(timer, '_idleStart', { ...writable, value: idleStart });
    });
  }
}

module.exports = { TimerCensus };
