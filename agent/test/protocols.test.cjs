'use strict';
const test = require('node:test');
const assert = require('node:assert');
const { protocolOfWritten, protocolOfRead, looksLikeMysqlCommand } = require('../protocols.cjs');

/** Bytes from a text of characters and \\x escapes. @param {string} text */
const bytes = (text) => Buffer.from(text, 'latin1');
/** A message of Postgres. @param {string} letter @param {string} body */
const pg = (letter, body) => Buffer.concat([bytes(letter), int32(body.length + 4), bytes(body)]);
/** @param {number} n */
const int32 = (n) => bytes(String.fromCharCode((n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255));
/** A packet of MySQL. @param {number} sequence @param {string} body */
const mysql = (sequence, body) => Buffer.concat([bytes(String.fromCharCode(body.length & 255, body.length >> 8, 0, sequence)), bytes(body)]);
/** A message of MongoDB. @param {number} opcode @param {Buffer} body */
function mongo(opcode, body) {
  const head = Buffer.alloc(16);
  head.writeInt32LE(16 + body.length, 0);
  head.writeInt32LE(77, 4);
  head.writeInt32LE(opcode, 12);
  return Buffer.concat([head, body]);
}

const PING = bytes('*1\r\n$4\r\nPING\r\n');
const STARTUP = Buffer.concat([int32(8 + 11), int32(0x30000), bytes('user\0me\0\0\0\0')]);
const SSL_REQUEST = Buffer.concat([int32(8), int32(80877103)]);
const PREPARED = Buffer.concat([
  pg('P', '\0select secret from t where id = $1\0\0\0'), pg('B', '\0\0\0\0\0\x01\0\0\0\x017\0\0'), pg('D', 'P\0'), pg('E', '\0\0\0\0\0'), pg('S', ''),
]);
const ROWS = Buffer.concat([pg('T', '\0\x01a\0' + '\0'.repeat(18)), pg('D', '\0\x01\0\0\0\x01x'), pg('C', 'SELECT 1\0'), pg('Z', 'I')]);
const READY = Buffer.concat([pg('C', 'SET\0'), pg('Z', 'T')]);
const GREETING = mysql(0, '\x0a8.4.0-log\0\x08\0\0\0saltsalt\0\xff\xf7\xff\x02\0\xff\xdf\x15');
const MARIADB = mysql(0, '\x0a5.5.5-10.11.6-MariaDB\0\x08\0\0\0saltsalt\0\xff\xf7');
const RESULT = Buffer.concat([mysql(1, '\x01'), mysql(2, '\x03def\0\0\0\x01a\0\x0c?\0\0\0\0\0\x08\0\0\0\0'), mysql(3, '\x01x'), mysql(4, '\xfe\0\0\x02\0')]);
const COMMAND = mysql(0, '\x03select 1');
const OK = mysql(1, '\0\0\0\x02\0\0\0');
const OP_MSG = mongo(2013, Buffer.concat([Buffer.alloc(5), bytes('\x10\0\0\0\x10ping\0\x01\0\0\0\0')]));
const HELLO = mongo(2004, bytes('\0\0\0\0admin.$cmd\0\0\0\0\0\xff\xff\xff\xff\x05\0\0\0\0'));
const HELLO_REPLY = mongo(1, Buffer.concat([Buffer.alloc(16), bytes('\x01\0\0\0\x05\0\0\0\0')]));
const GET = bytes('GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n');

test('names a protocol by what a client writes first', () => {
  const cases = /** @type {const} */ ([
    [PING, 'redis'],
    [bytes('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$6\r\nsecret\r\n'), 'redis'],
    [STARTUP, 'postgres'],
    [SSL_REQUEST, 'postgres'],
    [pg('Q', 'select 1\0'), 'postgres'],
    [PREPARED, 'postgres'],
    [OP_MSG, 'mongo'],
    [HELLO, 'mongo'],
    [GET, 'http'],
    [bytes('POST /v1/chat HTTP/1.1\r\n'), 'http'],
  ]);
  for (const [written, protocol] of cases) assert.strictEqual(protocolOfWritten(written), protocol, written.toString('latin1'));
});

test('names a protocol by what a server sends', () => {
  const cases = /** @type {const} */ ([
    [bytes('*2\r\n$1\r\na\r\n$1\r\nb\r\n'), 'redis'],
    [bytes('$5\r\nhello\r\n'), 'redis'],
    [pg('R', '\0\0\0\x0aSCRAM-SHA-256\0\0'), 'postgres'],
    [pg('R', '\0\0\0\0'), 'postgres'],
    [ROWS, 'postgres'],
    [READY, 'postgres'],
    [GREETING, 'mysql'],
    [MARIADB, 'mysql'],
    [RESULT, 'mysql'],
    [OP_MSG, 'mongo'],
    [HELLO_REPLY, 'mongo'],
    [bytes('HTTP/1.1 200 OK\r\n'), 'http'],
  ]);
  for (const [read, protocol] of cases) assert.strictEqual(protocolOfRead(read), protocol, read.toString('latin1'));
});

test('takes a single packet for MySQL only as the answer to a command', () => {
  assert.strictEqual(looksLikeMysqlCommand(COMMAND), true);
  assert.strictEqual(protocolOfRead(OK), undefined);
  assert.strictEqual(protocolOfRead(OK, looksLikeMysqlCommand(COMMAND)), 'mysql');
  assert.strictEqual(protocolOfWritten(COMMAND), undefined);
});

test('names nothing that only looks like one', () => {
  const lookAlikes = [
    bytes('\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03' + 'r'.repeat(32)), // TLS, hello of a client
    bytes('\x16\x03\x03\0\x7a\x02\0\0\x76\x03\x03' + 'r'.repeat(64)),
    bytes('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    bytes('\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\x02\0\0\0\0\x02\0\0\0\0'), // HTTP/2, settings
    bytes('+OK Dovecot ready.\r\n'), // POP3, also Redis, also NATS
    bytes('-ERR no\r\n'),
    bytes(':1\r\n'),
    bytes('*\r\n$\r\n'),
    bytes('*0\r\n'),
    bytes('* OK IMAP4rev1 ready\r\n'),
    bytes('** markdown **\r\n'),
    bytes('$5.00 for all\r\n'),
    bytes('$3\r\nabcdef'),
    bytes('GET me\r\n'),
    bytes('get k\r\n'), // memcached
    bytes('VALUE k 0 1\r\nx\r\nEND\r\n'),
    bytes('220 mail.example ESMTP\r\n'),
    bytes('SSH-2.0-OpenSSH_9.6\r\n'),
    bytes('Quick brown foxes\0'),
    bytes('Roman numerals'),
    bytes('{"type":"hello"}\n'),
    bytes('AMQP\0\0\x09\x01'),
    bytes('\x01\0\0\0\0\0\x08\0\x0a\0\x0b\0\0\0\x01\xce'), // AMQP, a frame
    bytes('\x84\0\0\x01\x02\0\0\0\0'), // Cassandra
    bytes('\0\0\0\x1c\0\x03\0\x04\0\0\0\x01\0\x08producer' + 'x'.repeat(12)), // Kafka
    bytes('\x10\x10\0\x04MQTT\x04\x02\0<\0\x04abcd'),
    mongo(2013, Buffer.concat([bytes('\xf0\0\0\0'), Buffer.alloc(20)])), // flags that nobody defined
    mongo(9, Buffer.alloc(20)),
    mongo(2013, Buffer.alloc(2)),
    mysql(0, 'x8.0.1\0' + 'y'.repeat(20)),
    mysql(3, '\x01'),
    Buffer.alloc(64),
    Buffer.alloc(64, 255),
    Buffer.alloc(0),
  ];
  for (const piece of lookAlikes) {
    assert.strictEqual(protocolOfWritten(piece), undefined, piece.toString('latin1'));
    assert.strictEqual(protocolOfRead(piece), undefined, piece.toString('latin1'));
  }
});

test('never names another protocol when it sees only a part of a piece', () => {
  const written = /** @type {const} */ ([[PING, 'redis'], [STARTUP, 'postgres'], [PREPARED, 'postgres'], [OP_MSG, 'mongo'], [GET, 'http']]);
  const read = /** @type {const} */ ([[ROWS, 'postgres'], [GREETING, 'mysql'], [RESULT, 'mysql'], [HELLO_REPLY, 'mongo']]);
  for (const [pieces, protocolOf] of /** @type {const} */ ([[written, protocolOfWritten], [read, protocolOfRead]])) {
    for (const [piece, protocol] of pieces) {
      for (let from = 0; from < piece.length; from++) {
        for (let to = from; to <= piece.length; to++) {
          const named = protocolOf(piece.subarray(from, to));
          assert(named === undefined || named === protocol, `${named} of ${piece.subarray(from, to).toString('latin1')}`);
        }
      }
    }
  }
});

test('names hardly anything in noise', () => {
  let [seed, named] = [1, 0];
  const random = () => (seed = (seed * 48271) % 2147483647) & 255;
  for (let n = 0; n < 20_000; n++) {
    const noise = Buffer.from(Array.from({ length: 64 }, random));
    if (protocolOfWritten(noise) ?? protocolOfRead(noise, true)) named += 1;
  }
  assert.strictEqual(named, 0);
});
