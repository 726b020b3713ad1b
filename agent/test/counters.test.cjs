'use strict';
const { describe, it } = require('node:test');
const assert = require('node:assert');
const { Collector } = require('./collector.cjs');

/** Serves on a free port, which it prints. @param {string} handler body of `async (req, res) => …` @param {string} [more] */
function server(handler, more = '') {
  return `
    const http = require('http'), fs = require('fs'), net = require('net');
    process.stdin.on('data', () => process.exit()).on('end', () => process.exit());
    ${more}
    const server = http.createServer(async function handle(req, res) { ${handler} });
    server.listen(0, '127.0.0.1', () => process.stdout.write('port ' + server.address().port + '\\n'));`;
}

/** @param {{ child: import('child_process').ChildProcess, said: { stdout: string } }} started */
async function portOf({ child, said }) {
  while (!/port \d+\n/.test(said.stdout)) await new Promise((resolve) => child.stdout?.once('data', resolve));
  return Number(/port (\d+)/.exec(said.stdout)?.[1]);
}

/** @param {number} port @param {number} n */
async function ask(port, n) {
  const texts = [];
  for (let i = 0; i < n; i++) texts.push(await (await fetch(`http://127.0.0.1:${port}/`)).text());
  return texts;
}

/**
 * Counts while `n` requests are answered, and returns totals and sites by kind and key.
 *
 * @param {import('node:test').TestContext} t @param {string} source @param {number} n
 * @param {{ name?: string, recorder?: string }} [options]
 */
async function count(t, source, n, { name = 'server.js', recorder = 'counters' } = {}) {
  const collector = await Collector.listen(t);
  const file = collector.file(name, source);
  const started = collector.start([file]);
  const target = await collector.connection();
  const port = await portOf(started);
  assert.deepStrictEqual(await target.command('start', recorder), { id: 1, ok: true });
  // The wrappers are on at the latest when the thread has looked for orders.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const texts = await ask(port, n);
  assert.deepStrictEqual(await target.command('stop', recorder), { id: 2, ok: true });
  const messages = target.all('counts');
  assert.strictEqual(messages.at(-1).last, true);
  const frames = new Map(messages.flatMap((m) => m.sites.map((/** @type {any[]} */ [site, frames]) => [site, frames])));
  /** @type {Record<string, any>} */
  const totals = {};
  for (const [kind, key, n, bytes, ms, maxBytes] of messages.flatMap((m) => m.totals)) {
    const total = (totals[key === '' ? kind : `${kind} ${key}`] ??= { n: 0, bytes: 0, ms: 0, maxBytes: 0, at: {} });
    total.n += n;
    total.bytes += bytes;
    total.ms += ms;
    total.maxBytes = Math.max(total.maxBytes, maxBytes);
  }
  for (const [kind, key, site, n] of messages.flatMap((m) => m.places)) {
    const { at } = totals[key === '' ? kind : `${kind} ${key}`];
    const [name, url, line] = frames.get(site)?.find((/** @type {any[]} */ frame) => !frame[1].includes('/node_modules/')) ?? ['unknown', '', 0];
    const place = `${name}:${url === '' ? '' : line}`;
    at[place] = (at[place] ?? 0) + n;
  }
  return { totals, texts, target, collector, started, port };
}

/** @param {string} source @param {string} text */
function lineOf(source, text) {
  return source.split('\n').findIndex((line) => line.includes(text)) + 1;
}

