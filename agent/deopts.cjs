'use strict';
/**
 * The deopts recorder: which functions V8 optimises again and again, because their code does not last, and why. On all threads
 * of the process. V8 tells that to nobody but a trace, so its flags are set for the time of the phase, from the relay's thread,
 * and the trace goes into a file without a name.
 *
 * Of V8's traces only these are safe: `--trace-deopt` prints some of its words to standard output whatever else it is
 * told, and `--log-deopt` has the reasons without it. V8 ends the process where it cannot open the trace's file: so
 * that is one which is open already, under `/proc/self/fd`, and the recorder refuses, or ends early, where the process runs
 * short of file descriptors. The file is readable by nobody else and has no name any more when the first byte is written.
 */

const { closeSync, fstatSync, openSync, readFileSync, readSync, readdirSync, unlinkSync } = require('fs');
const { isAbsolute, join } = require('path');
const { StringDecoder } = require('string_decoder');
const { pathToFileURL } = require('url');
const v8 = require('v8');
const { DeoptTrace } = require('./deopt-trace.cjs');

/** @typedef {import('./deopt-trace.cjs').OptimisedFunction} OptimisedFunction */
/** @typedef {OptimisedFunction['at']} At */
/**
 * @typedef {object} Deopts
 * @property {number} ms length of the window
 * @property {number} n_other what was left out for want of room
 * @property {object[]} functions times are ms since the start of the window
 * @property {string} ended_early why, if it was
 */

const POLL_MS = 50;
const READ_BYTES = 64 * 1024;
/** Some thousand deoptimisations with all they print: that many tell enough. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Free file descriptors below which nothing is traced: V8 opens one at each line of the trace. */
const LEAST_FREE_FDS = 256;
/** V8 keeps so many characters of a file's name. */
const MAX_PATH = 127;
/** A line under way when the flags go off is written within this time. */
const LAST_LINES_MS = 20;

/** Versions of V8, times ten, whose flags were tried: 10.2 to 13.6, those of Node 18 to 24. */
const TRIED = [102, 136];
/** From this one on, V8 can tell the line of a deoptimisation without telling standard output something as well. */
const TELLS_LINES = 136;

const OWN_URL = pathToFileURL(__dirname).href;

/** The trace's file. V8 keeps its name for as long as the process lives: so there is one, and it stays open. */
let file = -1;

class DeoptRecorder {
  /** @param {string | null} tracerTaken who else uses V8's traces of code */
  constructor(tracerTaken) {
    this.tracerTaken = tracerTaken;
    /** @type {NodeJS.Timeout | undefined} */
    this.timer = undefined;
    this.trace = new DeoptTrace();
    this.buffer = Buffer.alloc(0);
    this.decoder = new StringDecoder('utf8');
    this.startedMs = 0;
    this.endedMs = 0;
    this.offset = 0;
    this.nBytes = 0;
    this.endedEarly = '';
  }

  get isOn() {
    return this.startedMs > 0;
  }

  start() {
    if (this.isOn) throw new Error('deoptimisations are already being recorded');
    const refused = this.tracerTaken ?? reasonNotTo();
    if (refused) throw new Error(`deoptimisations cannot be recorded: ${refused}`);
    const path = openTrace();
    this.trace = new DeoptTrace();
    this.buffer = Buffer.alloc(READ_BYTES);
    this.decoder = new StringDecoder('utf8');
    this.offset = fstatSync(file).size;
    this.nBytes = 0;
    this.endedEarly = '';
    this.startedMs = Date.now();
    this.endedMs = 0;
    // The file first: without it V8 would print to the target's standard output.
    v8.setFlagsFromString(`--redirect-code-traces-to=${path}`);
    v8.setFlagsFromString('--redirect-code-traces');
    v8.setFlagsFromString('--trace-opt');
    v8.setFlagsFromString('--log-deopt');
    if (versionOfV8() >= TELLS_LINES) v8.setFlagsFromString('--trace-deopt-verbose --no-trace-deopt');
    this.timer = setInterval(() => this.poll(), POLL_MS);
  }

  poll() {
    if (this.endedMs > 0) return;
    try {
      this.read();
    } catch (error) {
      this.endEarly(`the trace could not be read: ${/** @type {Error} */ (error).message}`);
      return;
    }
    if (this.nBytes > MAX_BYTES) this.endEarly('there were more deoptimisations than are worth reading');
    else if (!hasFreeFds(LEAST_FREE_FDS)) this.endEarly('the process was about to run out of file descriptors');
  }

