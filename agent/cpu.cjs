'use strict';
/**
 * The cpu recorder: samples the main thread and the worker threads with V8's profiler, driven from the relay's thread,
 * so that it goes on while they are stuck in a loop.
 *
 * A profile is cut into pieces of about a second. Stopping and starting the profiler would cost 15 to 60 ms each time,
 * because V8 logs all code anew; so the next piece is started before the last one is ended, and the profiler stays on:
 *
 * ```text
 * piece 1  |=============|
 * piece 2               |=============|
 * piece 3                             |=============| …
 * ```
 *
 * It neither filters nor joins pieces. `console.profile` of the inspector's console makes them: the global `console`
 * may be the target's own.
 */

const { WorkerLink, callsOf, withDeadline, workerOf } = require('./inspector.cjs');
const { affordableInterval, samplerThreads } = require('./sampling-cost.cjs');

/** @typedef {import('inspector').Session} Session */
/** @typedef {import('./inspector.cjs').Call} Call sends one inspector command to one thread */
/**
 * @typedef {object} Listener
 * @property {(threadId: number, piece: object) => void} piece
 * @property {(state: 'partial', why: string) => void} note
 * @property {(threadId: number, title: string, url: string) => void} threadStarted
 * @property {(threadId: number) => void} threadEnded
 * @property {(threadId: number) => boolean} isThreadUp whether the agent in that worker thread has told of itself
 */

const ROTATE_MS = 1000;
/** Without overlapping pieces each cut costs a restart of the profiler, so cut less often. */
const RESTART_EVERY_N_ROTATIONS = 5;
/** After so many refusals, pieces of that thread do not overlap. */
const MAX_CONSOLE_FAILURES = 3;
/** A worker thread that has not told of itself for so many rotations runs without the agent, and has long started. */
const ROTATIONS_UNTIL_STARTED = 3;
/** A thread can be deaf for long: in `Atomics.wait` or a synchronous child process. Idle pools of WASM threads always are. */
const MAIN_ANSWER_MS = 10_000;
const WORKER_ANSWER_MS = 2_000;

const INSPECTOR_CONSOLE = '(process.getBuiltinModule || require)("inspector").console';
/** Named, so that whoever reads the profile can leave its samples out. */
const ROTATE = 'function slowpathRotate(next, last) { if (next) this.profile(next); if (last) this.profileEnd(last); }';

class CpuRecorder {
  /**
   * @param {{ relayThreadId: number, profilerTaken: string | null }} given the thread to leave out, and who else uses
   *   V8's profiler in such a way that console profiles would disturb it
   * @param {Listener} listener
   */
  constructor({ relayThreadId, profilerTaken }, listener) {
    this.relayThreadId = relayThreadId;
    this.profilerTaken = profilerTaken;
    this.listener = listener;
    /** @type {Session | undefined} */
    this.session = undefined;
    /** @type {ThreadSampler | undefined} */
    this.main = undefined;
    /** @type {Map<string, WorkerConnection>} by the inspector's session id */
    this.workers = new Map();
    /** @type {Map<number, number>} pieces sent so far, by thread id */
    this.sequences = new Map();
    /** @type {NodeJS.Timeout | undefined} */
    this.timer = undefined;
    this.intervalUs = 0;
  }

  /**
   * Resolves once the main thread is being sampled.
   *
   * @param {number} intervalUs
   * @param {number} [maxShare] of a core that sampling one thread may cost: the interval is widened to keep it
   */
  async start(intervalUs, maxShare) {
    if (this.session) throw new Error('the cpu recorder is already on');
    const { Session } = require('inspector');
    const session = new Session();
    session.connectToMainThread();
    this.session = session;
    session.on('inspectorNotification', (message) => this.onNotification(message));

    this.main = new ThreadSampler(callsOf(session), intervalUs, () => true, this.piecesOf(0), this.listener.note);
    if (this.profilerTaken) this.main.spare(this.profilerTaken);
    try {
      await withDeadline(this.main.start(maxShare), MAIN_ANSWER_MS, 'the main thread');
    } catch (error) {
      this.abandon();
      throw error;
    }
    if (this.session !== session) throw new Error('the cpu recorder was stopped while it started');
    this.intervalUs = this.main.intervalUs;
    this.timer = setInterval(() => this.rotate(), ROTATE_MS);
    try {
      await callsOf(session)('NodeWorker.enable', { waitForDebuggerOnStart: false });
    } catch (error) {
      this.listener.note('partial', `worker threads cannot be sampled: ${text(error)}`);
    }
  }

