'use strict';
/**
 * Reads what V8 prints of optimising functions and of throwing their code away, and sums it up by function. Pure: it is given
 * text and times, and opens nothing.
 *
 * ```text
 * [completed compiling 0x3a… <JSFunction area (sfi = 0x6a…)> (target TURBOFAN) OSR - took 0.011, 0.835, 0.046 ms]
 * [aborted optimizing 0x3a… <JSFunction area (sfi = 0x6a…)> (target TURBOFAN) because: Bailed out due to dependency change - took …]
 * [bailout (kind: deopt-eager, reason: wrong map): begin. deoptimizing 0x3a… <JSFunction area (sfi = 0x6a…)>, …, opt id 3, …]
 *             ;;; deoptimize at </srv/a.js:12:9> inlined at </srv/b.js:4:3>
 *   … what was in the frame (values of the target: never kept) …
 * ```
 *
 * That is V8 10.2 to 13.6; the last two lines are of 13.6 alone. What is not understood is left out, line by line.
 */

/** @typedef {[file: string, line: number, column: number]} Position line and column from 1 */
/**
 * @typedef {object} OptimisedFunction
 * @property {string} name empty where it has none
 * @property {Position | null} at a place in it, where V8 tells one
 * @property {number} nOptimised how often it was optimised, to run from its next call on
 * @property {number} nReplaced the same, to go on in the middle of a loop
 * @property {number} nAborted how often that was given up
 * @property {number} heldMs what that took of the thread's own time; the rest of it goes on beside
 * @property {Cause[]} causes why its code was thrown away, most frequent first
 * @property {number} firstMs
 * @property {number} lastMs
 */
/** @typedef {{ kind: string, reason: string, at: Position | null, count: number }} Cause `kind`: `eager`, `soft`, `lazy` */

/** Functions that are kept apart, and causes of each; more are only counted. */
const MAX_FUNCTIONS = 400;
const MAX_CAUSES = 20;
const MAX_NAME = 200;
/** A longer line is not of the form above. */
const MAX_LINE = 4096;

const FUNCTION = '0x[0-9a-f]+ <JSFunction(?: (.*?))? \\(sfi = (0x[0-9a-f]+)\\)>';
const TOOK = '- took (\\d+\\.\\d+), \\d+\\.\\d+, (\\d+\\.\\d+) ms';
const COMPILED = new RegExp(`^\\[(?:completed compiling|optimizing) ${FUNCTION} \\(target [A-Z_]+\\)( OSR)? ${TOOK}\\]$`);
const ABORTED = new RegExp(`^\\[aborted (?:optimizing|compiling) ${FUNCTION} \\(target [A-Z_]+\\)(?: OSR)? because: .*\\]$`);
const BAILOUT = new RegExp(
  `^\\[bailout \\(kind: (?:deopt-)?([a-z]{1,20}), reason: (.{1,80}?)\\): begin\\. deoptimizing ${FUNCTION}, .*opt id \\d+, .*\\]$`,
);
const POSITION = /^\s+;;; deoptimize at (<.*>)$/;
/** On the way up to better code, not down. */
const NO_LOSS = /^prepare for on stack replacement/;

class DeoptTrace {
  constructor() {
    /** @type {Map<string, OptimisedFunction>} by name and V8's address of what all its closures share */
    this.functions = new Map();
    /** What was left out for want of room. */
    this.nOther = 0;
    /** The beginning of a line that is not whole yet. */
    this.rest = '';
    /** Whether the line under way is too long, so that its end is skipped. */
    this.skips = false;
    /** @type {{ row: OptimisedFunction, cause: Cause } | undefined} a cause whose place may follow */
    this.begun = undefined;
  }