  /** Takes what V8 has written since the last time. */
  read() {
    // Another thread that begins to trace empties the file.
    if (fstatSync(file).size < this.offset) this.offset = 0;
    for (;;) {
      const n = readSync(file, this.buffer, 0, READ_BYTES, this.offset);
      if (n === 0) return;
      this.offset += n;
      this.nBytes += n;
      this.trace.take(this.decoder.write(this.buffer.subarray(0, n)), Date.now() - this.startedMs);
    }
  }

  /** @param {string} why */
  endEarly(why) {
    this.switchOff();
    this.endedEarly = why;
  }

  switchOff() {
    stopTracing();
    this.endedMs = Date.now();
  }

  /** Returns what was optimised and thrown away since the start, and stops. @returns {Promise<Deopts>} */
  async stop() {
    if (!this.isOn) throw new Error('deoptimisations are not being recorded');
    if (this.endedMs === 0) this.switchOff();
    await new Promise((resolve) => setTimeout(resolve, LAST_LINES_MS));
    clearInterval(this.timer);
    this.read();
    const functions = this.trace.finish().map(functionOf).filter(({ at }) => !at?.[0].startsWith(OWN_URL));
    const { nOther } = this.trace;
    const ms = this.endedMs - this.startedMs;
    this.forget();
    return { ms, n_other: nOther, functions, ended_early: this.endedEarly };
  }

  /** Stops at once. */
  abandon() {
    if (!this.isOn) return;
    this.switchOff();
    clearInterval(this.timer);
    this.forget();
  }

  forget() {
    this.startedMs = 0;
    this.trace = new DeoptTrace();
    this.buffer = Buffer.alloc(0);
  }
}

/** Has V8 trace nothing more, on any thread. Where it would, it goes into the file still. */
function stopTracing() {
  v8.setFlagsFromString('--no-trace-deopt-verbose');
  v8.setFlagsFromString('--no-log-deopt');
  v8.setFlagsFromString('--no-trace-opt');
}

/** Returns why this process cannot be traced, or `null`. */
function reasonNotTo() {
  const version = versionOfV8();
  if (version < TRIED[0] || version > TRIED[1]) return `V8 ${process.versions.v8} was never tried`;
  return hasFreeFds(2 * LEAST_FREE_FDS) ? null : 'the process has few file descriptors left';
}

function versionOfV8() {
  const [major, minor] = process.versions.v8.split('.').map(Number);
  return 10 * major + minor;
}

/** Opens the file of the trace, where it is not open yet, and returns the path under which V8 finds it. */
function openTrace() {
  if (file < 0) {
    const path = join(__dirname, `deopts-${process.pid}`);
    const opened = openSync(path, 'ax+', 0o600);
    unlinkSync(path);
    file = opened;
  }
  const path = `/proc/self/fd/${file}`;
  if (path.length > MAX_PATH) throw new Error('deoptimisations cannot be recorded: no short path for their trace');
  // As V8 will: what fails here would end the process there.
  closeSync(openSync(path, 'a'));
  return path;
}

/** Whether the process can still open so many files; `false` where nothing tells. @param {number} n */
function hasFreeFds(n) {
  try {
    const soft = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? '0';
    return soft === 'unlimited' || Number(soft) - readdirSync('/proc/self/fd').length >= n;
  } catch {
    return false;
  }
}

/** Puts a function into the words of the protocol. @param {OptimisedFunction} row */
function functionOf({ name, at, nOptimised, nReplaced, nAborted, heldMs, causes, firstMs, lastMs }) {
  return {
    name, at: withUrl(at), optimised: nOptimised, replaced: nReplaced, aborted: nAborted, held_ms: heldMs, first_ms: firstMs, last_ms: lastMs,
    causes: causes.map((cause) => [cause.kind, cause.reason, withUrl(cause.at), cause.count]),
  };
}

/** Names the script as V8's profiler does: it gives paths of CommonJS modules as URLs. @param {At} position @returns {At} */
function withUrl(position) {
  if (position === null || !isAbsolute(position[0])) return position;
  const [path, line, column] = position;
  return [pathToFileURL(path).href, line, column];
}

module.exports = { DeoptRecorder };
