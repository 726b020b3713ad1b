'use strict';
/**
 * Which protocol the services speak that a target asks: has a look at the first pieces that an outbound connection writes and
 * reads, so that a database on an unusual port, asked by an unknown client, has its name.
 *
 * A socket that is looked at has a `push` and a `_writeGeneric` of its own for its next pieces, some at most; then they are
 * gone again. A host is looked at until one of its connections tells, or a few have told nothing: what runs for every piece of
 * every socket stays as it is. Pieces are only looked at, never kept.
 */

const { protocolOfWritten, protocolOfRead, looksLikeMysqlCommand } = require('./protocols.cjs');

/** @typedef {{ socket: any, remote: string, nWrites: number, nReads: number, afterMysqlCommand: boolean, own: [string, Function][] }} Look one connection that is looked at */

/** Pieces of a connection that are looked at in each direction: a question or two after those of the handshake. */
const MAX_PIECES = 4;
/** Connections of a host that are looked at: what so many do not tell, more would not. */
const MAX_CONNECTIONS = 8;
/** Connections that are looked at at once; one more ends the oldest look. */
const MAX_LOOKS = 64;
/** New connections in a window that are looked at before it is known where they lead. */
const MAX_NEW = 64;
/** Hosts that are remembered. */
const MAX_REMOTES = 1024;
/** Bytes of several pieces in one write that are put together; of text as many are made bytes. */
const MAX_BYTES = 4096;
const TEXTS = new Set([undefined, null, 'utf8', 'utf-8', 'latin1', 'binary', 'ascii', 'buffer']);

const { Buffer } = require('buffer');
const { apply, deleteProperty, defineProperty } = Reflect;
const { hasOwn } = Object;

class Looks {
  /** @param {(remote: string, protocol: string) => boolean} onKnown a host's protocol was recognised; returns whether that could be told */
  constructor(onKnown) {
    this.onKnown = onKnown;
    /** @type {Map<string, number>} connections of each host that may still be looked at */
    this.left = new Map();
    /** @type {Set<Look>} */
    this.looks = new Set();
    this.nNew = 0;
    this.onSocket = (/** @type {any} */ { socket }) => {
      if (this.nNew > 0) this.look(socket, '');
      this.nNew -= 1;
    };
  }

  /** A window opens. */
  begin() {
    this.nNew = MAX_NEW;
  }

  start() {
    require('diagnostics_channel').subscribe('net.client.socket', this.onSocket);
  }

  stop() {
    require('diagnostics_channel').unsubscribe('net.client.socket', this.onSocket);
    for (const look of this.looks) this.end(look);
  }

  /**
   * Begins to look at a connection, unless its host is known.
   *
   * @param {any} socket @param {string} remote host and port; empty where they are not known yet
   */
  look(socket, remote) {
    const { push, _writeGeneric } = socket;
    if (typeof push !== 'function' || typeof _writeGeneric !== 'function') return;
    if (hasOwn(socket, 'push') || hasOwn(socket, '_writeGeneric')) return; // Looked at already, or somebody else's.
    if (remote !== '' && !this.takes(remote)) return;
    const self = this;
    const ownPush = function (/** @type {any} */ chunk) {
      self.read(look, chunk);
      // @ts-ignore: the socket
      return apply(push, this, arguments);
    };
    const ownWrite = function (/** @type {boolean} */ isMany, /** @type {any} */ data, /** @type {any} */ encoding) {
      self.written(look, isMany ? data : [{ chunk: data, encoding }]);
      // @ts-ignore: the socket
      return apply(_writeGeneric, this, arguments);
    };
    /** @type {Look} */
    const look = { socket, remote, nWrites: 0, nReads: 0, afterMysqlCommand: false, own: [['_writeGeneric', ownWrite], ['push', ownPush]] };
    for (const [key, value] of look.own) {
      defineProperty(socket, key, { value, writable: true, enumerable: false, configurable: true });
    }
    for (const oldest of this.looks) {
      if (this.looks.size < MAX_LOOKS) break;
      this.end(oldest);
    }
    this.looks.add(look);
  }

  /** Whether one more connection of a host shall be looked at; counts it. @param {string} remote */
  takes(remote) {
    const left = this.left.get(remote) ?? (this.left.size < MAX_REMOTES ? MAX_CONNECTIONS : 0);
    if (left > 0) this.left.set(remote, left - 1);
    return left > 0;
  }

  /** @param {Look} look @param {{ chunk: any, encoding?: any }[]} pieces */
  written(look, pieces) {
    try {
      // A socket that is still connecting comes back with the same data.
      if (look.socket.connecting) return;
      const bytes = bytesOf(pieces);
      look.nWrites += 1;
      const protocol = bytes && protocolOfWritten(bytes);
      look.afterMysqlCommand = bytes !== undefined && looksLikeMysqlCommand(bytes);
      this.tell(look, protocol);
    } catch {
      this.end(look);
    }
  }

  /** @param {Look} look @param {any} chunk */
  read(look, chunk) {
    try {
      look.nReads += 1;
      this.tell(look, chunk instanceof Uint8Array ? protocolOfRead(chunk, look.afterMysqlCommand) : undefined);
    } catch {
      this.end(look);
    }
  }

  /** @param {Look} look @param {string | undefined} protocol */
  tell(look, protocol) {
    if (look.remote === '') {
      const { remoteAddress, remotePort } = look.socket;
      if (remoteAddress === undefined) return this.end(look); // A path, or already over.
      look.remote = remoteOf(look.socket, remoteAddress, remotePort) ?? '';
      if (!this.takes(look.remote)) return this.end(look);
    }
    if (protocol !== undefined && this.left.get(look.remote) !== KNOWN && this.onKnown(look.remote, protocol)) {
      this.left.set(look.remote, KNOWN);
    }
    if (protocol !== undefined || look.nWrites >= MAX_PIECES || look.nReads >= MAX_PIECES) this.end(look);
  }

  /** Leaves a socket as it was; what somebody has put over ours meanwhile stays. @param {Look} look */
  end(look) {
    this.looks.delete(look);
    for (const [key, own] of look.own) if (look.socket[key] === own) deleteProperty(look.socket, key);
  }
}

/** In place of the connections that may be looked at. */
const KNOWN = -1;

/** Names a service as all records do: the host as it was asked for, else its address. @param {any} socket @param {string | undefined} address @param {number | undefined} port */
function remoteOf(socket, address, port) {
  const host = socket?._host || socket?.servername || address;
  return host ? `${host}:${port ?? ''}`.slice(0, MAX_REMOTE) : undefined;
}
const MAX_REMOTE = 200;

/** Returns what was written as bytes, the first of it at least; `undefined` where it is no text or bytes. @param {{ chunk: any, encoding?: any }[]} pieces */
function bytesOf(pieces) {
  if (pieces.length === 1 && pieces[0].chunk instanceof Uint8Array) return pieces[0].chunk;
  /** @type {Uint8Array[]} */
  const parts = [];
  let length = 0;
  for (const { chunk, encoding } of pieces) {
    if (length >= MAX_BYTES) break;
    const isText = typeof chunk === 'string';
    if (isText ? !TEXTS.has(encoding) : !(chunk instanceof Uint8Array)) return undefined;
    const part = isText ? Buffer.from(chunk.slice(0, MAX_BYTES), encoding === 'latin1' || encoding === 'binary' ? 'latin1' : 'utf8') : chunk;
    parts.push(part);
    length += part.length;
  }
  return Buffer.concat(parts, length);
}

module.exports = { Looks, remoteOf };
