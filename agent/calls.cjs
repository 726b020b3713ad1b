'use strict';
/**
 * Counts how often each function of the main thread is called, with V8's precise coverage, driven from the relay's thread.
 *
 * Precise counts cost about a third of the throughput while they are on (V8 optimises less), so they have a phase of their
 * own. V8 counts per process what `NODE_V8_COVERAGE` counts too, so a target that runs with that is left alone.
 */

const { callsOf, withDeadline } = require('./inspector.cjs');

/** @typedef {[name: string, start: number, end: number, count: number]} FunctionCalls offsets in UTF-16 units */
/** @typedef {{ ms: number, scripts: { url: string, functions: FunctionCalls[] }[] }} Calls */

const ANSWER_MS = 10_000;
/** Functions handed out: those called most often. */
const MAX_FUNCTIONS = 4000;
/** Of Node's own functions, those that say what the target does: synchronous calls, and loading modules. */
const TELLING = /Sync$|^Module\._load$/;

class CallCounts {
  /** @param {string | null} profilerTaken who else uses V8's profiler */
  constructor(profilerTaken) {
    this.profilerTaken = profilerTaken;
    /** @type {import('inspector').Session | undefined} */
    this.session = undefined;
    this.startedMs = 0;
  }

  /** Resolves once calls are being counted. */
  async start() {
    if (this.session) throw new Error('calls are already being counted');
    if (this.profilerTaken) throw new Error(`calls cannot be counted: ${this.profilerTaken}`);
    const { Session } = require('inspector');
    const session = new Session();
    session.connectToMainThread();
    this.session = session;
    try {
      await this.call('Profiler.enable');
      await this.call('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
    } catch (error) {
      this.abandon();
      throw error;
    }
    this.startedMs = Date.now();
  }

  /** Returns the calls since the start, and stops counting. @returns {Promise<Calls>} */
  async stop() {
    try {
      const { result } = await this.call('Profiler.takePreciseCoverage');
      const ms = Date.now() - this.startedMs;
      await this.call('Profiler.stopPreciseCoverage');
      await this.call('Profiler.disable');
      return { ms, scripts: callsOfScripts(result) };
    } finally {
      this.abandon();
    }
  }

  /** Stops at once. Closing the session gives V8 back its optimiser. */
  abandon() {
    this.session?.disconnect();
    this.session = undefined;
  }

  /** @param {string} method @param {object} [params] */
  call(method, params) {
    if (!this.session) throw new Error('calls are not being counted');
    return withDeadline(callsOf(this.session)(method, params), ANSWER_MS, 'the main thread');
  }
}

/** @param {any[]} result as V8 gives it @returns {Calls['scripts']} */
function callsOfScripts(result) {
  const rows = [];
  for (const { url, functions } of result) {
    const isTarget = url.startsWith('file:') && !url.startsWith(OWN_URL);
    if (!isTarget && !url.startsWith('node:')) continue;
    for (const { functionName: name, ranges: [{ startOffset, endOffset, count }] } of functions) {
      if (count > 0 && (isTarget || TELLING.test(name))) rows.push({ url, name, startOffset, endOffset, count });
    }
  }
  rows.sort((a, b) => b.count - a.count);
  /** @type {Map<string, FunctionCalls[]>} */
  const byUrl = new Map();
  for (const { url, name, startOffset, endOffset, count } of rows.slice(0, MAX_FUNCTIONS)) {
    const functions = byUrl.get(url) ?? [];
    functions.push([name, startOffset, endOffset, count]);
    byUrl.set(url, functions);
  }
  return [...byUrl].map(([url, functions]) => ({ url, functions }));
}

const OWN_URL = require('url').pathToFileURL(__dirname).href;

module.exports = { CallCounts };
