'use strict';
/**
 * When undici (`fetch`) sent a question on a socket. Its pools keep questions that wait for a free connection to themselves, and
 * no asynchronous resource stands for one; but what a socket answers was sent on it last, so a request that has waited for the
 * answer since before that moment has waited for the connection until then.
 */

/** @typedef {{ sentAt: number, connectedAt: number }} Sent */

const { performance } = require('perf_hooks');

const now = performance.now.bind(performance);

class UndiciSockets {
  constructor() {
    /** @type {WeakMap<object, Sent>} by socket */
    this.sockets = new WeakMap();
    this.onSend = (/** @type {any} */ { socket }) => this.note(socket, 'sentAt');
    this.onConnect = (/** @type {any} */ { socket }) => this.note(socket, 'connectedAt');
  }

  start() {
    const channels = require('diagnostics_channel');
    channels.subscribe('undici:client:sendHeaders', this.onSend);
    channels.subscribe('undici:client:connected', this.onConnect);
  }

  stop() {
    const channels = require('diagnostics_channel');
    channels.unsubscribe('undici:client:sendHeaders', this.onSend);
    channels.unsubscribe('undici:client:connected', this.onConnect);
  }

  /** @param {object | undefined} socket @param {keyof Sent} what */
  note(socket, what) {
    if (socket == null) return;
    const known = this.sockets.get(socket);
    if (known) known[what] = now();
    else this.sockets.set(socket, { sentAt: 0, connectedAt: 0, [what]: now() });
  }

  /**
   * Returns until when whoever waits for an answer of `socket` since `since` waited for the connection, and whether that
   * was made meanwhile; `undefined` where the question was sent at once, or not by undici.
   *
   * @param {object | undefined} socket @param {number} since
   */
  heldUntil(socket, since) {
    const sent = socket && this.sockets.get(socket);
    if (!sent || sent.sentAt - since < LEAST_MS) return undefined;
    return { until: sent.sentAt, isConnect: sent.connectedAt > since };
  }
}

/** A question takes about so long from the call to the socket when nothing is in its way. */
const LEAST_MS = 1;

module.exports = { UndiciSockets };
