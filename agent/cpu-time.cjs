'use strict';
/**
 * How much CPU time this thread has used: of a process with one JavaScript thread of its own that is the process's, with
 * V8's helpers, the agent's relay and all; of a worker thread its own, from `/proc`.
 */

const { closeSync, openSync, readSync } = require('fs');
const { isMainThread } = require('worker_threads');

const { cpuUsage } = process;
/** The first number of the file, in ns, has at most 20 digits. */
const BYTES = 24;

class CpuTime {
  constructor() {
    /** @type {number | undefined} */
    this.file = isMainThread ? undefined : openOwn();
    this.bytes = Buffer.alloc(BYTES);
    this.read = () => this.ms();
  }

  /** Returns CPU time used so far, ms. */
  ms() {
    if (this.file !== undefined) {
      readSync(this.file, this.bytes, 0, BYTES, 0);
      return parseInt(this.bytes.toString('latin1'), 10) / 1e6;
    }
    const { user, system } = cpuUsage();
    return (user + system) / 1e3;
  }

  close() {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
  }
}

function openOwn() {
  try {
    return openSync('/proc/thread-self/schedstat', 'r');
  } catch {
    return undefined; // A kernel without it: the process's time is all there is.
  }
}

module.exports = { CpuTime };
