'use strict';
/**
 * Counts connections that the target opens, TLS handshakes and name look-ups by host, writes to sockets, and the Redis
 * commands in them. Works on sockets that were there before, because it changes the prototype.
 */

const { loadedBuiltin } = require('./patch.cjs');
const { RedisWrites } = require('./redis-writes.cjs');

/** @typedef {InstanceType<typeof import('./tally.cjs').Tally>} Tally */
/** @typedef {InstanceType<typeof import('./patch.cjs').Patches>} Patches */

/** A value from which on moving it costs more than the round trip: 64 KiB are some 0.5 ms at 1 Gbit/s. */
const LARGE_VALUE_BYTES = 64 * 1024;

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
      const begins = RedisWrites.begins(isMany ? data[0]?.chunk : data);
      redis.set(self, (connection = begins ? new RedisConnection(tally) : null));
    }
    connection?.take(self, isMany ? data : [{ chunk: data, encoding }]);
  });
}

/** What one connection to a Redis has sent. */
class RedisConnection {
  /** @param {Tally} tally */
  constructor(tally) {
    this.tally = tally;
    this.writes = new RedisWrites();
    this.write = tally.counter('redis.write');
    this.bytesRead = 0;
    /** The command that was sent alone last: what came back since is its reply. */
    this.alone = '';
  }

  /** @param {any} socket @param {{ chunk: any, encoding?: BufferEncoding }[]} chunks */
  take(socket, chunks) {
    const { tally } = this;
    const replyBytes = socket.bytesRead - this.bytesRead;
    this.bytesRead = socket.bytesRead;
    if (this.alone !== '' && replyBytes > 0) {
      tally.add(tally.counter('redis.reply', this.alone), replyBytes);
      if (replyBytes >= LARGE_VALUE_BYTES) tally.add(tally.counter('redis.large_reply', this.alone), replyBytes);
    }
    let n = 0;
    for (const { chunk, encoding } of chunks) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
      this.writes.take(bytes, (name, size) => {
        n += 1;
        this.alone = n === 1 ? name : '';
        tally.call(tally.counter('redis.command', name), size);
        if (size >= LARGE_VALUE_BYTES) tally.call(tally.counter('redis.large_value', name), size);
      });
    }
    if (n > 0) tally.add(this.write, n);
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