describe('counters', { concurrency: 2, timeout: 60_000 }, () => {
  it('count JSON per request by the line that calls it, and see copies and repetition', async (t) => {
    const source = server('res.end(answer());', `
      const config = { a: 1, list: [1, 2, 3] };
      const prototype = { deep: { er: 'text' } };
      function answer() {
        const own = JSON.parse(JSON.stringify(prototype)); // the copy
        own.at = 5;
        return JSON.stringify(config) + JSON.stringify(own); // the answer
      }`);
    const { totals } = await count(t, source, 20);
    assert.strictEqual(totals.request.n, 20);
    assert.strictEqual(totals['json.parse'].n, 20);
    assert.strictEqual(totals['json.copy'].n, 20);
    assert.strictEqual(totals['json.stringify'].n, 60);
    assert.strictEqual(totals['json.copy'].bytes, 20 * JSON.stringify({ deep: { er: 'text' } }).length);
    assert(totals['json.parse'].ms > 0);
    const [copy, answer] = [lineOf(source, '// the copy'), lineOf(source, '// the answer')];
    const places = totals['json.stringify'].at;
    assert.deepStrictEqual(Object.keys(totals['json.copy'].at), [`answer:${copy}`]);
    assert.deepStrictEqual(Object.keys(places).sort(), [`answer:${answer}`, `answer:${copy}`].sort());
    // A sample stands for the calls before it: only those since the last one are missing.
    const nAt = places[`answer:${answer}`] + places[`answer:${copy}`];
    assert(nAt > 40 && nAt <= 62, `${nAt} calls at both places`);
    // The configuration and the prototype give the same text again, the answer's own object is new each time.
    assert.strictEqual(totals['json.stringify.again'].n, 38);
  });

  it('count synchronous calls, once each, through named imports of ES modules too', async (t) => {
    const source = `
      import { readFileSync, writeFileSync } from 'node:fs';
      import { pbkdf2Sync } from 'crypto';
      import http from 'node:http';
      process.stdin.on('data', () => process.exit());
      function load() {
        writeFileSync(new URL('./x.txt', import.meta.url), 'abc');
        pbkdf2Sync('x', 'y', 10, 8, 'sha256');
        return readFileSync(new URL(import.meta.url), 'utf8');
      }
      const server = http.createServer((req, res) => res.end(load()));
      server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port));`;
    const { totals, texts } = await count(t, source, 7, { name: 'server.mjs' });
    assert.strictEqual(texts[0], source);
    assert.strictEqual(totals['sync fs.readFileSync'].n, 7);
    assert.strictEqual(totals['sync fs.readFileSync'].bytes, 7 * source.length);
    assert.deepStrictEqual(totals['sync fs.readFileSync'].at, { [`load:${lineOf(source, 'return read')}`]: 7 });
    assert.strictEqual(totals['sync crypto.pbkdf2Sync'].n, 7);
    assert.strictEqual(totals['sync fs.writeFileSync'].n, 7);
    // What `writeFileSync` calls itself is its own business.
    assert.strictEqual(totals['sync fs.openSync'], undefined);
  });

  it('count what is written to the console and to standard output', async (t) => {
    const source = server(`console.log('%s', 'x'.repeat(99)); process.stdout.write('y\\n'); res.end();`);
    const { totals } = await count(t, source, 5);
    assert.strictEqual(totals['console log'].n, 5);
    assert.strictEqual(totals['stdout pipe'].n, 10);
    assert.strictEqual(totals['stdout pipe'].bytes, 5 * 102);
  });

  it('count writes of answers, and tell streamed ones and tiny writes', async (t) => {
    const handler = `res.write('x'.repeat(100)); for (const c of 'abcdefgh') { res.write(c); await null; } res.end('last');`;
    const { totals, texts } = await count(t, server(handler), 4);
    assert(texts[0].endsWith('abcdefghlast'));
    assert.strictEqual(totals['response.write'].n, 36);
    assert.strictEqual(totals['response.write'].bytes, 4 * 108);
    assert.strictEqual(totals['response.write.tiny'].n, 32);
    assert.strictEqual(totals['response.streamed'].n, 4);
    assert.strictEqual(totals['response.end'].n, 4);
    assert(totals['socket.write inbound'].n >= 4);
  });

  it('count connections of its own requests, reuse, and waiting for a socket', async (t) => {
    const more = `
      const upstream = http.createServer((req, res) => setTimeout(() => res.end('up'), 5));
      upstream.listen(0, '127.0.0.1');
      const agents = { close: new http.Agent({ keepAlive: false }), one: new http.Agent({ keepAlive: true, maxSockets: 1 }) };
      const get = (agent) => new Promise((resolve) => http.get({ host: '127.0.0.1', port: upstream.address().port, agent },
        (res) => res.resume().on('end', resolve)));`;
    const handler = `await get(agents.close); await Promise.all([get(agents.one), get(agents.one)]); res.end();`;
    const { totals } = await count(t, server(handler, more), 6);
    const of = (/** @type {string} */ kind) => Object.entries(totals).filter(([key]) => key.startsWith(`${kind} `));
    const n = (/** @type {string} */ kind) => of(kind).reduce((sum, [, total]) => sum + total.n, 0);
    assert.strictEqual(n('http.request'), 18);
    assert.strictEqual(n('http.closed_by_us'), 6);
    // One connection a request without keep-alive, and one in all with it.
    assert.strictEqual(n('net.connect'), 7);
    assert.strictEqual(n('http.reused'), 11);
    assert.strictEqual(n('http.queued'), 6);
    assert(of('http.queued')[0][1].ms >= 6 * 4, 'they waited for the first to end');
    assert(of('http.agent').some(([key]) => key.endsWith('false Infinity 256')), of('http.agent').join());
    assert(of('http.agent').some(([key]) => key.endsWith('true 1 256')), of('http.agent').join());
    // The upstream's own requests are the target's, too: it lives in the same process here.
    assert.strictEqual(totals.request.n, 24);
  });

  it('name what is looked up again and again, by whatever client and not what differs', async (t) => {
    const upstream = require('node:http').createServer((request, response) => {
      request.resume().on('end', () => {
        if (request.url?.startsWith('/clock')) response.setHeader('etag', `${process.hrtime.bigint()}`);
        response.end('{"answer":42}');
      });
    });
    await new Promise((resolve) => upstream.listen(0, '127.0.0.1', () => resolve(undefined)));
    t.after(() => upstream.close());
    const { port } = /** @type {import('net').AddressInfo} */ (upstream.address());
    const more = `
      const get = (path, method = 'GET') => new Promise((resolve) => {
        http.request({ host: '127.0.0.1', port: ${port}, path, method }, (answer) => answer.resume().on('end', resolve)).end(); // asks
      });
      const listModels = () => get('/v1/models?key=hidden123'); // models
      let n = 0;`;
    const handler = `
      await listModels();
      await get('/clock');
      await get('/users/' + n++);
      await get('/v1/chat/completions', 'POST');
      await get('/oauth2/introspect', 'POST');
      await (await fetch('http://127.0.0.1:${port}/config/abcdefghij0123456789xyz')).text(); // fetches
      res.end();`;
    const source = server(handler, more);
    const { totals, target } = await count(t, source, 12);
    const host = `127.0.0.1:${port}`;
    const named = Object.keys(totals).filter((key) => key.startsWith('lookup.http'));
    assert.deepStrictEqual(named.sort(), [
      `lookup.http GET ${host}/clock`,
      `lookup.http GET ${host}/config/…`,
      `lookup.http GET ${host}/v1/models?key=…`,
      `lookup.http POST ${host}/oauth2/introspect`,
    ]);
    const models = totals[`lookup.http GET ${host}/v1/models?key=…`];
    assert.strictEqual(models.n, 9, 'from the fourth on');
    const sites = target.all('counts').flatMap((/** @type {any} */ m) => m.sites);
    const chains = sites.map((/** @type {any[]} */ [, frames]) => frames.map((/** @type {any[]} */ frame) => frame[0]).join(' < '));
    assert(chains.some((/** @type {string} */ chain) => /get < listModels/.test(chain)), `who calls the client is told: ${chains.join('; ')}`);
    assert(!('unknown:' in models.at), `${Object.keys(models.at)}`);
    assert.deepStrictEqual(Object.keys(totals[`lookup.http GET ${host}/config/…`].at), [`handle:${lineOf(source, '// fetches')}`]);
    assert.strictEqual(totals[`lookup.answer GET ${host}/v1/models?key=…`].n, 9);
    assert.strictEqual(totals[`lookup.changed GET ${host}/v1/models?key=…`], undefined);
    assert.strictEqual(totals[`lookup.changed GET ${host}/clock`].n, 9);
    assert.strictEqual(totals['lookup.other http.work'].n, 12);
    assert.strictEqual(totals[`http.request ${host}`].n, 6 * 12);
    assert.strictEqual(totals['lookup.other http'].n, 12 + 4 * 3);
    assert(!JSON.stringify(target.all('counts')).includes('hidden123'), 'keys never leave the process');
  });

  it('name files that are read again and again, also by functions taken out of their module before', async (t) => {
    const more = `
      const { readFile, writeFile } = require('fs/promises');
      const { readFileSync } = fs;
      const path = require('path').join(__dirname, 'settings.json');
      fs.writeFileSync(path, '{}');
      let n = 0;
      const load = async () => JSON.parse(await readFile(path, 'utf8')); // loads`;
    const handler = `
      await load();
      readFileSync(__filename, 'utf8'); // sync
      await writeFile(path + n++, 'x');
      await readFile(path + (n - 1));
      await writeFile(path, '{}');
      res.end();`;
    const source = server(handler, more);
    const { totals } = await count(t, source, 12);
    const files = Object.keys(totals).filter((key) => /^lookup.file/.test(key));
    assert.strictEqual(files.length, 2, `${files}`);
    const settings = totals[files.find((key) => key.endsWith('settings.json')) ?? ''];
    assert.strictEqual(settings.n, 9);
    assert.deepStrictEqual(Object.keys(settings.at), [`load:${lineOf(source, '// loads')}`]);
    const sync = totals[files.find((key) => key.startsWith('lookup.file.sync')) ?? ''];
    assert.deepStrictEqual(Object.keys(sync.at), [`handle:${lineOf(source, '// sync')}`]);
    assert.strictEqual(totals['lookup.other file'].n, 12 + 3);
    assert.strictEqual(totals[Object.keys(totals).find((key) => key.startsWith('lookup.written')) ?? ''].n, 9);
  });

  it('notice a pool of free sockets that is too small', async (t) => {
    const more = `
      const upstream = http.createServer((req, res) => setTimeout(() => res.end('up'), 5)).listen(0, '127.0.0.1');
      const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 1 });
      const get = () => new Promise((resolve) => http.get({ host: '127.0.0.1', port: upstream.address().port, agent },
        (res) => res.resume().on('end', resolve)));`;
    const { totals } = await count(t, server('await Promise.all([get(), get(), get()]); res.end();', more), 5);
    // At most: where the one free socket is taken again before the others have closed, nobody can tell any more.
    const { n } = totals['http.no_free_slot 127.0.0.1'];
    assert(n >= 3 && n <= 10, `${n} sockets closed for lack of free slots`);
  });

  it('read Redis commands off the socket, without their keys', async (t) => {
    const more = `
      const { RedisWrites } = require(${JSON.stringify(require.resolve('../redis-writes.cjs'))});
      const large = '$70000\\r\\n' + 'v'.repeat(70000) + '\\r\\n';
      const replies = { GET: large, SET: '+OK\\r\\n', MGET: '*1\\r\\n' + large, KEYS: '*0\\r\\n' };
      const redis = net.createServer((s) => {
        const commands = new RedisWrites();
        s.on('data', (bytes) => commands.take(bytes, (name) => s.write(replies[name])));
      }).listen(0, '127.0.0.1', () => { client = net.connect(redis.address().port, '127.0.0.1'); });
      let client;
      const command = (...words) => '*' + words.length + '\\r\\n' + words.map((w) => '$' + Buffer.byteLength(w) + '\\r\\n' + w + '\\r\\n').join('');
      const send = (text, bytes) => new Promise((resolve) => { client.write(text); let n = 0; client.on('data', function take(b) {
        n += b.length; if (n >= bytes) { client.off('data', take); setImmediate(resolve); } }); });`;
    const handler = `
      await send(command('get', 'secret:é'), large.length);
      const split = command('SET', 'secret:2', 'v'.repeat(100));
      client.write(split.slice(0, 9)); await new Promise(setImmediate); await send(split.slice(9), 5);
      await send(command('mget', 'secret:3') + command('keys', 'secret*'), large.length + 8);
      res.end();`;
    const { totals, target } = await count(t, server(handler, more), 3);
    assert.deepStrictEqual(
      ['GET', 'SET', 'MGET', 'KEYS'].map((name) => totals[`redis.command ${name}`].n),
      [3, 3, 3, 3],
    );
    assert.strictEqual(totals['redis.command SET'].bytes, 3 * ('SET'.length + 'secret:2'.length + 100));
    assert.strictEqual(totals['redis.write'].n, 9);
    assert.strictEqual(totals['redis.write'].bytes, 12);
    const sizes = ['GET', 'SET', 'MGET', 'KEYS'].map((name) => totals[`redis.reply ${name}`].bytes / 3);
    assert.deepStrictEqual(sizes, [70010, 5, 70014, 4]);
    const isLarge = (/** @type {string} */ name) => totals[`redis.large_reply ${name}`]?.n;
    assert.deepStrictEqual(['GET', 'SET', 'MGET', 'KEYS'].map(isLarge), [3, undefined, 3, undefined]);
    assert(!JSON.stringify(target.all('counts')).includes('secret'), 'keys never leave the process');
  });

  it('know intervals from before, their runs, time and place', async (t) => {
    const more = `
      function beat() { const end = Date.now() + 2; while (Date.now() < end); }
      function begin() { setInterval(beat, 10).unref(); } // begins
      begin();
      const arm = () => setTimeout(arm, 20).unref();
      arm();`;
    const { totals } = await count(t, server('setTimeout(() => res.end(), 30)', more), 5);
    const interval = totals['timer.interval 10 ms'];
    assert(interval.n >= 10, `${interval.n} runs`);
    assert(interval.ms >= 1.5 * interval.n, `${interval.ms} ms`);
    assert.deepStrictEqual(Object.keys(interval.at), [`begin:${lineOf(server('', more), '// begins')}`]);
    assert(totals['timer.timeout 20 ms'].n >= 5);
    assert.strictEqual(totals['timer.timeout 30 ms'].n, 5);
  });

  it('count worker threads apart', async (t) => {
    const more = `
      const { Worker } = require('worker_threads');
      const code = "require('worker_threads').parentPort.on('message', function work(m) { JSON.parse(m); this.postMessage('done'); })";
      const worker = new Worker(code, { eval: true });
      worker.unref();`;
    const handler = `worker.postMessage('[1]'); worker.once('message', () => res.end());`;
    const { target, totals } = await count(t, server(handler, more), 8);
    const ofWorker = target.frames.filter((frame) => frame.kind === 'counts' && frame.thread > 0);
    assert(ofWorker.length > 0);
    assert.strictEqual(totals['json.parse'].n, 8);
  });

  it('count calls of functions in a window of their own', async (t) => {
    const source = server('once(); for (let i = 0; i < 100; i++) many(i); res.end();', `
      function many(i) { return i; }
      function once() { fs.readFileSync(__filename); }`);
    const { target, totals } = await count(t, source, 6, { recorder: 'calls' });
    const [calls] = target.all('calls');
    assert(calls.ms >= 100);
    const functions = calls.scripts.find((/** @type {any} */ s) => s.url.endsWith('server.js')).functions;
    const n = (/** @type {string} */ name) => functions.find((/** @type {any} */ f) => f[0] === name)[3];
    assert.deepStrictEqual([n('many'), n('once'), n('handle')], [600, 6, 6]);
    assert.strictEqual(source.slice(...functions.find((/** @type {any} */ f) => f[0] === 'many').slice(1, 3)), 'function many(i) { return i; }');
    const ofNode = calls.scripts.find((/** @type {any} */ s) => s.url === 'node:fs');
    assert(ofNode.functions.some((/** @type {any} */ f) => f[0] === 'readFileSync' && f[3] >= 6));
    assert.strictEqual(totals.request.n, 6);
    assert.strictEqual(totals['json.parse'], undefined);
  });
});
