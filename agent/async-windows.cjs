'use strict';
/**
 * When the hooks of the async recorder are on: in *windows* of a few requests' length with pauses between, so that on
 * average they cost no more than a share of the target's CPU time. V8 calls promise hooks for every promise of a thread or
 * for none, so that following a single request makes all of them dearer.
 *
 * ```text
 * hooks      [ settle |     follow      | last ones ]              [ settle | follow …
 *            ^ those under way before   ^ no new one ^ all ended, or too long   pause: what a request costs without
 * ```
 *
 * What the hooks cost is measured, not assumed: CPU time per request in windows against that in pauses. Where the target
 * uses so little CPU that nobody misses what they take, they stay on.
 */

const { performance } = require('perf_hooks');

/** @typedef {InstanceType<typeof import('./async-ring.cjs').AsyncRing>} AsyncRing */
/** @typedef {{ ms: number, cpuMs: number, nRequests: number }} Sums */

const now = performance.now.bind(performance);

/** Record kind, as in PROTOCOL.md. */
const HOOKS = 8;

/** What the hooks may add to the CPU time on average, as a share of it; the bar of the phase is 0.35, the profiler is on besides. */
const MAX_COST = 0.15;
/** Cores that the hooks may take of a thread that has time for it: half of what reports call disturbing. */
const FREE_CORES = 0.05;
/** How much dearer a request is with hooks until that is measured: common of services with some work of their own. */
const FIRST_RATIO = 1.5;
/** Requests on both sides from which on the ratio is measured; and what it may be, whatever a noisy machine says. */
const MIN_REQUESTS = 20;
const LEAST_RATIO = 1.05;
const LARGEST_RATIO = 8;

/** A pause before the first window: what requests cost without is measured before anything else. */
const FIRST_PAUSE_MS = 100;
/**
 * When hooks come on for the first time V8 optimises anew whatever makes promises, at some times the price for some tenths of
 * a second: that is got over with in a short window of which nothing is kept. Whoever takes the target's measure waits as long.
 */
const SETTLE_MS = 500;
const SETTLE_PART = 0.15;
const PRIMING_MS = 100;
const MIN_PAUSE_MS = 30;
/** Requests in a phase that are so few that all of them are followed; rules want at least 20. */
const FEW_REQUESTS = 200;
/** Windows are some requests long: those under way before must end, and those followed. */
const MIN_FOLLOW_MS = 100;
const FOLLOW_REQUESTS = 4;
/** Followed requests that take so many times as long as usual are cut when the window closes. */
const LAST_REQUESTS = 5;
const MIN_LAST_MS = 20;
/** Part of what the whole phase can afford that one window may take, so that there are several. */
const WINDOW_PART = 0.5;
/** Length that a phase of unknown length is taken for at first; later it is as long again as it has been. */
const OPEN_PHASE_MS = 5000;
/** Sums are written and halved after so long: V8 goes on optimising, and a service that runs for hours changes. */
const WRITE_MS = 1000;

class Windows {
  /**
   * @param {AsyncRing} ring
   * @param {number} offsetMs what to add to this thread's times for records
   * @param {() => number} cpuMs reads CPU time used so far
   * @param {number} phaseMs how long the recorder will be on, 0 where nobody knows
   */
  constructor(ring, offsetMs, cpuMs, phaseMs) {
    this.ring = ring;
    this.offsetMs = offsetMs;
    this.cpuMs = cpuMs;
    this.phaseMs = phaseMs;
    const t = now();
    this.startedAt = t;
    this.isOpen = false;
    /** Whether a request that comes now may be followed. */
    this.isFollowing = false;
    this.followFrom = t;
    this.followUntil = t;
    this.closeBy = t;
    this.pauseUntil = t + FIRST_PAUSE_MS;
    /** Whether V8 has still to get used to the hooks. */
    this.isPriming = false;
    this.isPrimed = false;
    this.settledAt = t + (phaseMs > 0 ? Math.min(SETTLE_MS, SETTLE_PART * phaseMs) : SETTLE_MS);

    /** @type {Sums} */
    this.on = { ms: 0, cpuMs: 0, nRequests: 0 };
    /** @type {Sums} */
    this.off = { ms: 0, cpuMs: 0, nRequests: 0 };
    /** What of the sums has been written. */
    this.written = { on: { ...this.on }, off: { ...this.off } };
    this.accountedAt = t;
    this.accountedCpuMs = cpuMs();
    this.writtenAt = t;
    /** Of answered requests: sums of durations and of their squares. */
    this.durationMs = 0;
    this.squaredMs = 0;
    this.nBegunOrEnded = 0;
    /** Whether any request has come: a thread that gets none pays for no hooks. */
    this.hasRequests = false;
  }

