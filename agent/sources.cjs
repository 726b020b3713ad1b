'use strict';
/**
 * Hands out the code that the main thread really runs: for each script asked for its text, the URL of its source map, and
 * where its functions begin and end. Driven from the relay's thread, at the end of a run; it keeps nothing switched on.
 *
 * V8 is asked rather than the disk, because loaders such as tsx compile in memory, and files change while a service runs.
 * Function ranges come from the coverage that V8 keeps anyway ("best effort"), which switches nothing on either.
 */

const { callsOf, withDeadline } = require('./cpu.cjs');

/** @typedef {{ url: string, text: string, sourceMapUrl: string, functions: [string, number, number][] }} Source */

/** A thread can be deaf for long; what is not there by then is left out. */
const ANSWER_MS = 5_000;
const MAX_SCRIPT_CHARS = 16 * 1024 * 1024;
const MAX_TOTAL_CHARS = 64 * 1024 * 1024;

/**
 * Calls `onSource` for every wanted script that the main thread has loaded, in the order of `urls`.
 *
 * @param {string[]} urls as CPU profiles name them
 * @param {(source: Source) => void} onSource
 */
async function readSources(urls, onSource) {
  const { Session } = require('inspector');
  const session = new Session();
  session.connectToMainThread();
  /** @type {Map<string, string>} the newest script of each URL, with the URL of its source map */
  const scriptIds = new Map();
  const sourceMapUrls = new Map();
  session.on('Debugger.scriptParsed', (/** @type {any} */ { params: { url, scriptId, sourceMapURL = '' } }) => {
    scriptIds.set(url, scriptId);
    sourceMapUrls.set(url, sourceMapURL);
  });
  const deadline = Date.now() + ANSWER_MS;
  const post = callsOf(session);
  /** @type {import('./cpu.cjs').Call} */
  const call = (method, params) => withDeadline(post(method, params), deadline - Date.now(), 'the main thread');
  try {
    const ranges = await functionRanges(call, new Set(urls));
    // First of all: a `debugger` statement must not stop the target.
    await call('Debugger.setSkipAllPauses', { skip: true });
    await call('Debugger.enable');
    await call('Debugger.setSkipAllPauses', { skip: true });
    let nChars = 0;
    for (const url of urls) {
      const scriptId = scriptIds.get(url);
      if (!scriptId) continue;
      const { scriptSource: text } = await call('Debugger.getScriptSource', { scriptId });
      if (text.length > MAX_SCRIPT_CHARS || nChars + text.length > MAX_TOTAL_CHARS) continue;
      nChars += text.length;
      onSource({ url, text, sourceMapUrl: sourceMapUrls.get(url), functions: ranges.get(url) ?? [] });
    }
  } finally {
    // Closing the session switches the debugger off, also where an answer is still missing.
    session.disconnect();
  }
}

/** Returns the functions of each wanted script. @param {import('./cpu.cjs').Call} call @param {Set<string>} urls */
async function functionRanges(call, urls) {
  /** @type {Map<string, [string, number, number][]>} */
  const ranges = new Map();
  await call('Profiler.enable');
  const { result } = await call('Profiler.getBestEffortCoverage');
  await call('Profiler.disable');
  for (const { url, functions } of result) {
    if (!urls.has(url)) continue;
    const found = ranges.get(url) ?? [];
    for (const { functionName, ranges: [whole] } of functions) found.push([functionName, whole.startOffset, whole.endOffset]);
    ranges.set(url, found);
  }
  return ranges;
}

module.exports = { readSources };
