'use strict';
/**
 * Reads Redis commands off what a client writes to its socket (RESP arrays of bulk strings), however it is cut into writes.
 * Gives the name and the size of each command; keys and values are skipped over, never kept.
 *
 * A stream that turns out not to be RESP gives nothing from there on.
 */

const LF = 10;
const CR = 13;
const STAR = 42;
const DOLLAR = 36;
const ZERO = 48;
const MAX_NAME_BYTES = 20;
/** Names of commands, and of nothing else that a client might send first. */
const NAME = /^[A-Z][A-Z0-9._]*$/;

class RedisWrites {
  constructor() {
    this.isRedis = true;
    this.bulksLeft = 0;
    this.inCommand = 0;
    this.isName = false;
    this.name = '';
    this.bytes = 0;
    /** Bytes of a bulk string, with its line end, still to come. */
    this.skip = 0;
    this.header = '';
  }

  /** Whether a socket that writes this first talks RESP. @param {any} chunk */
  static begins(chunk) {
    const first = typeof chunk === 'string' ? chunk.slice(0, 8) : chunk?.subarray?.(0, 8).toString('latin1');
    return /^\*[1-9]\d*\r?/.test(first ?? '');
  }

  /**
   * Takes what is written next and calls `onCommand` for each command that ends in it.
   *
   * @param {Uint8Array} bytes @param {(name: string, bytes: number) => void} onCommand
   */
  take(bytes, onCommand) {
    let at = 0;
    while (this.isRedis && at < bytes.length) {
      if (this.skip > 0) {
        const step = Math.min(this.skip, bytes.length - at);
        if (this.isName) for (let i = at; i < at + step; i++) if (bytes[i] > LF + 3) this.name += String.fromCharCode(bytes[i]);
        at += step;
        this.skip -= step;
        if (this.skip === 0) this.endBulk(onCommand);
        continue;
      }
      const byte = bytes[at++];
      if (byte !== LF) {
        if (byte !== CR) this.header += String.fromCharCode(byte);
        if (this.header.length > 16) this.isRedis = false;
        continue;
      }
      this.endHeader();
    }
  }

  endHeader() {
    const kind = this.header.charCodeAt(0);
    const n = Number(this.header.slice(1));
    const isArray = this.inCommand === 0;
    this.isRedis = kind === (isArray ? STAR : DOLLAR) && this.header.charCodeAt(1) >= ZERO && Number.isInteger(n);
    if (isArray) {
      this.inCommand = this.bulksLeft = n;
      this.name = '';
      this.bytes = 0;
    } else {
      this.isName = this.bulksLeft === this.inCommand && n <= MAX_NAME_BYTES;
      this.skip = n + 2;
      this.bytes += n;
    }
    this.header = '';
  }

  /** @param {(name: string, bytes: number) => void} onCommand */
  endBulk(onCommand) {
    if (this.isName) {
      this.name = this.name.toUpperCase();
      this.isRedis = NAME.test(this.name);
    }
    this.isName = false;
    this.bulksLeft -= 1;
    if (this.bulksLeft > 0 || !this.isRedis) return;
    this.inCommand = 0;
    onCommand(this.name, this.bytes);
  }
}

module.exports = { RedisWrites };