  /** Resolves once every thread has handed out its last piece, or is found to be deaf. */
  async stop() {
    if (!this.main) return;
    clearInterval(this.timer);
    const sampled = [...this.workers.values()].filter(({ sampler }) => sampler.started);
    const workers = sampled.map(({ sampler }) =>
      withDeadline(sampler.stop(), WORKER_ANSWER_MS, 'a worker thread').catch((error) => {
        sampler.note('partial', `the last cpu piece of a worker thread is lost: ${text(error)}`);
      }),
    );
    try {
      await Promise.all([...workers, withDeadline(this.main.stop(), MAIN_ANSWER_MS, 'the main thread')]);
    } finally {
      this.abandon();
    }
  }

  /** Stops at once, without waiting for last pieces. Closing the session stops V8's profilers. */
  abandon() {
    clearInterval(this.timer);
    this.main = undefined;
    this.workers.clear();
    this.session?.disconnect();
    this.session = undefined;
  }

  rotate() {
    this.main?.rotate();
    for (const { sampler } of this.workers.values()) sampler.rotate();
  }

  /** @param {any} message */
  onNotification({ method, params }) {
    if (method === 'Profiler.consoleProfileFinished') this.main?.onProfile(params.title, params.profile);
    else if (method === 'NodeWorker.attachedToWorker') this.onWorkerAttached(params);
    else if (method === 'NodeWorker.detachedFromWorker') this.onWorkerDetached(params.sessionId);
    else if (method === 'NodeWorker.receivedMessageFromWorker') {
      this.workers.get(params.sessionId)?.link.onMessage(JSON.parse(params.message));
    }
  }

  /** @param {{ sessionId: string, workerInfo: { title: string, url: string } }} attached */
  onWorkerAttached({ sessionId, workerInfo: { title, url } }) {
    const session = this.session;
    const { threadId, name } = workerOf(title);
    if (!session || !threadId || threadId === this.relayThreadId) return;
    this.listener.threadStarted(threadId, name || title, url);
    const connection = new WorkerConnection(session, sessionId, threadId, (call) => {
      /** @returns {boolean} */
      const mayEvaluate = () =>
        this.listener.isThreadUp(threadId) || connection.sampler.nRotations >= ROTATIONS_UNTIL_STARTED;
      return new ThreadSampler(call, this.intervalUs, mayEvaluate, this.piecesOf(threadId), this.listener.note);
    });
    this.workers.set(sessionId, connection);
    if (this.profilerTaken) connection.sampler.spare(this.profilerTaken);
    connection.sampler.start().catch((error) => {
      connection.sampler.note('partial', `worker thread ${threadId} cannot be sampled: ${text(error)}`);
    });
  }

  /** The thread has ended: its unfinished piece is lost with it. @param {string} sessionId */
  onWorkerDetached(sessionId) {
    const worker = this.workers.get(sessionId);
    if (!worker) return;
    this.workers.delete(sessionId);
    worker.close();
    this.listener.threadEnded(worker.threadId);
  }

  /** Returns what numbers and hands on the pieces of one thread. @param {number} threadId */
  piecesOf(threadId) {
    return (/** @type {object} */ profile, /** @type {boolean} */ overlaps) => {
      const sequence = (this.sequences.get(threadId) ?? 0) + 1;
      this.sequences.set(threadId, sequence);
      this.listener.piece(threadId, { ...profile, slowpath: { sequence, overlaps } });
    };
  }
}

/** Samples one thread, through whatever carries inspector commands to it. */
class ThreadSampler {
  /**
   * @param {Call} call
   * @param {number} intervalUs
   * @param {() => boolean} mayEvaluate whether code may be run in the thread: not while Node still starts it
   * @param {(profile: object, overlaps: boolean) => void} onPiece
   * @param {(state: 'partial', why: string) => void} note
   */
  constructor(call, intervalUs, mayEvaluate, onPiece, note) {
    this.call = call;
    this.intervalUs = intervalUs;
    this.mayEvaluate = mayEvaluate;
    this.onPiece = onPiece;
    this.note = note;
    /** @type {string | undefined} the inspector's console in the thread; without it pieces cannot overlap */
    this.consoleId = undefined;
    this.nConsoleFailures = 0;
    this.mayForgetOptimizedCode = true;
    /** The current piece was begun by `Profiler.start`, as the first one always is: that runs no code in the thread. */
    this.plain = true;
    this.started = false;
    this.titlePrefix = `slowpath-${process.pid}-${process.hrtime.bigint()}-`;
    this.nTitles = 0;
    this.nRotations = 0;
    /** @type {Promise<void> | undefined} the command under way: a deaf thread must not gather a queue of them */
    this.busy = undefined;
  }

  /** @param {number} [maxShare] of a core that sampling may cost */
  start(maxShare) {
    return this.exclusively(async () => {
      await this.call('Profiler.enable');
      const others = samplerThreads();
      await this.startProfiler();
      if (maxShare) {
        const affordable = await affordableInterval(this.intervalUs, maxShare, others);
        if (affordable > this.intervalUs) {
          await this.stopPlain(false);
          this.intervalUs = affordable;
          await this.startProfiler();
        }
      }
      this.started = true;
      if (this.mayForgetOptimizedCode) await this.forgetOptimizedCode();
    });
  }

