'use strict';
/**
 * Counts calls that hold the thread: `…Sync` of fs, zlib, crypto and child_process, hashing, and writing to the console and
 * to standard output. Calls of code that took the function out of its module before the phase are not seen; V8's samples
 * see them.
 */

const { fstatSync } = require('fs');
const { loadedBuiltin } = require('./patch.cjs');

/** @typedef {InstanceType<typeof import('./tally.cjs').Tally>} Tally */
/** @typedef {InstanceType<typeof import('./patch.cjs').Patches>} Patches */

/** Of crypto, beside the functions named `…Sync`: those that compute at once. */
const CRYPTO_AT_ONCE = ['createHash', 'createHmac', 'sign', 'verify', 'randomUUID'];
const CONSOLE = ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir', 'table'];

/** @param {Tally} tally @param {Patches} patches */
function wrapBlocking(tally, patches) {
  const stdout = tally.counter('stdout', 'file');
  const group = { depth: 0 };
  for (const name of ['fs', 'zlib', 'crypto', 'child_process']) {
    const module = loadedBuiltin(name) ?? {};
    const keys = Object.keys(module).filter((key) => key.endsWith('Sync'));
    for (const key of name === 'crypto' ? [...keys, ...CRYPTO_AT_ONCE] : keys) {
      const counter = tally.counter('sync', `${name}.${key}`);
      patches.observe(module, key, (result, args, _, ms) => {
        if (key === 'writeSync' && (args[0] === 1 || args[0] === 2)) tally.call(stdout, result, ms);
        else tally.call(counter, bytesOf(result), ms);
      }, group);
    }
  }

  const inConsole = { depth: 0 };
  for (const key of CONSOLE) {
    const counter = tally.counter('console', key);
    patches.observe(console, key, (_, __, ___, ms) => tally.call(counter, 0, ms), inConsole);
  }
  // Pipes and terminals are sockets, seen there. Where it is a file, touching `process.stdout` opens nothing.
  const file = isFile(1) ? process.stdout : isFile(2) ? process.stderr : undefined;
  if (!file) return;
  patches.observe(Object.getPrototypeOf(file), '_write', (_, [chunk], { fd }, ms) => {
    if (fd === 1 || fd === 2) tally.call(stdout, chunk?.length ?? 0, ms);
  });
}

/** Bytes or characters of what a call gave, 0 for anything else. @param {any} result */
function bytesOf(result) {
  return typeof result === 'string' || ArrayBuffer.isView(result) ? (/** @type {any} */ (result).length ?? 0) : 0;
}

/** @param {number} fd */
function isFile(fd) {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}

module.exports = { wrapBlocking };
