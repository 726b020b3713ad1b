'use strict';
/**
 * Counts: how often, how many bytes, how long, by kind, key and place in the code. Numbers of a kind and key are exact;
 * the places are those of a sample of the calls, each standing for the calls since the sampled one before.
 *
 * The sample is all calls at first, then one in `stride` on average, at random distances so that no pattern of calls hides.
 * Reading a stack costs some microseconds: the stride follows what all of it costs.
 */

const { CallSites } = require('./call-sites.cjs');
const { now } = require('./patch.cjs');

/** Calls of each kind and key whose place is read whatever it costs. */
const FIRST_N = 16;
/** Share of the time that reading stacks may take, and below which more of them are read. */
const MAX_SHARE = 0.02;
const MIN_SHARE = 0.007;
const MAX_STRIDE = 8192;
/** Kinds and keys counted apart; bounds the memory where a target talks to very many hosts. */
const MAX_COUNTERS = 600;
const OTHER_KEY = 'other';
/** The place of a call that was not sampled. */
const NOWHERE = Object.freeze({ site: 0, weight: 0 });

/** What is counted of one kind and key. */
class Counter {
  /** @param {string} kind @param {string} key */
  constructor(kind, key) {
    this.kind = kind;
    this.key = key;
    this.n = this.bytes = this.ms = this.maxBytes = 0;
    /** @type {Map<number, { n: number, nSampled: number, bytes: number, ms: number }> | undefined} by site */
    this.sites = undefined;
    this.nSampled = 0;
    /** Calls until the next one that is sampled, and how many that one stands for. */
    this.left = 1;
    this.weight = 1;
    /** Functions of the application that tell a place apart: the one that calls, and who calls that. */
    this.nOwn = 1;
    /** Frames that tell a place apart; undefined: as many as usual. @type {number | undefined} */
    this.nFrames = undefined;
  }

  clear() {
    this.n = this.bytes = this.ms = this.maxBytes = 0;
    this.sites = undefined;
  }
}

class Tally {
  constructor() {
    this.callSites = new CallSites();
    /** @type {Map<string, Counter>} */
    this.counters = new Map();
    this.stride = 1;
    this.spentMs = 0;
    this.windowStart = now();
    this.windowSpentMs = 0;
    this.random = 0x9e3779b9;
  }

  /** Returns the counter of `kind` and `key`. @param {string} kind @param {string} [key] @returns {Counter} */
  counter(kind, key = '') {
    const id = key === '' ? kind : `${kind} ${key}`;
    const known = this.counters.get(id);
    if (known) return known;
    if (this.counters.size >= MAX_COUNTERS && key !== OTHER_KEY) return this.counter(kind, OTHER_KEY);
    const counter = new Counter(kind, key);
    this.counters.set(id, counter);
    return counter;
  }

  /** Adds one call without asking who makes it. @param {Counter} counter @param {number} [bytes] @param {number} [ms] */
  add(counter, bytes = 0, ms = 0) {
    counter.n += 1;
    counter.bytes += bytes;
    counter.ms += ms;
    if (bytes > counter.maxBytes) counter.maxBytes = bytes;
  }

  /** Adds one call made by the running code. @param {Counter} counter @param {number} [bytes] @param {number} [ms] */
  call(counter, bytes = 0, ms = 0) {
    this.add(counter, bytes, ms);
    counter.left -= 1;
    if (counter.left <= 0) this.sample(counter, bytes, ms);
  }

  /**
   * The same; returns the place of the call where it was read, and for how many calls that stands: 0 where it was not.
   *
   * @param {Counter} counter @param {number} bytes @returns {{ site: number, weight: number }}
   */
  callAt(counter, bytes) {
    this.add(counter, bytes);
    counter.left -= 1;
    if (counter.left > 0) return NOWHERE;
    const { weight } = counter;
    return { site: this.sample(counter, bytes, 0), weight };
  }

  /** @param {Counter} counter @param {number} bytes @param {number} ms @returns {number} the place */
  sample(counter, bytes, ms) {
    const start = now();
    const site = this.callSites.capture(counter.nOwn, counter.nFrames);
    this.addAt(counter, site, counter.weight, bytes, ms);
    counter.nSampled += 1;
    counter.weight = counter.nSampled < FIRST_N ? 1 : this.drawGap();
    counter.left = counter.weight;
    const took = now() - start;
    this.spentMs += took;
    this.windowSpentMs += took;
    return site;
  }

  /**
   * Credits a site with a call that stands for `weight` calls.
   *
   * @param {Counter} counter @param {number} site @param {number} weight @param {number} bytes @param {number} ms
   */
  addAt(counter, site, weight, bytes, ms) {
    counter.sites ??= new Map();
    let share = counter.sites.get(site);
    if (!share) counter.sites.set(site, (share = { n: 0, nSampled: 0, bytes: 0, ms: 0 }));
    share.n += weight;
    share.nSampled += 1;
    share.bytes += weight * bytes;
    share.ms += weight * ms;
  }

  /** Returns a number from 1 to twice the stride, less one: the stride on average. */
  drawGap() {
    // xorshift32: `Math.random()` belongs to the target.
    this.random ^= this.random << 13;
    this.random ^= this.random >>> 17;
    this.random ^= this.random << 5;
    return 1 + ((this.random >>> 0) % (2 * this.stride - 1));
  }

  /** Fits the stride to what reading stacks has cost since the last call; call it some times a second. */
  adapt() {
    const t = now();
    const share = this.windowSpentMs / Math.max(t - this.windowStart, 1);
    if (share > MAX_SHARE) this.stride = Math.min(MAX_STRIDE, this.stride * 2 ** Math.ceil(Math.log2(share / MAX_SHARE)));
    else if (share < MIN_SHARE && this.stride > 1) this.stride = this.stride >> 1;
    this.windowStart = t;
    this.windowSpentMs = 0;
  }

  /** Forgets what was counted, not the places known. */
  clear() {
    for (const counter of this.counters.values()) counter.clear();
    this.spentMs = 0;
  }

  /** Returns what was counted since the last call, as PROTOCOL.md has it. */
  take() {
    const totals = [];
    const places = [];
    for (const counter of this.counters.values()) {
      const { kind, key, n, bytes, ms, maxBytes, sites } = counter;
      if (n > 0) totals.push([kind, key, n, bytes, round(ms), maxBytes]);
      for (const [site, at] of sites ?? []) places.push([kind, key, site, at.n, at.nSampled, at.bytes, round(at.ms)]);
      counter.clear();
    }
    const spentMs = round(this.spentMs);
    this.spentMs = 0;
    return { totals, places, sites: this.callSites.takeNews(), stride: this.stride, spent_ms: spentMs };
  }
}

/** To 0.1 µs. @param {number} ms */
function round(ms) {
  return Math.round(ms * 1e4) / 1e4;
}

module.exports = { Tally, Counter };
