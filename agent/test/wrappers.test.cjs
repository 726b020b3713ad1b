'use strict';
const { describe, it } = require('node:test');
const assert = require('node:assert');
const { Collector } = require('./collector.cjs');

/** What a program can ask of the functions that the counters recorder replaces, and of what they throw. */
const LOOK = `
  const crypto = require('crypto'), dns = require('dns'), fs = require('fs'), http = require('http'), net = require('net');
  const places = { JSON, globalThis, Buffer, fs, crypto, dns, console, timers: require('timers'),
    socket: net.Socket.prototype, outgoing: http.OutgoingMessage.prototype, agent: http.Agent.prototype };
  const keys = ['parse', 'stringify', 'structuredClone', 'concat', 'readFileSync', 'realpathSync', 'createHash', 'lookup', 'log',
    'setTimeout', 'setInterval', 'connect', '_writeGeneric', 'write', 'end', 'addRequest'];
  const text = (run) => { try { return String(run()); } catch (error) { return error.stack.replace(/:\\d+:\\d+/g, ''); } };
  // Of a stack cut at 10 frames the outermost is missing where one of the agent's was taken out.
  Error.stackTraceLimit = 40;
  function look() {
    const seen = [];
    for (const [place, object] of Object.entries(places)) for (const key of keys) {
      const found = Object.getOwnPropertyDescriptor(object, key);
      if (!found) continue;
      const f = object[key];
      seen.push([place, key, found.enumerable, found.configurable, typeof f, f.name, f.length, Object.getPrototypeOf(f) === Function.prototype,
        Reflect.ownKeys(f).map(String).join(), f.toString(), 'prototype' in f, Object.keys(object).length]);
    }
    seen.push(text(() => JSON.parse('{')), text(() => fs.readFileSync('/nonexistent')), text(() => setTimeout('x')),
      text(() => new JSON.parse('1')), text(() => JSON.stringify(1n)), fs.realpathSync.native === places.fs.realpathSync.native);
    seen.push(Object.getOwnPropertyNames(Error).sort().join(), Error.stackTraceLimit);
    const interval = setInterval(() => {}, 1e6);
    seen.push(Object.keys(interval).join(), Object.getOwnPropertyNames(interval).join());
    clearInterval(interval);
    return seen;
  }`;

/**
 * Runs a program that answers to lines on its standard input, and gives a function that asks.
 *
 * @param {import('node:test').TestContext} t @param {string} source
 */
async function startAsking(t, source) {
  const collector = await Collector.listen(t);
  const { child, end, said } = collector.start([collector.file('t.js', source)]);
  const target = await collector.connection();
  let n = 0;
  const ask = async (/** @type {string} */ line) => {
    child.stdin?.write(`${line}\n`);
    n += 1;
    while (said.stdout.split('\n').length <= n) await new Promise((resolve) => child.stdout?.once('data', resolve));
    return JSON.parse(said.stdout.split('\n')[n - 1]);
  };
  return { ask, target, child, end };
}

/** @param {(question: string) => Promise<any>} ask waits until the wrappers are on, or off */
async function untilWrapped(ask, wanted = true) {
  while ((await ask('wrapped')) !== wanted);
}

const ANSWER = `
  const original = JSON.parse;
  const stringify = JSON.stringify;
  const { write } = process.stdout;
  process.stdin.setEncoding('utf8').on('data', (line) => {
    const answer = line.trim() === 'wrapped' ? JSON.parse !== original : answerTo(line.trim());
    write.call(process.stdout, stringify(answer) + '\\n');
  });`;

describe('wrappers', { concurrency: 2, timeout: 60_000 }, () => {
  it('look the same as what they replace, throw the same, and are gone afterwards', async (t) => {
    const { ask, target } = await startAsking(t, `${LOOK} function answerTo() { return look(); } ${ANSWER}`);
    const before = await ask('look');
    assert(before.length > 20);
    await target.command('start', 'counters');
    await untilWrapped(ask);
    assert.deepStrictEqual(await ask('look'), before);
    await target.command('stop', 'counters');
    assert.strictEqual(await ask('wrapped'), false, 'the original is back, not a look-alike');
    assert.deepStrictEqual(await ask('look'), before);
  });

  it('leave what the target has put over them, and pass on from then', async (t) => {
    const { ask, target } = await startAsking(t, `
      let n = 0;
      function answerTo(what) {
        if (what === 'wrap') { const inner = JSON.parse; JSON.parse = function mine(text) { n++; return inner(text); }; }
        return [JSON.parse('{"a":[1]}'), JSON.parse.name, n];
      } ${ANSWER}`);
    await target.command('start', 'counters');
    await untilWrapped(ask);
    assert.deepStrictEqual(await ask('wrap'), [{ a: [1] }, 'mine', 1]);
    await target.command('stop', 'counters');
    const n = () => target.all('counts').flatMap((m) => m.totals).filter((/** @type {any} */ row) => row[0] === 'json.parse').length;
    const before = n();
    assert(before > 0);
    assert.deepStrictEqual(await ask('call'), [{ a: [1] }, 'mine', 2]);
    await target.command('start', 'counters');
    assert.deepStrictEqual(await ask('call'), [{ a: [1] }, 'mine', 3]);
    await target.command('stop', 'counters');
    assert.deepStrictEqual(await ask('call'), [{ a: [1] }, 'mine', 4]);
  });

  it('leave the target its own stack traces', async (t) => {
    const { ask, target } = await startAsking(t, `
      let n = 0;
      Error.prepareStackTrace = (error, sites) => { n++; return 'mine ' + sites.length; };
      Error.stackTraceLimit = 3;
      const seen = (stack) => [stack, Error.stackTraceLimit, Error.prepareStackTrace.length];
      function answerTo() {
        for (let i = 0; i < 50; i++) JSON.parse('1');
        return [n, ...seen(new Error('x').stack)];
      } ${ANSWER}`);
    assert.deepStrictEqual(await ask('once'), [0, 'mine 3', 3, 2]);
    await target.command('start', 'counters');
    await untilWrapped(ask);
    assert.deepStrictEqual(await ask('again'), [1, 'mine 3', 3, 2]);
    await target.command('stop', 'counters');
    const rows = target.all('counts').flatMap((m) => m.places);
    assert(rows.some((/** @type {any} */ row) => row[0] === 'json.parse' && row[2] > 0), 'places are known all the same');
  });

  it('do without places where the target has frozen `Error`', async (t) => {
    const { ask, target } = await startAsking(t, `
      Object.freeze(Error);
      function answerTo() { return JSON.parse('7'); } ${ANSWER}`);
    await target.command('start', 'counters');
    await untilWrapped(ask);
    assert.strictEqual(await ask('parse'), 7);
    await target.command('stop', 'counters');
    const rows = target.all('counts').flatMap((m) => m.totals);
    assert(rows.some((/** @type {any} */ row) => row[0] === 'json.parse' && row[2] >= 1));
  });
});
