'use strict';
/**
 * Hands out the code that the main thread and the worker threads really run: for each script asked for its text, the URL of its
 * source map, and where its functions begin and end. Driven from the relay's thread, at the end of a run; it keeps nothing switched on.
 *
 * V8 is asked rather than the disk, because loaders such as tsx compile in memory, and files change while a service runs.
 * Function ranges come from the coverage that V8 keeps anyway ("best effort"), which switches nothing on either.
 */

const { WorkerLink, callsOf, withDeadline, workerOf } = require('./inspector.cjs');

/** @typedef {import('./inspector.cjs').Call} Call */
/** @typedef {{ url: string, text: string, sourceMapUrl: string, functions: [string, number, number][] }} Source */

/** A thread can be deaf for long; what is not there by then is left out. */
const ANSWER_MS = 5_000;
/** Idle pools of WASM threads always are. */
const WORKER_ANSWER_MS = 1_000;
const MAX_SCRIPT_CHARS = 16 * 1024 * 1024;
const MAX_TOTAL_CHARS = 64 * 1024 * 1024;

/**
 * Calls `onSource` for every wanted script that a thread has loaded, in the order of `urls`, those of the main thread first.
 *
 * @param {string[]} urls as CPU profiles name them
 * @param {number} relayThreadId the thread to leave out
 * @param {(source: Source) => void} onSource
 */
async function readSources(urls, relayThreadId, onSource) {
  const { Session } = require('inspector');
  const session = new Session();
  session.connectToMainThread();
  const missing = new Set(urls);
  let nChars = 0;
  /** @param {Source} source */
  const take = (source) => {
    if (!missing.delete(source.url) || source.text.length > MAX_SCRIPT_CHARS) return;
    if (nChars + source.text.length > MAX_TOTAL_CHARS) return;
    nChars += source.text.length;
    onSource(source);
  };
  try {
    const main = new ThreadScripts(callsOf(session), ANSWER_MS);
    session.on('Debugger.scriptParsed', (/** @type {any} */ { params }) => main.onParsed(params));
    await main.read(missing, take);
    if (missing.size > 0) await readWorkers(session, missing, relayThreadId, take);
  } finally {
    // Closing the session switches the debuggers off, also where an answer is still missing.
    session.disconnect();
  }
}

/**
 * Reads what only worker threads have loaded. Threads of a pool run the same code: the first that has a script hands it out.
 *
 * @param {import('inspector').Session} session
 * @param {Set<string>} missing
 * @param {number} relayThreadId
 * @param {(source: Source) => void} take
 */
async function readWorkers(session, missing, relayThreadId, take) {
  /** @type {Map<string, InstanceType<typeof WorkerLink>>} */
  const links = new Map();
  /** @type {ThreadScripts[]} */
  const threads = [];
  session.on('NodeWorker.attachedToWorker', (/** @type {any} */ { params: { sessionId, workerInfo } }) => {
    const { threadId } = workerOf(workerInfo.title);
    if (!threadId || threadId === relayThreadId) return;
    const link = new WorkerLink(session, sessionId, (method, params) => {
      if (method === 'Debugger.scriptParsed') scripts.onParsed(params);
    });
    const scripts = new ThreadScripts(link.call, WORKER_ANSWER_MS);
    links.set(sessionId, link);
    threads.push(scripts);
  });
  session.on('NodeWorker.detachedFromWorker', (/** @type {any} */ { params }) => links.get(params.sessionId)?.close());
  session.on('NodeWorker.receivedMessageFromWorker', (/** @type {any} */ { params }) => {
    links.get(params.sessionId)?.onMessage(JSON.parse(params.message));
  });
  // Its answer comes after the threads that there are.
  await callsOf(session)('NodeWorker.enable', { waitForDebuggerOnStart: false });
  // Together: many may be deaf, and each would be waited for. One that is, or that ends meanwhile, leaves its scripts to the others
  // and to the disk.
  await Promise.all(threads.map((thread) => thread.read(missing, take).catch(() => {})));
}

/** The scripts of one thread. */
class ThreadScripts {
  /** @param {Call} call @param {number} answerMs how long the thread has for everything */
  constructor(call, answerMs) {
    this.unlimited = call;
    this.answerMs = answerMs;
    /** @type {Map<string, { scriptId: string, sourceMapUrl: string }>} the newest script of each URL */
    this.scripts = new Map();
  }

  /** @param {{ url: string, scriptId: string, sourceMapURL?: string }} parsed */
  onParsed({ url, scriptId, sourceMapURL = '' }) {
    this.scripts.set(url, { scriptId, sourceMapUrl: sourceMapURL });
  }

  /** @param {Set<string>} urls @param {(source: Source) => void} onSource */
  async read(urls, onSource) {
    const deadline = Date.now() + this.answerMs;
    /** @type {Call} */
    const call = (method, params) => withDeadline(this.unlimited(method, params), deadline - Date.now(), 'the thread');
    const ranges = await functionRanges(call, urls);
    // First of all: a `debugger` statement must not stop the target.
    await call('Debugger.setSkipAllPauses', { skip: true });
    await call('Debugger.enable');
    await call('Debugger.setSkipAllPauses', { skip: true });
    for (const url of [...urls]) {
      const script = this.scripts.get(url);
      if (!script || !urls.has(url)) continue; // Another thread may have handed it out meanwhile.
      const { scriptSource: text } = await call('Debugger.getScriptSource', { scriptId: script.scriptId });
      onSource({ url, text, sourceMapUrl: script.sourceMapUrl, functions: ranges.get(url) ?? [] });
    }
  }
}

/** Returns the functions of each wanted script. @param {Call} call @param {Set<string>} urls */
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