  /** A request has come. */
  requestBegan() {
    this.hasRequests = true;
    this.nBegunOrEnded += 1;
  }

  /** A request was answered. @param {number} ms how long it took */
  requestEnded(ms) {
    this.nBegunOrEnded += 1;
    this.durationMs += ms;
    this.squaredMs += ms * ms;
  }

  /** Adds what was used since the last call to the side that the hooks are on now. @param {number} t */
  account(t) {
    const cpuMs = this.cpuMs();
    const side = this.isOpen ? this.on : this.off;
    side.ms += t - this.accountedAt;
    side.cpuMs += cpuMs - this.accountedCpuMs;
    // What came and what was answered, on average: neither alone is the work of a short window.
    side.nRequests += this.nBegunOrEnded / 2;
    this.nBegunOrEnded = 0;
    this.accountedAt = t;
    this.accountedCpuMs = cpuMs;
  }

  /** Returns how long the requests take that time is spent in: their mean duration, weighted with it. @param {number} t */
  requestMs(t) {
    return this.durationMs > 0 ? this.squaredMs / this.durationMs : t - this.startedAt;
  }

  /** Returns how many requests come in a ms. */
  requestsPerMs() {
    const { on, off } = this;
    return (on.nRequests + off.nRequests) / Math.max(1, on.ms + off.ms);
  }

  /** Returns how many times as dear a request is with hooks. */
  ratio() {
    const { on, off } = this;
    if (Math.min(on.nRequests, off.nRequests) < MIN_REQUESTS || off.cpuMs <= 0) return FIRST_RATIO;
    const ratio = on.cpuMs / on.nRequests / (off.cpuMs / off.nRequests);
    return Math.min(Math.max(ratio, LEAST_RATIO), LARGEST_RATIO);
  }

  /** Returns how many cores the thread uses with hooks. @param {number} ratio */
  coresWithHooks(ratio) {
    const { on, off } = this;
    if (on.ms >= MIN_FOLLOW_MS) return on.cpuMs / on.ms;
    return off.ms > 0 ? Math.min(1, (ratio * off.cpuMs) / off.ms) : 1;
  }

  /**
   * Whether hooks may stay on: nobody misses what they take; or there are so few requests that with pauses hardly any
   * would be followed, each of which then has its time.
   */
  isFree() {
    if (this.hasFew()) return true;
    const ratio = this.ratio();
    return this.coresWithHooks(ratio) * (1 - 1 / ratio) <= FREE_CORES;
  }

  hasFew() {
    return this.requestsPerMs() * (this.phaseMs || OPEN_PHASE_MS) < FEW_REQUESTS;
  }

  /** Returns which share of the time the hooks may be on. */
  share() {
    const ratio = this.ratio();
    return this.isFree() ? 1 : Math.min(1, MAX_COST / (1 + MAX_COST) / (1 - 1 / ratio));
  }

  /** Returns the length of a window without the time for its last requests. @param {number} t */
  windowMs(t) {
    const ms = this.requestMs(t);
    const phaseMs = this.phaseMs || Math.max(OPEN_PHASE_MS, 2 * (t - this.startedAt));
    const longest = Math.max(MIN_FOLLOW_MS, WINDOW_PART * this.share() * phaseMs);
    return Math.min(ms + Math.max(MIN_FOLLOW_MS, FOLLOW_REQUESTS * ms), longest);
  }

