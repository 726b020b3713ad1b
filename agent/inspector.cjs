'use strict';
/**
 * Inspector commands as promises: to the main thread, and through its session to worker threads.
 */

/** @typedef {import('inspector').Session} Session */
/** @typedef {(method: string, params?: object) => Promise<any>} Call */

/** Returns a promise-giving `post` of `session`. @param {Session} session @returns {Call} */
function callsOf(session) {
  return (method, params) =>
    new Promise((resolve, reject) => {
      session.post(method, params, (/** @type {unknown} */ error, /** @type {unknown} */ result) => {
        if (error) reject(error);
        else resolve(result);
      });
    });
}

/** Carries inspector commands to a worker thread, wrapped in messages of the main thread's session. */
class WorkerLink {
  /**
   * @param {Session} session on which `NodeWorker.enable` has told of the thread
   * @param {string} sessionId
   * @param {(method: string, params: any) => void} onEvent
   */
  constructor(session, sessionId, onEvent) {
    this.onEvent = onEvent;
    /** @type {Map<number, { resolve: (result: any) => void, reject: (error: Error) => void }>} */
    this.pending = new Map();
    let lastId = 0;
    /** @type {Call} */
    this.call = (method, params) => {
      return new Promise((resolve, reject) => {
        const id = ++lastId;
        this.pending.set(id, { resolve, reject });
        const message = JSON.stringify({ id, method, params });
        callsOf(session)('NodeWorker.sendMessageToWorker', { sessionId, message }).catch(reject);
      });
    };
  }

  /** @param {any} message an answer or a notification from the worker thread */
  onMessage({ id, result, error, method, params }) {
    if (method) return this.onEvent(method, params);
    const pending = this.pending.get(id);
    this.pending.delete(id);
    if (error) pending?.reject(new Error(error.message));
    else pending?.resolve(result);
  }

  /** Fails whatever still waits for an answer. */
  close() {
    for (const { reject } of this.pending.values()) reject(new Error('the thread has ended'));
    this.pending.clear();
  }
}

/** Returns what the inspector's title of a worker thread says: its number, 0 if none, and its name. @param {string} title */
function workerOf(title) {
  const [, id, name] = /^\[worker (\d+)\] ?(.*)$/.exec(title) ?? [];
  return { threadId: Number(id ?? 0), name };
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {number} ms
 * @param {string} who
 * @returns {Promise<T>}
 */
function withDeadline(promise, ms, who) {
  /** @type {NodeJS.Timeout} */
  let timer;
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${who} did not answer within ${ms / 1000} s`)), ms);
  });
  return /** @type {Promise<T>} */ (Promise.race([promise, deadline]).finally(() => clearTimeout(timer)));
}

module.exports = { WorkerLink, callsOf, withDeadline, workerOf };
