'use strict';
/**
 * Sees which files are opened, through whatever function of `fs`: also one that the target took out of its module before, because
 * what is replaced is what all of them call in the end.
 */

/** @typedef {InstanceType<typeof import('./lookups.cjs').Lookups>} Lookups */
/** @typedef {InstanceType<typeof import('./patch.cjs').Patches>} Patches */

/** Of a file's flags: whether it is opened to be written, `O_ACCMODE`. */
const ACCESS = 3;
/** Arguments of `open` up to the mode; behind them comes who is told when it is done. */
const N_OF_OPEN = 3;

/** Taken before the target can replace it. */
const { binding } = /** @type {any} */ (process);

/** @param {Lookups} lookups @param {Patches} patches */
function wrapFiles(lookups, patches) {
  const files = fileBinding();
  if (!files) return;
  const opened = (/** @type {any[]} */ args, /** @type {boolean} */ isSync) => {
    const path = String(args[0]);
    if ((args[1] & ACCESS) === 0) lookups.file(path, isSync);
    else lookups.written(path);
  };
  patches.observe(files, 'open', (_, args) => opened(args, args[N_OF_OPEN] === undefined));
  patches.observe(files, 'openFileHandle', (_, args) => opened(args, false));
  patches.observe(files, 'readFileUtf8', (_, [path]) => {
    // A number is a file that is open already.
    if (typeof path === 'string') lookups.file(path, true);
  });
  patches.observe(files, 'rename', (_, [, to]) => lookups.written(String(to)));
}

/** Returns what `fs` itself calls; nothing where asking for it would print a warning, or is forbidden. */
function fileBinding() {
  const { execArgv, env } = process;
  const warns = [...execArgv, env.NODE_OPTIONS ?? ''].some((text) => text.includes('pending-deprecation'));
  if (warns || env.NODE_PENDING_DEPRECATION === '1') return undefined;
  try {
    return binding.call(process, 'fs');
  } catch {
    return undefined;
  }
}

module.exports = { wrapFiles };
