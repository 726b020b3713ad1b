'use strict';
/**
 * Counts work on values: JSON, `structuredClone`, `Buffer.concat`. Looks at lengths and identities only; one text is
 * kept until the next flush at most, and nothing leaves the process but numbers.
 *
 * Regular expressions are not touched: a replaced `RegExp` is no longer the constructor of literals, and a changed
 * `RegExp.prototype` makes every expression slow for the rest of the process. V8's samples name them.
 */

/** @typedef {InstanceType<typeof import('./tally.cjs').Tally>} Tally */
/** @typedef {InstanceType<typeof import('./patch.cjs').Patches>} Patches */

/** Objects remembered to notice one that is serialised again; two generations of them. */
const REMEMBERED = 256;
/** Characters compared to tell whether an object gave the same text again. */
const COMPARED_CHARS = 32;

/** Remembers what objects were serialised lately, and what their text looked like. */
class Serialised {
  constructor() {
    /** @type {WeakMap<object, number>} hash of the text, by object */
    this.young = new WeakMap();
    /** @type {WeakMap<object, number>} */
    this.old = new WeakMap();
    this.n = 0;
  }

  /** Returns whether `object` gave a text that looks like `text` before. @param {object} object @param {string} text */
  isAgain(object, text) {
    const look = hashOf(text);
    const before = this.young.get(object) ?? this.old.get(object);
    if (before === look) return true;
    this.young.set(object, look);
    this.n += 1;
    if (this.n >= REMEMBERED) {
      this.old = this.young;
      this.young = new WeakMap();
      this.n = 0;
    }
    return false;
  }
}

/** A hash of the length and of some characters all over the text. @param {string} text */
function hashOf(text) {
  let hash = text.length | 0;
  const step = Math.max(1, Math.floor(text.length / COMPARED_CHARS));
  for (let at = 0; at < text.length; at += step) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  return hash;
}

/** @param {Tally} tally @param {Patches} patches @returns {() => void} what to do at each flush */
function wrapValues(tally, patches) {
  const json = { depth: 0 };
  const serialised = new Serialised();
  let lastText = '';
  const parse = tally.counter('json.parse');
  const copy = tally.counter('json.copy');
  const stringify = tally.counter('json.stringify');
  const again = tally.counter('json.stringify.again');

  patches.observe(JSON, 'parse', (_, [text], __, ms) => {
    if (typeof text !== 'string') return tally.call(parse, 0, ms);
    tally.call(parse, text.length, ms);
    // Equal texts of different origin are told apart by their length, nearly always.
    if (text.length > 1 && text === lastText) tally.call(copy, text.length, ms);
  }, json);
  patches.observe(JSON, 'stringify', (text, [value], __, ms) => {
    if (typeof text !== 'string') return;
    tally.call(stringify, text.length, ms);
    lastText = text;
    if (typeof value === 'object' && value !== null && serialised.isAgain(value, text)) tally.call(again, text.length, ms);
  }, json);

  const clone = tally.counter('structured_clone');
  patches.observe(globalThis, 'structuredClone', (_, __, ___, ms) => tally.call(clone, 0, ms));

  const concat = tally.counter('buffer.concat');
  const growth = tally.counter('buffer.concat.growth');
  /** @type {WeakRef<object> | undefined} */
  let lastBuffer;
  patches.observe(Buffer, 'concat', (buffer, [list], __, ms) => {
    tally.call(concat, buffer.length, ms);
    if (list.length > 1 && list[0] === lastBuffer?.deref()) tally.call(growth, buffer.length, ms);
    lastBuffer = new WeakRef(buffer);
  });

  return () => {
    lastText = '';
  };
}

module.exports = { wrapValues };
