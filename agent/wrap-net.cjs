'use strict';
/**
 * Counts connections that the target opens, TLS handshakes and name look-ups by host, writes to sockets, and the Redis
 * commands in them. Works on sockets that were there before, because it changes the prototype.
 */

const { loadedBuiltin, now } = require('./patch.cjs');
const { RedisPairs } = require('./redis-pairs.cjs');
const { RedisReplies } = require('./redis-replies.cjs');
const { RedisWrites } = require('./redis-writes.cjs');

/** @typedef {InstanceType<typeof import('./tally.cjs').Tally>} Tally */
/** @typedef {InstanceType<typeof import('./patch.cjs').Patches>} Patches */

/** A value from which on moving it costs more than the round trip: 64 KiB are some 0.5 ms at 1 Gbit/s. */
const LARGE_VALUE_BYTES = 64 * 1024;

/** Connections to a Redis that are followed: a pool has some dozen. */
const MAX_CONNECTIONS = 1024;

const { apply, defineProperty, deleteProperty } = Reflect;
const { hasOwn } = Object;

/** @param {Tally} tally @param {Patches} patches */
function wrapNet(tally, patches) {
  const net = loadedBuiltin('net');
  if (!net) return;
  patches.observe(net.Socket.prototype, 'connect', (_, args, self, ms) => {
    const [first, second] = Array.isArray(args[0]) ? args[0] : args;
    const given = typeof first === 'object' && first !== null ? first : { port: first, host: second };
    const host = given.path ? 'a local socket' : `${given.host ?? 'localhost'}:${given.port}`;
    tally.call(tally.counter('net.connect', host), 0, ms);
    if (self.encrypted) tally.add(tally.counter('tls.connect', host));
  });
  const dns = loadedBuiltin('dns');
  for (const module of dns ? [dns, dns.promises] : []) {
    patches.observe(module, 'lookup', (_, [host]) => tally.call(tally.counter('dns.lookup', String(host))));
  }

  /** @type {WeakMap<object, RedisConnection | null>} */
  const redis = new WeakMap();
  /** @type {Set<RedisConnection>} */
  const read = new Set();
  patches.undo.push(() => read.forEach((connection) => connection.end()));
  patches.observe(net.Socket.prototype, '_writeGeneric', (_, [isMany, data, encoding], self, ms) => {
    // A socket that is still connecting comes back with the same data.
    if (self.connecting) return;
    if (self._isStdio) {
      return tally.call(tally.counter('stdout', self.isTTY ? 'terminal' : 'pipe'), sizeOf(isMany, data), ms);
    }
    if (self.server) return tally.add(tally.counter('socket.write', 'inbound'), sizeOf(isMany, data), ms);
    tally.add(tally.counter('socket.write', 'outbound'), sizeOf(isMany, data), ms);
    let connection = redis.get(self);
    if (connection === undefined) {
      const begins = read.size < MAX_CONNECTIONS && RedisWrites.begins(isMany ? data[0]?.chunk : data);
      redis.set(self, (connection = begins ? new RedisConnection(tally, self) : null));
      if (connection) read.add(connection);
    }
    connection?.take(isMany ? data : [{ chunk: data, encoding }]);
  });
}

/** What one connection to a Redis has sent, and what came back. */
class RedisConnection {
  /** @param {Tally} tally @param {any} socket */
  constructor(tally, socket) {
    this.tally = tally;
    this.socket = socket;
    this.writes = new RedisWrites();
    this.write = tally.counter('redis.write');
    this.replies = new RedisReplies();
    this.pairs = new RedisPairs(socket.bytesRead === 0, (command, bytes) => this.paired(command, bytes));
    this.read();
  }

  /** @param {{ chunk: any, encoding?: BufferEncoding }[]} chunks */
  take(chunks) {
    const { tally } = this;
    const t = now();
    let n = 0;
    for (const { chunk, encoding } of chunks) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
      this.writes.take(bytes, (name, size) => {
        n += 1;
        const at = tally.callAt(tally.counter('redis.command', name), size);
        this.pairs.sent({ name, ...at }, t);
        if (size >= LARGE_VALUE_BYTES) tally.call(tally.counter('redis.large_value', name), size);
      });
    }
    if (n > 0) tally.add(this.write, n);
    if (!this.writes.isRedis) this.end();
  }

  /** @param {{ name: string, site: number, weight: number }} command @param {number} bytes */
  paired({ name, site, weight }, bytes) {
    const { tally } = this;
    tally.add(tally.counter('redis.reply', name), bytes);
    if (bytes < LARGE_VALUE_BYTES) return;
    const large = tally.counter('redis.large_reply', name);
    tally.add(large, bytes);
    // It comes with nobody on the stack: its place is that of its command.
    if (weight > 0) tally.addAt(large, site, weight, bytes, 0);
  }

  /** Gives the socket a `push` of its own, which looks at what is read before it is passed on. */
  read() {
    const { socket } = this;
    const { push } = socket;
    if (typeof push !== 'function' || hasOwn(socket, 'push')) return;
    const connection = this;
    this.own = function (/** @type {any} */ chunk) {
      connection.took(chunk);
      // @ts-ignore: the socket
      return apply(push, this, arguments);
    };
    defineProperty(socket, 'push', { value: this.own, configurable: true, writable: true, enumerable: false });
  }

  /** @param {any} chunk */
  took(chunk) {
    try {
      if (!(chunk instanceof Uint8Array)) return;
      const t = now();
      if (!this.replies.take(chunk, (type, bytes) => this.pairs.came(type, bytes, t))) this.pairs.missed();
    } catch {
      // What cannot be counted is still what the target reads.
    }
  }

  /** Takes the own `push` away again. */
  end() {
    const { socket, own } = this;
    this.own = undefined;
    if (own !== undefined && hasOwn(socket, 'push') && socket.push === own) deleteProperty(socket, 'push');
  }
}

/** Bytes, or characters of strings. @param {boolean} isMany @param {any} data */
function sizeOf(isMany, data) {
  if (!isMany) return data.length;
  let size = 0;
  for (const { chunk } of data) size += chunk.length;
  return size;
}

module.exports = { wrapNet };
