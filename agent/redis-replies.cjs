'use strict';
/**
 * Tells the replies of a Redis apart in what its connection reads (RESP 2 and 3), however it is cut into pieces. Gives the type and the
 * size of each; values are skipped over, never kept.
 *
 * Reading may begin in the middle of a reply: what makes no sense is left out up to the end of its piece.
 */

const LF = 10;
const CR = 13;
/** Longer headers are none: a type, a sign and the digits of a length. */
const MAX_HEADER = 24;
/** Types whose line is all of the value: status, error, number, null, boolean, double, big number. */
const LINES = '+-:_#,(';
/** Types with a length in bytes: string, verbatim string, error. */
const STRINGS = '$=!';
/** Values that follow, by a count of elements: array, set, push, map, attributes. Attributes come before their value. */
const AGGREGATES = new Map([['*', 1], ['~', 1], ['>', 1], ['%', 2], ['|', 2]]);

/** What comes without having been asked for. */
const PUSH = '>';

class RedisReplies {
  constructor() {
    /** Type of the reply that is being read; empty between replies. */
    this.type = '';
    this.bytes = 0;
    /** Values of it still to come. */
    this.left = 0;
    /** Bytes of a string, with its line end, still to come. */
    this.skip = 0;
    this.header = '';
    this.inLine = false;
  }

  /** A reply ended, or what was taken for one made no sense. */
  reset() {
    this.type = this.header = '';
    this.bytes = this.left = this.skip = 0;
    this.inLine = false;
  }

  /**
   * Takes what was read next and calls `onReply` for each reply that ends in it.
   *
   * @param {Uint8Array} bytes @param {(type: string, bytes: number) => void} onReply
   * @returns {boolean} whether all of it made sense
   */
  take(bytes, onReply) {
    let at = 0;
    while (at < bytes.length) {
      const from = at;
      if (this.skip > 0) {
        at = Math.min(at + this.skip, bytes.length);
        this.skip -= at - from;
        this.bytes += at - from;
        if (this.skip === 0) this.endValue(onReply);
        continue;
      }
      const end = bytes.indexOf(LF, at);
      at = end < 0 ? bytes.length : end + 1;
      this.bytes += at - from;
      if (!this.inLine && !this.takeHeader(bytes, from, end < 0 ? at : end)) {
        this.reset();
        return false;
      }
      if (end >= 0 && !this.endLine(onReply)) {
        this.reset();
        return false;
      }
    }
    return true;
  }

  /** @param {Uint8Array} bytes @param {number} from @param {number} to @returns {boolean} whether it can be a header */
  takeHeader(bytes, from, to) {
    for (let i = from; i < to; i++) {
      if (bytes[i] === CR) continue;
      this.header += String.fromCharCode(bytes[i]);
      // The text of a line may be long, and is nobody's business.
      if (LINES.includes(this.header.charAt(0))) return (this.inLine = true);
      if (this.header.length > MAX_HEADER) return false;
    }
    return true;
  }

  /** @param {(type: string, bytes: number) => void} onReply @returns {boolean} whether the line that ends made sense */
  endLine(onReply) {
    const kind = this.header.charAt(0);
    const digits = this.header.slice(1);
    this.header = '';
    if (this.type === '') {
      this.type = kind;
      this.left = 1;
    }
    if (this.inLine) {
      this.inLine = false;
      this.endValue(onReply);
      return true;
    }
    if (!/^-?\d+$/.test(digits)) return false;
    const n = Number(digits);
    const each = AGGREGATES.get(kind);
    if (each !== undefined) {
      this.left += Math.max(n, 0) * each;
      if (kind === '|') {
        // What the attributes are of is still to come, and may be of any type.
        this.left += 1;
        if (this.type === '|') this.type = '_';
      }
      this.endValue(onReply);
      return true;
    }
    if (!STRINGS.includes(kind) || kind === '') return false;
    if (n < 0) this.endValue(onReply);
    else this.skip = n + 2;
    return true;
  }

  /** @param {(type: string, bytes: number) => void} onReply */
  endValue(onReply) {
    this.left -= 1;
    if (this.left > 0) return;
    const { type, bytes } = this;
    this.reset();
    if (type !== PUSH) onReply(type, bytes);
  }
}

/** What commands are answered with; the rest may be answered with anything. */
const ANSWERS = new Map(
  Object.entries({
    '+': 'AUTH DISCARD FLUSHALL FLUSHDB HMSET LSET LTRIM MSET MULTI PING PSETEX QUIT RENAME SELECT SET SETEX TYPE UNWATCH WATCH',
    $: 'ECHO GET GETDEL GETEX GETRANGE GETSET HGET HINCRBYFLOAT INCRBYFLOAT INFO LINDEX RANDOMKEY ZSCORE',
    ':':
      'APPEND DECR DECRBY DEL EXISTS EXPIRE EXPIREAT HDEL HEXISTS HINCRBY HLEN HSET HSETNX INCR INCRBY LLEN LPUSH LREM MSETNX PERSIST PEXPIRE ' +
      'PTTL PUBLISH RPUSH SADD SCARD SETNX SISMEMBER SREM STRLEN TTL UNLINK XLEN ZADD ZCARD ZCOUNT ZREM',
    '*':
      'EXEC HGETALL HKEYS HMGET HSCAN HVALS KEYS LRANGE MGET SCAN SINTER SMEMBERS SSCAN SUNION XRANGE XREAD XREADGROUP ZRANGE ZRANGEBYSCORE ' +
      'ZREVRANGE ZSCAN',
  }).flatMap(([type, names]) => names.split(' ').map((name) => /** @type {const} */ ([name, type]))),
);
/** Types that stand for another: RESP 3 has more of them. */
const SAME = new Map([['=', '$'], [',', '$'], ['#', ':'], ['(', ':'], ['~', '*'], ['%', '*']]);

/** Whether a reply of `type` can be that to a command: errors and nulls answer any. @param {string} name @param {string} type */
function answers(name, type) {
  const expected = ANSWERS.get(name);
  return expected === undefined || type === '-' || type === '!' || type === '_' || (SAME.get(type) ?? type) === expected;
}

module.exports = { RedisReplies, answers };