  /** Whether a window may open: all windows, that one included, then cost no more than they may. @param {number} t */
  shallOpen(t) {
    if (this.isOpen || !this.hasRequests || t < this.pauseUntil) return false;
    this.account(t);
    if (this.isFree() || (!this.isPrimed && t < this.settledAt)) return true;
    const { on, off } = this;
    const ratio = this.ratio();
    const cpuMs = on.cpuMs + this.coresWithHooks(ratio) * (this.windowMs(t) + this.requestMs(t));
    return cpuMs * (1 - 1 / ratio) <= MAX_COST * (off.cpuMs + cpuMs / ratio);
  }

  /** @param {number} t */
  open(t) {
    this.account(t);
    const windowMs = this.windowMs(t);
    const ms = this.requestMs(t);
    this.isOpen = true;
    // Where hooks are free, so is their beginning.
    this.isPriming = !this.isPrimed && !this.isFree();
    this.isPrimed = true;
    if (this.isPriming) {
      this.followFrom = t;
      this.followUntil = this.closeBy = t + PRIMING_MS;
      return;
    }
    // Requests longer than a good part of the window would leave no time to follow any.
    this.followFrom = t + Math.min(ms, windowMs / 5);
    this.followUntil = t + windowMs;
    this.closeBy = this.followUntil + Math.max(MIN_LAST_MS, Math.min(LAST_REQUESTS * ms, windowMs));
  }

  /** Whether the window is over. @param {number} t @param {number} nFollowed requests under way that are followed */
  shallClose(t, nFollowed) {
    if (!this.isOpen) return false;
    if (t >= this.followUntil && this.isFollowing && !this.isPriming) {
      this.account(t);
      if (this.isFree()) this.followUntil = this.closeBy = t + MIN_FOLLOW_MS;
    }
    this.isFollowing = t >= this.followFrom && t < this.followUntil;
    return t >= this.followUntil && (nFollowed === 0 || t >= this.closeBy);
  }

  /** @param {number} t */
  close(t) {
    this.account(t);
    this.isOpen = false;
    this.isFollowing = false;
    this.pauseUntil = t + MIN_PAUSE_MS;
    if (this.isPriming) this.pauseUntil = Math.max(t, this.settledAt) + FIRST_PAUSE_MS;
  }

  /** @param {number} t */
  onTick(t) {
    if (this.isPriming && !this.isOpen && t >= this.settledAt) this.settle(t);
    else if (t - this.writtenAt >= WRITE_MS) this.forget(t);
  }

  /** Forgets what it cost to begin. @param {number} t */
  settle(t) {
    this.isPriming = false;
    this.write(t);
    this.on = { ms: 0, cpuMs: 0, nRequests: 0 };
    this.off = { ms: 0, cpuMs: 0, nRequests: 0 };
    this.written = { on: { ...this.on }, off: { ...this.off } };
  }

  /** Hands out what the sums have grown by. @param {number} t */
  write(t) {
    this.account(t);
    const { on, off, written } = this;
    const grown = (/** @type {Sums} */ sums, /** @type {Sums} */ was) => [
      sums.ms - was.ms, sums.cpuMs - was.cpuMs, sums.nRequests - was.nRequests,
    ];
    const [onMs, onCpuMs, nOn] = grown(on, written.on);
    const [offMs, offCpuMs, nOff] = grown(off, written.off);
    this.ring.push(HOOKS, onMs, t + this.offsetMs, onCpuMs, nOn, offMs, offCpuMs, nOff);
    this.written = { on: { ...on }, off: { ...off } };
    this.writtenAt = t;
  }

  /** @param {number} t */
  forget(t) {
    this.write(t);
    for (const side of [this.on, this.off]) {
      side.ms /= 2;
      side.cpuMs /= 2;
      side.nRequests /= 2;
    }
    this.durationMs /= 2;
    this.squaredMs /= 2;
    this.written = { on: { ...this.on }, off: { ...this.off } };
  }
}

module.exports = { Windows };