  /**
   * Takes the next piece of the text, cut anywhere, which V8 printed until `nowMs`.
   *
   * @param {string} text @param {number} nowMs
   */
  take(text, nowMs) {
    const lines = text.split('\n');
    lines.forEach((line, i) => {
      if (!this.skips && this.rest.length + line.length <= MAX_LINE) this.rest += line;
      else this.skips = true;
      if (i === lines.length - 1) return;
      if (!this.skips) this.takeLine(this.rest, nowMs);
      this.rest = '';
      this.skips = false;
    });
  }

  /** @param {string} line @param {number} nowMs */
  takeLine(line, nowMs) {
    if (!line.startsWith('[')) return this.takePlace(line);
    this.endCause();
    const compiled = COMPILED.exec(line);
    if (compiled) {
      const row = this.rowOf(compiled[1], compiled[2], nowMs);
      if (!row) return;
      if (compiled[3]) row.nReplaced += 1;
      else row.nOptimised += 1;
      row.heldMs += Number(compiled[4]) + Number(compiled[5]);
      return;
    }
    const aborted = ABORTED.exec(line);
    if (aborted) {
      const row = this.rowOf(aborted[1], aborted[2], nowMs);
      if (row) row.nAborted += 1;
      return;
    }
    const bailout = BAILOUT.exec(line);
    if (!bailout || NO_LOSS.test(bailout[2])) return;
    const row = this.rowOf(bailout[3], bailout[4], nowMs);
    if (row) this.begun = { row, cause: { kind: bailout[1], reason: bailout[2], at: null, count: 1 } };
  }

  /** @param {string} line */
  takePlace(line) {
    const found = this.begun && POSITION.exec(line);
    if (!this.begun || !found) return;
    const positions = positionsOf(found[1]);
    const within = positions.at(-1);
    if (!within) return;
    this.begun.cause.at = positions[0];
    this.begun.row.at = within;
  }

  endCause() {
    if (!this.begun) return;
    const { row: { causes }, cause } = this.begun;
    this.begun = undefined;
    const known = causes.find(({ kind, reason, at }) => kind === cause.kind && reason === cause.reason && String(at) === String(cause.at));
    if (known) known.count += 1;
    else if (causes.length < MAX_CAUSES) causes.push(cause);
    else this.nOther += 1;
  }

  /** @param {string | undefined} name @param {string} address @param {number} nowMs */
  rowOf(name = '', address, nowMs) {
    const key = `${address} ${name}`;
    const known = this.functions.get(key);
    if (known) {
      known.lastMs = nowMs;
      return known;
    }
    if (this.functions.size >= MAX_FUNCTIONS) {
      this.nOther += 1;
      return undefined;
    }
    /** @type {OptimisedFunction} */
    const row = {
      name: name.slice(0, MAX_NAME), at: null, nOptimised: 0, nReplaced: 0, nAborted: 0, heldMs: 0, causes: [], firstMs: nowMs, lastMs: nowMs,
    };
    this.functions.set(key, row);
    return row;
  }

  /** Returns all functions, those optimised or thrown away most often first. */
  finish() {
    this.endCause();
    const rows = [...this.functions.values()];
    for (const { causes } of rows) causes.sort((a, b) => b.count - a.count);
    return rows.sort((a, b) => timesOf(b) - timesOf(a));
  }
}

/** @param {OptimisedFunction} row */
function timesOf({ nOptimised, nReplaced, nAborted, causes }) {
  return nOptimised + nReplaced + nAborted + causes.reduce((n, { count }) => n + count, 0);
}

/** `<a.js:1:2> inlined at <b.js:3:4>`, the innermost first. @param {string} text @returns {Position[]} */
function positionsOf(text) {
  /** @type {Position[]} */
  const positions = [];
  for (const part of text.slice(1, -1).split('> inlined at <')) {
    const found = /^(.+):(\d{1,9}):(\d{1,9})$/.exec(part);
    if (!found || Number(found[2]) < 1) return [];
    positions.push([found[1], Number(found[2]), Number(found[3])]);
  }
  return positions;
}

module.exports = { DeoptTrace, MAX_FUNCTIONS };
