'use strict';
/**
 * Tells when an HTTP/2 server gets a request and has answered it, for which the Node versions that we know have no
 * diagnostics channel: sees the servers' `stream` event by an `emit` of its own while the async recorder is on.
 */

/** @typedef {{ method: string, url: string, socket: { localPort?: number } }} Head what is known of a request */

class Http2Requests {
  /**
   * @param {(stream: any, head: Head) => void} began
   * @param {(stream: any, status: number) => void} ended
   * @param {() => void} handled the server's listeners have returned
   */
  constructor(began, ended, handled) {
    this.began = began;
    this.ended = ended;
    this.handled = handled;
    /** @type {object[]} */
    this.prototypes = [];
  }

  /** Only where the target uses HTTP/2: loading the module takes some ms. */
  start() {
    if (!(/** @type {any} */ (process).moduleLoadList ?? []).includes('NativeModule http2')) return;
    const http2 = require('http2');
    // The classes are not exported; a server that never listens has their prototypes.
    for (const server of [http2.createServer(), http2.createSecureServer()]) this.patch(Object.getPrototypeOf(server));
  }

  /** @param {any} prototype */
  patch(prototype) {
    if (Object.hasOwn(prototype, 'emit')) return; // Somebody else was here: it stays theirs.
    const self = this;
    const { emit } = prototype;
    const { apply } = Reflect;
    prototype.emit = function (/** @type {string} */ event, /** @type {any} */ stream, /** @type {any} */ headers) {
      if (event !== 'stream' || self.prototypes.length === 0) return apply(emit, this, arguments);
      self.begin(stream, headers);
      try {
        return apply(emit, this, arguments);
      } finally {
        self.handled();
      }
    };
    this.prototypes.push(prototype);
  }

  /** @param {any} stream @param {any} headers */
  begin(stream, headers) {
    try {
      const head = { method: headers[':method'], url: headers[':path'], socket: { localPort: stream.session?.socket?.localPort } };
      stream.once('finish', () => this.ended(stream, Number(stream.sentHeaders?.[':status']) || 0));
      this.began(stream, head);
    } catch {
      // A stream of an unknown make is not followed.
    }
  }

  stop() {
    const { prototypes } = this;
    this.prototypes = [];
    for (const prototype of prototypes) delete (/** @type {any} */ (prototype).emit);
  }
}

module.exports = { Http2Requests };