  async startProfiler() {
    await this.call('Profiler.setSamplingInterval', { interval: this.intervalUs });
    await this.call('Profiler.start');
  }

  /**
   * Makes V8 optimize its hot code anew. What it had optimized before the profiler was on has no record of which calls
   * were inlined: a hot function would then have no samples at all, and its caller would have them. Switching to precise coverage drops all optimized code, and that is all we want of it.
   */
  async forgetOptimizedCode() {
    await this.call('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
    await this.call('Profiler.stopPreciseCoverage');
  }

  /** Begins the next piece and ends the current one, in this order wherever the thread allows it. */
  rotate() {
    if (this.busy || !this.started) return;
    this.nRotations += 1;
    this.exclusively(async () => {
      if (!this.consoleId && this.nConsoleFailures < MAX_CONSOLE_FAILURES && this.mayEvaluate()) await this.findConsole();
      if (this.consoleId) await this.cut('next');
      else if (this.nRotations % RESTART_EVERY_N_ROTATIONS === 0) await this.restart();
    }).catch((error) => this.note('partial', `a cpu piece is lost: ${text(error)}`));
  }

  /** Resolves after the last piece. */
  async stop() {
    await this.busy?.catch(() => {});
    await this.exclusively(async () => {
      await (this.plain ? this.stopPlain(false) : this.cut('last'));
      await this.call('Profiler.disable');
    });
  }

  /** @param {string} title @param {object} profile */
  onProfile(title, profile) {
    // The target's own `console.profile` shows up here too.
    if (title?.startsWith(this.titlePrefix)) this.onPiece(profile, true);
  }

  async findConsole() {
    try {
      const evaluated = await this.call('Runtime.evaluate', {
        expression: INSPECTOR_CONSOLE,
        includeCommandLineAPI: true,
        silent: true,
      });
      throwIfThrown(evaluated);
      this.consoleId = evaluated.result.objectId;
    } catch (error) {
      this.nConsoleFailures += 1;
      if (this.nConsoleFailures === MAX_CONSOLE_FAILURES) this.noteGaps(text(error));
    }
  }

  /** Does without everything that another user of V8's profiler would notice. @param {string} who */
  spare(who) {
    this.mayForgetOptimizedCode = false;
    this.noteGaps(who);
  }

  /** The pieces of this thread will not overlap. @param {string} why */
  noteGaps(why) {
    this.nConsoleFailures = MAX_CONSOLE_FAILURES;
    this.note('partial', `cpu pieces do not overlap, some samples between them are lost: ${why}`);
  }

  /** Begins the next piece, unless the current one is the `last`, and then ends the current one. @param {'next' | 'last'} what */
  async cut(what) {
    const current = this.plain ? '' : this.titlePrefix + this.nTitles;
    const next = what === 'last' ? '' : this.titlePrefix + (this.nTitles + 1);
    const called = await this.call('Runtime.callFunctionOn', {
      objectId: this.consoleId,
      functionDeclaration: ROTATE,
      arguments: [{ value: next }, { value: current }],
      silent: true,
    });
    throwIfThrown(called);
    this.nTitles += 1;
    if (this.plain) await this.stopPlain(true);
    this.plain = false;
  }

  async restart() {
    await this.stopPlain(false);
    await this.call('Profiler.start');
  }

  /** @param {boolean} overlaps */
  async stopPlain(overlaps) {
    const { profile } = await this.call('Profiler.stop');
    this.onPiece(profile, overlaps);
  }

  /** @param {() => Promise<void>} run */
  exclusively(run) {
    const busy = run().finally(() => {
      this.busy = undefined;
    });
    this.busy = busy;
    return busy;
  }
}

/** A worker thread that is sampled. */
class WorkerConnection {
  /**
   * @param {Session} session
   * @param {string} sessionId
   * @param {number} threadId
   * @param {(call: Call) => ThreadSampler} makeSampler
   */
  constructor(session, sessionId, threadId, makeSampler) {
    this.threadId = threadId;
    this.link = new WorkerLink(session, sessionId, (method, params) => {
      if (method === 'Profiler.consoleProfileFinished') this.sampler.onProfile(params.title, params.profile);
    });
    this.sampler = makeSampler(this.link.call);
  }

  /** The thread has ended, which is no fault. */
  close() {
    this.sampler.note = () => {};
    this.link.close();
  }
}

/** @param {{ exceptionDetails?: { text: string, exception?: { description?: string } } }} evaluated */
function throwIfThrown({ exceptionDetails: thrown }) {
  if (thrown) throw new Error(thrown.exception?.description?.split('\n')[0] ?? thrown.text);
}

/** @param {unknown} error */
function text(error) {
  return error instanceof Error ? error.message : String(/** @type {any} */ (error)?.message ?? error);
}

module.exports = { CpuRecorder };
