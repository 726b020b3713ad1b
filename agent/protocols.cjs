'use strict';
/**
 * Tells by a few bytes which protocol a connection speaks: those of Redis, Postgres, MySQL and MongoDB, and HTTP. Bytes
 * are looked at where they are and never kept: what is told is a name from `PROTOCOLS`.
 *
 * It is asked about whole pieces as a socket writes or reads them, at the beginning of a connection or anywhere later. What
 * it is not sure of it does not name: a piece may begin in the middle of a message.
 */

/** @typedef {'redis' | 'postgres' | 'mysql' | 'mongo' | 'http'} Protocol */

const [CR, LF, ZERO, NINE] = [13, 10, 48, 57];

/** Returns the protocol of what a client wrote. @param {Uint8Array} bytes @returns {Protocol | undefined} */
function protocolOfWritten(bytes) {
  if (isRespArray(bytes)) return 'redis';
  if (isHttpRequest(bytes)) return 'http';
  if (isMongoMessage(bytes)) return 'mongo';
  if (isPostgresStartup(bytes) || isPostgresQuestion(bytes)) return 'postgres';
  return undefined;
}

/**
 * Returns the protocol of what a server sent.
 *
 * @param {Uint8Array} bytes
 * @param {boolean} afterMysqlCommand whether what the client wrote last looked like a command to a MySQL, see `looksLikeMysqlCommand`
 * @returns {Protocol | undefined}
 */
function protocolOfRead(bytes, afterMysqlCommand = false) {
  if (isRespArray(bytes) || isRespBulk(bytes)) return 'redis';
  if (startsWith(bytes, 'HTTP/1.')) return 'http';
  if (isMongoMessage(bytes)) return 'mongo';
  if (isPostgresAuthentication(bytes) || isPostgresAnswer(bytes)) return 'postgres';
  if (isMysqlGreeting(bytes) || isMysqlAnswer(bytes, afterMysqlCommand)) return 'mysql';
  return undefined;
}

/** @param {Uint8Array} bytes @param {string} text */
function startsWith(bytes, text) {
  if (bytes.length < text.length) return false;
  for (let at = 0; at < text.length; at++) if (bytes[at] !== text.charCodeAt(at)) return false;
  return true;
}

/** Returns where a line of digits that begins at `at` ends, behind its line end; −1 where there is none. @param {Uint8Array} bytes @param {number} at */
function endOfCount(bytes, at) {
  const begin = at;
  while (at < bytes.length && at - begin < 10 && bytes[at] >= ZERO && bytes[at] <= NINE) at += 1;
  return at > begin && bytes[at] === CR && bytes[at + 1] === LF ? at + 2 : -1;
}

/** An array of bulk strings, which all commands and many replies are: `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`. @param {Uint8Array} bytes */
function isRespArray(bytes) {
  if (bytes[0] !== 42 || bytes[1] === ZERO) return false;
  const at = endOfCount(bytes, 1);
  return at > 0 && bytes[at] === 36 && endOfCount(bytes, at + 1) > 0;
}

/** One bulk string, all of it: `$1\r\nv\r\n`. @param {Uint8Array} bytes */
function isRespBulk(bytes) {
  const at = bytes[0] === 36 ? endOfCount(bytes, 1) : -1;
  if (at < 0) return false;
  let length = 0;
  for (let i = 1; i < at - 2; i++) length = length * 10 + bytes[i] - ZERO;
  const end = at + length;
  return bytes[end] === CR && bytes[end + 1] === LF;
}

const METHODS = ['GET ', 'POST ', 'PUT ', 'DELETE ', 'HEAD ', 'PATCH ', 'OPTIONS '];

/** A request line, all of it. @param {Uint8Array} bytes */
function isHttpRequest(bytes) {
  if (!METHODS.some((method) => startsWith(bytes, method))) return false;
  const end = bytes.indexOf(CR);
  return end > 8 && startsWith(bytes.subarray(end - 8, end), 'HTTP/1.');
}

