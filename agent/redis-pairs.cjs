'use strict';
/**
 * Puts the replies of a Redis beside the commands of its connection: they come in order, but a connection that was there before may owe replies
 * to commands that nobody saw. How many is found by what fits: a number is no reply to `GET`. Until then nothing is told.
 */

const { answers } = require('./redis-replies.cjs');

/** Replies from which on it is tried how many are of earlier commands. */
const MIN_REPLIES = 32;
/** Replies after which it is given up to find out: their types do not tell. */
const MAX_REPLIES = 512;
/** Pairs that must be there to compare. */
const MIN_PAIRS = 16;
/** Part of the pairs that must fit: a transaction is answered otherwise. */
const FITS = 0.9;
/** A connection that has been silent for this long owes nothing, ms. */
const SILENT_MS = 20;
/** Commands under way of which none has come back: whoever writes so many does not wait for replies. */
const MAX_SENT = 4096;

/**
 * One command on its way: its name, and its place in the code where that was read.
 *
 * @typedef {{ name: string, site: number, weight: number }} Command
 * @typedef {{ type: string, bytes: number }} Reply
 */

class RedisPairs {
  /** @param {boolean} isNew nothing was sent before @param {(command: Command, bytes: number) => void} onPair */
  constructor(isNew, onPair) {
    this.isAligned = isNew;
    this.isLost = false;
    this.onPair = onPair;
    /** @type {Command[]} without their reply, oldest first */
    this.commands = [];
    /** @type {Reply[]} while it is not known whose they are */
    this.replies = [];
    /** Replies that are of earlier commands, at least. */
    this.nEarlier = 0;
    this.lastReply = 0;
  }

  /** @param {Command} command @param {number} t now, ms */
  sent(command, t) {
    if (this.isLost) return;
    if (!this.isAligned && this.commands.length <= this.replies.length && this.replies.length > 0) {
      if (t - this.lastReply > SILENT_MS) this.align(this.replies.length - this.commands.length);
    }
    this.commands.push(command);
    if (this.commands.length > MAX_SENT) this.lose();
  }

  /** @param {string} type @param {number} bytes @param {number} t now, ms */
  came(type, bytes, t) {
    if (this.isLost) return;
    this.lastReply = t;
    if (this.isAligned) return this.pair(bytes);
    this.replies.push({ type, bytes });
    const { replies, commands } = this;
    this.nEarlier = Math.max(this.nEarlier, replies.length - commands.length);
    if (replies.length % MIN_REPLIES === 0) {
      const nEarlier = this.find();
      if (nEarlier >= 0) this.align(nEarlier);
      else if (replies.length >= MAX_REPLIES) this.lose();
    }
  }

  /** A part of what was read made no sense: replies are missing. */
  missed() {
    this.isAligned = false;
    this.commands = [];
    this.replies = [];
    this.nEarlier = 0;
  }

  /** Returns how many of the replies are of earlier commands: the least number with which types fit; −1 where none does. */
  find() {
    const { replies, commands } = this;
    for (let nEarlier = this.nEarlier; nEarlier <= replies.length - MIN_PAIRS; nEarlier++) {
      const nPairs = Math.min(replies.length - nEarlier, commands.length);
      let nFitting = 0;
      for (let i = 0; i < nPairs; i++) if (answers(commands[i].name, replies[i + nEarlier].type)) nFitting += 1;
      if (nPairs >= MIN_PAIRS && nFitting >= nPairs * FITS) return nEarlier;
    }
    return -1;
  }

  /** @param {number} nEarlier */
  align(nEarlier) {
    this.isAligned = true;
    for (const { bytes } of this.replies.slice(nEarlier)) this.pair(bytes);
    this.replies = [];
  }

  /** @param {number} bytes */
  pair(bytes) {
    const command = this.commands.shift();
    if (command !== undefined) this.onPair(command, bytes);
  }

  lose() {
    this.isLost = true;
    this.commands = [];
    this.replies = [];
  }
}

module.exports = { RedisPairs };
