'use strict';
/**
 * When undici (`fetch`) sent a question on a socket. Its pools keep questions that wait for a free connection to themselves, and
 * no asynchronous resource stands for one; but what a socket answers was sent on it last, so a request that has waited for the
 * answer since before that moment has waited for the connection until then. A question that was not asked yet when the wait began
(a limiter let it go on later) has waited for a connection from then on only.
 */

/** @typedef {{ askedAt: number, sentAt: number, connectedAt: number }} Sent */

const { performance } = require('perf_hooks');

const now = performance.now.bind(performance);

class UndiciSockets {
  constructor() {
    /** @type {WeakMap<object, Sent>} by socket */
    this.sockets = new WeakMap();
    /** @type {WeakMap<object, number>} when each question was asked */
    this.asked = new WeakMap();
    this.onAsk = (/** @type {any} */ { request }) => this.asked.set(request, now());
    this.onSend = (/** @type {any} */ { request, socket }) => {
      this.note(socket, 'sentAt', now());
      this.note(socket, 'askedAt', this.asked.get(request) ?? 0);
    };
    this.onConnect = (/** @type {any} */ { socket }) => this.note(socket, 'connectedAt', now());
  }

  start() {
    const channels = require('diagnostics_channel');
    channels.subscribe('undici:request:create', this.onAsk);
    channels.subscribe('undici:client:sendHeaders', this.onSend);
    channels.subscribe('undici:client:connected', this.onConnect);
  }

  stop() {
    const channels = require('diagnostics_channel');
    channels.unsubscribe('undici:request:create', this.onAsk);
    channels.unsubscribe('undici:client:sendHeaders', this.onSend);
    channels.unsubscribe('undici:client:connected', this.onConnect);
  }

  /** @param {object | undefined} socket @param {keyof Sent} what @param {number} at */
  note(socket, what, at) {
    if (socket == null) return;
    const known = this.sockets.get(socket);
    if (known) known[what] = at;
    else this.sockets.set(socket, { askedAt: 0, sentAt: 0, connectedAt: 0, [what]: at });
  }

  /**
   * Returns from when and until when whoever waits for an answer of `socket` since `since` waited for the connection, and whether that
   * was made meanwhile; `undefined` where the question was sent at once, or not by undici.
   *
   * @param {object | undefined} socket @param {number} since
   */
  heldUntil(socket, since) {
    const sent = socket && this.sockets.get(socket);
    const from = sent ? Math.max(since, sent.askedAt) : since;
    if (!sent || sent.sentAt - from < LEAST_MS) return undefined;
    return { from, until: sent.sentAt, isConnect: sent.connectedAt > from };
  }
}

/** A question takes about so long from the call to the socket when nothing is in its way. */
const LEAST_MS = 1;

module.exports = { UndiciSockets };