/** @param {Uint8Array} bytes @param {number} at */
const littleEndian = (bytes, at) => (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
/** @param {Uint8Array} bytes @param {number} at */
const bigEndian = (bytes, at) => ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;

const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_COMPRESSED = 2012;
const OP_MSG = 2013;
/** Largest message that a MongoDB takes. */
const MAX_MONGO_BYTES = 48_000_000;
/** Flags of OP_MSG that are defined: checksum present, more to come, exhaust allowed. */
const MONGO_FLAGS = 0x10003;

/** A message's head (length, number, number of the question, opcode) with what must follow it. @param {Uint8Array} bytes */
function isMongoMessage(bytes) {
  if (bytes.length < 26) return false;
  const length = littleEndian(bytes, 0);
  if (length < 26 || length > MAX_MONGO_BYTES) return false;
  switch (littleEndian(bytes, 12)) {
    case OP_MSG:
      return (littleEndian(bytes, 16) & ~MONGO_FLAGS) === 0 && bytes[20] <= 1;
    case OP_COMPRESSED:
      return littleEndian(bytes, 16) === OP_MSG && bytes[24] <= 3;
    case OP_QUERY:
      return startsWith(bytes.subarray(20), 'admin.$cmd\0');
    case OP_REPLY:
      // One document, from the first on: the answer to the handshake.
      return bytes.length >= 36 && littleEndian(bytes, 28) === 0 && littleEndian(bytes, 32) === 1;
    default:
      return false;
  }
}

/** Protocol 3, and the numbers that ask for TLS, for GSSAPI and for an end. */
const POSTGRES_STARTUPS = new Set([0x30000, 0x30002, 80877103, 80877104, 80877102]);

/** What a client begins with: its length, and a number that no other protocol has there. @param {Uint8Array} bytes */
function isPostgresStartup(bytes) {
  return bytes.length >= 8 && bigEndian(bytes, 0) === bytes.length && POSTGRES_STARTUPS.has(bigEndian(bytes, 4));
}

const QUESTIONS = new Set([...'QPBDECHSFXdcfp'].map((letter) => letter.charCodeAt(0)));
const ANSWERS = new Set([...'RSKZ123TDCEINntsAVGHWdcv'].map((letter) => letter.charCodeAt(0)));
const [SYNC, FLUSH, QUERY, READY] = [...'SHQZ'].map((letter) => letter.charCodeAt(0));
/** Messages that follow one another and are all of the kind: more is not needed to be sure. */
const SURE = 4;

/**
 * Walks through messages of a letter and a length; returns how many heads there are, at most `SURE`, and where the last
 * message begins if `bytes` ends with it, else −1. No heads: one is not of the kind.
 *
 * @param {Uint8Array} bytes @param {Set<number>} letters
 */
function walkPostgres(bytes, letters) {
  let [n, at, last] = [0, 0, -1];
  while (at + 5 <= bytes.length && n < SURE) {
    const length = bigEndian(bytes, at + 1);
    if (!letters.has(bytes[at]) || length < 4) return { n: 0, last: -1 };
    last = at;
    at += 1 + length;
    n += 1;
  }
  return { n, last: at === bytes.length ? last : -1 };
}

/** Messages that end with one that asks for an answer. @param {Uint8Array} bytes */
function isPostgresQuestion(bytes) {
  const { n, last } = walkPostgres(bytes, QUESTIONS);
  if (n >= SURE) return true;
  if (n < 1 || last < 0) return false;
  const letter = bytes[last];
  if (letter === SYNC || letter === FLUSH) return n >= 2 && bytes.length - last === 5;
  return letter === QUERY && bytes.length - last > 6 && bytes[bytes.length - 1] === 0;
}

/** What a server sends first: which proof of identity it wants. @param {Uint8Array} bytes */
function isPostgresAuthentication(bytes) {
  if (bytes.length < 9 || bytes[0] !== 82) return false;
  const length = bigEndian(bytes, 1);
  return length >= 8 && length < 1024 && bigEndian(bytes, 5) <= 12;
}

/** An answer up to "ready for the next question", or at least some messages of it. @param {Uint8Array} bytes */
function isPostgresAnswer(bytes) {
  const { n, last } = walkPostgres(bytes, ANSWERS);
  if (n >= SURE) return true;
  return n >= 2 && last >= 0 && bytes[last] === READY && bytes.length - last === 6 && 'ITE'.includes(String.fromCharCode(bytes[last + 5]));
}

/** @param {Uint8Array} bytes @param {number} at */
const mysqlLength = (bytes, at) => bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);

/** What a server sends first: protocol 10, a version, a zero. @param {Uint8Array} bytes */
function isMysqlGreeting(bytes) {
  if (bytes.length < 20 || mysqlLength(bytes, 0) !== bytes.length - 4 || bytes[3] !== 0 || bytes[4] !== 10) return false;
  if (bytes[5] < ZERO || bytes[5] > NINE) return false;
  const end = bytes.subarray(5, 69).indexOf(0);
  return end > 0 && bytes.subarray(5, 5 + end).every((byte) => byte > 32 && byte < 127);
}

/** Quit, change of database, query, ping, prepare, execute, close and reset of a statement, reset of the connection. */
const MYSQL_COMMANDS = new Set([0x01, 0x02, 0x03, 0x0e, 0x16, 0x17, 0x19, 0x1a, 0x1f]);

/** Whether something is framed as one command to a MySQL; that alone does not make it one. @param {Uint8Array} bytes */
function looksLikeMysqlCommand(bytes) {
  return bytes.length >= 5 && bytes[3] === 0 && mysqlLength(bytes, 0) === bytes.length - 4 && MYSQL_COMMANDS.has(bytes[4]);
}

/** Packets numbered from 1 on without a gap; a single one only if it answers what looked like a command. @param {Uint8Array} bytes @param {boolean} afterCommand */
function isMysqlAnswer(bytes, afterCommand) {
  let [n, at] = [0, 0];
  while (at + 4 <= bytes.length && n < SURE) {
    const length = mysqlLength(bytes, at);
    if (length === 0 || bytes[at + 3] !== n + 1) return false;
    at += 4 + length;
    n += 1;
  }
  if (n >= SURE) return true;
  return at === bytes.length && (n >= 2 || (n === 1 && afterCommand));
}

module.exports = { protocolOfWritten, protocolOfRead, looksLikeMysqlCommand };
