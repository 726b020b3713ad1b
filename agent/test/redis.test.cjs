// @ts-check
'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { RedisReplies } = require('../redis-replies.cjs');
const { RedisPairs } = require('../redis-pairs.cjs');

/** Returns the replies in `text`, read in pieces of at most `size` bytes. @param {string} text @param {number} size */
function read(text, size) {
  const replies = new RedisReplies();
  /** @type {string[]} */
  const found = [];
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += size) {
    const makesSense = replies.take(bytes.subarray(at, at + size), (type, n) => found.push(`${type}${n}`));
    if (!makesSense) found.push('?');
  }
  return found;
}

describe('Replies of Redis', () => {
  const cases = [
    ['+OK\r\n:12\r\n-ERR no such thing\r\n', ['+5', ':5', '-20']],
    ['$5\r\nhello\r\n$-1\r\n$0\r\n\r\n', ['$11', '$5', '$6']],
    ['*2\r\n$1\r\na\r\n*2\r\n:1\r\n*0\r\n+OK\r\n', ['*23', '+5']],
    ['*-1\r\n_\r\n#t\r\n,1.5\r\n', ['*5', '_3', '#4', ',6']],
    ['%1\r\n+a\r\n~1\r\n:1\r\n', ['%16']],
    ['>2\r\n+invalidate\r\n_\r\n+OK\r\n', ['+5']],
    ['|1\r\n+ttl\r\n:3\r\n$1\r\nv\r\n', ['_21']],
    ['$4\r\n+\r\n*\r\n+OK\r\n', ['$10', '+5']],
  ];

  it('are told apart however they are cut', () => {
    for (const [text, expected] of /** @type {[string, string[]][]} */ (cases)) {
      for (let size = 1; size <= text.length; size++) assert.deepStrictEqual(read(text, size), expected, `${text} by ${size}`);
    }
  });

  it('begin anew after what is none', () => {
    assert.deepStrictEqual(read('of a value that began before\r\n', 100), ['?']);
    const replies = new RedisReplies();
    /** @type {string[]} */
    const found = [];
    for (const piece of ['lf of a value\r\n', ':7\r\n']) replies.take(Buffer.from(piece), (type) => found.push(type));
    assert.deepStrictEqual(found, [':']);
  });
});

describe('Replies beside commands', () => {
  /** Names and sizes that come of commands and replies in turn: `GET` is sent, `$12` comes. @param {boolean} isNew @param {string[]} steps */
  function pairs(isNew, steps) {
    /** @type {string[]} */
    const found = [];
    const queue = new RedisPairs(isNew, ({ name }, bytes) => found.push(`${name} ${bytes}`));
    let t = 0;
    for (const step of steps) {
      if (step === 'silence') t += 1000;
      else if (/^[A-Z]/.test(step)) queue.sent({ name: step, site: 0, weight: 1 }, t);
      else queue.came(step.charAt(0), Number(step.slice(1)), t);
    }
    return found;
  }

  it('are paired in order on a new connection', () => {
    assert.deepStrictEqual(pairs(true, ['GET', 'SET', '$100', '+5']), ['GET 100', 'SET 5']);
    assert.deepStrictEqual(pairs(true, ['+5', 'GET', '$100']), ['GET 100'], 'what nobody asked for is nobody\'s');
  });

  it('are paired after a silence, when nothing is owed', () => {
    assert.deepStrictEqual(pairs(false, ['GET', '$100', 'SET', '+5']), [], 'not yet known');
    assert.deepStrictEqual(pairs(false, ['SET', '$90', '+5', 'silence', 'GET', '$100']), ['SET 5', 'GET 100']);
  });

  it('are shifted by those of earlier commands, found by what fits', () => {
    // Two GETs are owed when looking begins, and the connection is never silent.
    const steps = Array.from({ length: 40 }, (_, i) => [i % 3 ? 'GET' : 'SET', i < 2 ? '$7' : (i - 2) % 3 ? '$100' : '+5']).flat();
    const found = pairs(false, steps);
    assert(found.length >= 28, `${found.length} pairs`);
    assert(found.every((pair) => pair === 'GET 100' || pair === 'SET 5'), found.join());
  });

  it('are left alone where types do not fit', () => {
    const steps = Array.from({ length: 600 }, (_, i) => ['GET', i % 2 ? ':1' : '+5']).flat();
    assert.deepStrictEqual(pairs(false, steps), []);
  });
});
