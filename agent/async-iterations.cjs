'use strict';
/** The iterations of the event loop, as the async recorder sees them: how long what runs now was ready before it was called. */

const { performance } = require('perf_hooks');
const { TIMEOUT } = require('./async-sources.cjs');

const { setImmediate } = globalThis;
const now = performance.now.bind(performance);

/** A pause between two callbacks that is longer than this was spent waiting for events. */
const IDLE_MS = 0.1;

class Iterations {
  constructor() {
    this.polledAt = 0;
    this.iterationStart = 0;
    this.inTimers = false;
    this.iterationEnd = 0;
    this.lastIterationMs = 0;
    this.hasMarker = false;
    this.mark = () => this.endIteration();
  }

  /** A window begins: what was before is not known. */
  forget() {
    this.iterationStart = 0;
    this.lastIterationMs = 0;
    this.hasMarker = false;
  }

  /** @param {number} t @param {number} type what the turn begins with @param {boolean} isWanted whether the iteration's end matters */
  turnBegins(t, type, isWanted) {
    if (this.iterationStart === 0) {
      this.iterationStart = t;
      this.polledAt = t;
      this.inTimers = type === TIMEOUT;
      if (t - this.iterationEnd > IDLE_MS) this.lastIterationMs = 0;
    } else if (this.inTimers && type > TIMEOUT) {
      // The loop runs timers first, then asks for events.
      this.inTimers = false;
      this.polledAt = t;
    }
    if (!this.hasMarker && isWanted) {
      this.hasMarker = true;
      setImmediate(this.mark).unref();
    }
  }

  /** Runs once an iteration of the loop, after its events. */
  endIteration() {
    this.hasMarker = false;
    if (this.iterationStart === 0) return;
    this.iterationEnd = now();
    this.lastIterationMs = this.iterationEnd - this.iterationStart;
    this.iterationStart = 0;
  }

  /**
   * Returns how long what runs now was ready but not called: since the loop fetched the events of this iteration; and as
   * it became ready at some moment of the iteration before, on average half of that.
   *
   * @param {number} t
   */
  queuedMs(t) {
    return t - this.polledAt + this.lastIterationMs / 2;
  }
}

module.exports = { Iterations };
