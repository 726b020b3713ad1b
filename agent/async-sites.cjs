'use strict';
/**
 * Where in the code asynchronous work was begun: takes stacks, and numbers those that differ.
 *
 * Stacks come from a realm of our own (`vm`), so that the target's `Error.stackTraceLimit` and `Error.prepareStackTrace`
 * (source-map-support sets it) are neither used nor touched. Taking one costs 3 to 6 µs; it is read only for what a
 * request really waited for. Whose code a frame is, the reader of the recording decides, not this file.
 */

/** @typedef {InstanceType<typeof import('./async-ring.cjs').AsyncRing>} AsyncRing */
/** @typedef {{ stack?: unknown }} Trace a stack as V8 keeps it, not yet read */

/** Frames that V8 looks at: Node's own between hook and caller are some ten, but only the hook's where a promise is made. */
const STACK_DEPTH = 32;
const PROMISE_DEPTH = 14;
/** Frames outside Node that are kept, innermost first. */
const KEPT_FRAMES = 12;
/** Past this many different stacks, new ones count as "other"; one place takes about three, a record has 16 bits for them. */
const MAX_SITES = 60_000;
const MAX_FRAMES = 65_536;
/** Longer names and paths than this do not fit into a text of the ring. */
const MAX_NAME = 200;
const MAX_FILE = 1000;

const UNKNOWN = 0;
const OTHER = 1;

const REALM = `
  Error.stackTraceLimit = ${STACK_DEPTH};
  class Trace {}
  ({ Trace, Error, captureStackTrace: Error.captureStackTrace, read(f) { Error.prepareStackTrace = f; } })`;

class Sites {
  /** @param {AsyncRing} ring takes the definitions of new frames and sites */
  constructor(ring) {
    const { createContext, runInContext } = require('vm');
    const realm = runInContext(REALM, createContext({}));
    /** @type {NodeJS.CallSite[]} */
    this.callSites = [];
    realm.read((/** @type {unknown} */ _, /** @type {NodeJS.CallSite[]} */ callSites) => {
      this.callSites = callSites;
      return '';
    });
    this.ring = ring;
    /** @type {new () => Trace} */
    this.Trace = realm.Trace;
    /** @type {{ stackTraceLimit: number }} */
    this.Error = realm.Error;
    this.depth = STACK_DEPTH;
    /** @type {(trace: Trace, above: Function) => void} */
    this.captureStackTrace = realm.captureStackTrace;
    /** @type {Map<string, Map<number, number>>} frame ids by file and position */
    this.frames = new Map();
    this.nFrames = 0;
    /** @type {Map<number, number>} site ids by outer site and frame: a prefix tree */
    this.sites = new Map();
    this.nSites = OTHER;
    this.stringify = JSON.stringify;
  }

  /**
   * Takes the `depth` innermost frames of the present stack without what is called from `above`.
   *
   * @param {Function} above @param {number} depth @returns {Trace}
   */
  take(above, depth) {
    if (depth !== this.depth) this.Error.stackTraceLimit = this.depth = depth;
    const trace = new this.Trace();
    this.captureStackTrace(trace, above);
    return trace;
  }

  /**
   * Returns the number of a stack: 0 if there is no code outside Node on it, 1 if there are too many already.
   *
   * @param {Trace} trace
   */
  idOf(trace) {
    this.callSites = [];
    void trace.stack;
    const callSites = this.callSites;
    this.callSites = [];
    /** @type {NodeJS.CallSite[]} */
    const kept = [];
    /** @type {NodeJS.CallSite | undefined} what of Node the innermost code outside it called */
    let api;
    for (const callSite of callSites) {
      const file = callSite.getFileName();
      if (!file || file.startsWith('node:')) {
        if (kept.length === 0 && file && file !== 'node:internal/async_hooks') api = callSite;
      } else if (file.startsWith(__dirname)) continue; // A wrapper of ours.
      else if (kept.push(callSite) === KEPT_FRAMES) break;
    }
    if (kept.length === 0) return UNKNOWN;
    let site = UNKNOWN;
    for (let i = kept.length - 1; i >= 0; i--) site = this.below(site, kept[i]);
    return api ? this.below(site, api) : site;
  }

  /** Returns the site of `callSite` called from `outer`. @param {number} outer @param {NodeJS.CallSite} callSite */
  below(outer, callSite) {
    if (outer === OTHER) return OTHER;
    const frame = this.frameOf(callSite);
    const key = outer * MAX_FRAMES + frame;
    const known = this.sites.get(key);
    if (known !== undefined) return known;
    if (frame === 0 || this.nSites >= MAX_SITES) return OTHER;
    if (!this.ring.pushText(this.stringify({ site: this.nSites + 1, outer, frame }))) return OTHER;
    this.nSites += 1;
    this.sites.set(key, this.nSites);
    return this.nSites;
  }

  /** Returns the number of a place in the code, 0 when there are too many. @param {NodeJS.CallSite} callSite */
  frameOf(callSite) {
    const file = callSite.getFileName() ?? '';
    const position = /** @type {any} */ (callSite).getPosition();
    let ofFile = this.frames.get(file);
    if (!ofFile) this.frames.set(file, (ofFile = new Map()));
    const known = ofFile.get(position);
    if (known !== undefined) return known;
    if (this.nFrames + 1 >= MAX_FRAMES) return 0;
    const name = callSite.getFunctionName() ?? '';
    const definition = {
      frame: this.nFrames + 1,
      name: name.length > MAX_NAME ? name.slice(0, MAX_NAME) : name,
      file: file.length > MAX_FILE ? file.slice(-MAX_FILE) : file,
      line: callSite.getLineNumber() ?? 0,
      column: callSite.getColumnNumber() ?? 0,
    };
    if (!this.ring.pushText(this.stringify(definition))) return 0;
    this.nFrames += 1;
    ofFile.set(position, this.nFrames);
    return this.nFrames;
  }
}

module.exports = { Sites, UNKNOWN, STACK_DEPTH, PROMISE_DEPTH };
