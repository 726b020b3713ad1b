'use strict';
const { describe, it } = require('node:test');
const assert = require('node:assert');
const { Collector } = require('./collector.cjs');

/** A server that loads itself: `ask(path, n)` sends n requests at once and resolves when all are answered. */
const SERVER = `
const http = require('http');
const fs = require('fs');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const ask = (path, n) => Promise.all(Array.from({ length: n }, () => new Promise((resolve) => {
  http.get({ port: server.address().port, path }, (res) => res.resume().on('end', resolve));
})));
const upstream = http.createServer((req, res) => setTimeout(() => res.end('x'), 20)).listen(0, '127.0.0.1');
const get = () => new Promise((resolve) => {
  http.get({ port: upstream.address().port, host: '127.0.0.1', agent }, (res) => res.resume().on('end', resolve));
});
let tail = Promise.resolve();
const lock = (work) => (tail = tail.then(work));
const sleep = () => new Promise((resolve) => setTimeout(resolve, 10));
async function loadTemplate() { return await fs.promises.readFile(__filename); }
const never = () => new Promise(() => {});
async function waitForEver() { await never(); }
const scoreOf = async (n) => n % 7;
async function scoreAll() { let sum = 0; for (let n = 0; n < 200_000; n++) sum += await scoreOf(n); return sum; }
const net = require('net');
const cache = net.createServer((socket) => socket.on('data', (data) => setTimeout(() => socket.write(String(data).includes('GET') ? '$6\\r\\nsecret\\r\\n' : '+OK\\r\\n'), 5))).listen(0, '127.0.0.1');
const talk = (socket) => new Promise((resolve) => socket.once('data', resolve).write('*2\\r\\n$3\\r\\nGET\\r\\n$9\\r\\nsecretKey\\r\\n'));
const connect = () => net.connect(cache.address().port, '127.0.0.1').setNoDelay();
let kept;
const http2 = require('http2');
let session;
const askByHttp2 = () => new Promise((resolve) => {
  const stream = session.request({ ':path': '/by-http2' });
  stream.resume().on('end', resolve).end();
});
const routes = {
  async '/immediate'() { for (let n = 0; n < 5; n++) await new Promise(setImmediate); },
  async '/for-ever'() { await waitForEver(); },
  async '/jobs'() { await scoreAll(); },
  async '/by-http2'() { if (session) await askByHttp2(); },
  async '/file'() { await loadTemplate(); },
  async '/lock'() { await lock(sleep); },
  async '/pool'() { await get(); },
  async '/limited'() { await lock(() => fetch('http://127.0.0.1:' + upstream.address().port).then((res) => res.text())); },
  async '/kept-connection'() { await talk(kept ??= connect()); },
  async '/new-connection'() { const socket = connect(); await talk(socket); socket.destroy(); },
  async '/own-of-kept'() { console.log('own: ' + Object.keys(Object.getOwnPropertyDescriptors(kept)).filter((key) => key === 'push' || key === '_writeGeneric')); },
};
if (process.env.HTTP2) {
  const secondServer = http2.createServer(async (req, res) => { await sleep(); res.end('ok'); }).listen(0, '127.0.0.1', () => {
    session = http2.connect('http://127.0.0.1:' + secondServer.address().port);
  });
}
function answerByListener(res) {
  kept ??= connect().setMaxListeners(0);
  kept.once('data', () => res.end('ok')).write('*1\\r\\n$4\\r\\nPING\\r\\n');
}
const server = http.createServer(async (req, res) => { if (req.url === '/by-a-listener') return answerByListener(res); await routes[req.url](); res.end('ok'); }).listen(0);
process.stdin.on('data', async (path) => {
  await ask(String(path).trim(), 4);
  process.stdout.write('answered\\n');
}).on('end', () => process.exit());
`;

/** Decodes the async frames of a connection. @param {any} target */
function followed(target) {
  return decoded(target).requests;
}

/** Decodes the async frames of a connection. @param {any} target */
function decoded(target) {
  /** @type {any[]} */
  const hooks = [];
  /** @type {any[]} */
  const jobs = [];
  /** @type {Map<number, any>} */
  const frames = new Map();
  /** @type {Map<number, string[]>} */
  const sites = new Map([[0, []]]);
  /** @type {Map<number, any>} */
  const sources = new Map();
  /** @type {any[]} */
  const protocols = [];
  /** @type {Map<number, any>} */
  const requests = new Map();
  for (const { bytes } of target.frames.filter((/** @type {any} */ frame) => frame.kind === 'async')) {
    for (let at = 0; at < bytes.length; at += 64) {
      const [code, id, start, end, e, since, g, h] = Array.from({ length: 8 }, (_, i) => bytes.readDoubleLE(at + 8 * i));
      const [kind, source] = [code % 16, Math.floor(code / 16)];
      if (kind === 1) {
        const text = JSON.parse(bytes.toString('utf8', at + 64, at + 64 + id));
        at += Math.ceil(id / 64) * 64;
        if (text.file !== undefined) frames.set(text.frame, text);
        else if (text.site) sites.set(text.site, [frames.get(text.frame).name, ...(sites.get(text.outer) ?? [])]);
        else if (text.source !== undefined) sources.set(text.source, text);
        else if (text.protocol) protocols.push(text);
        else if (text.request) requests.set(text.request, { ...text, slices: [] });
      } else if (kind === 2) Object.assign(requests.get(id), { start });
      else if (kind === 3 || kind === 7) {
        const site = sites.get(h % 65536);
        requests.get(id).slices.push({ start, end, ran: e, since, site, waker: Math.floor(h / 65536), ...sources.get(source) });
      } else if (kind === 4) Object.assign(requests.get(id), { end: start, nSlices: e, status: h, cut: g !== 0 });
      else if (kind === 8) hooks.push({ on: { ms: id, cpuMs: end, n: e }, off: { ms: since, cpuMs: g, n: h } });
      else if (kind === 9) jobs.push({ n: id, start, end, nTicks: e, site: sites.get(h) });
    }
  }
  const ended = [...requests.values()].filter((request) => request.end !== undefined && request.nSlices >= 0);
  return { requests: ended, hooks, jobs, protocols };
}

/** Starts the server, the recorder on. @param {import('node:test').TestContext} t @param {string} before what the program does first */
async function start(t, before = '') {
  const collector = await Collector.listen(t);
  const { child, said } = collector.start([collector.file('server.js', before + SERVER)]);
  const target = await collector.connection();
  await target.command('start', 'loop');
  await target.command('start', 'async');
  // The probe takes its orders at its next tick.
  await target.until(() => target.records('tick').length >= 15);
  return { target, child, said, collector };
}

/** @param {import('node:test').TestContext} t @param {string} path @param {string} [before] what the program does first */
async function follow(t, path, before = '') {
  const { target, child, said, collector } = await start(t, before);
  for (;;) {
    const n = said.stdout.length;
    child.stdin.write(path + '\n');
    while (said.stdout.length === n) await new Promise((resolve) => child.stdout.once('data', () => setImmediate(resolve)));
    await target.until(() => target.records('tick').length > 0);
    const requests = followed(target).filter((request) => request.path === path);
    if (requests.length >= 8) return { requests, said, child, collector, target };
  }
}

/** As libraries that watch a service's performance do: patches `http`, promises and timers, and keeps a context of its own. */
const APM = `
const Http = require('http');
const { AsyncLocalStorage, createHook } = require('async_hooks');
const context = new AsyncLocalStorage();
const seen = new Map();
createHook({ init(id, type, trigger) { seen.set(id, trigger); }, destroy(id) { seen.delete(id); } }).enable();
for (const [object, key] of [[Http.Server.prototype, 'emit'], [Http, 'request'], [Http, 'get']]) {
  const original = object[key];
  object[key] = function (...args) { return context.run({ key }, () => original.apply(this, args)); };
}
const { then } = Promise.prototype;
Promise.prototype.then = function (...args) {
  return then.apply(this, args.map((f) => typeof f === 'function' ? function (value) { return f.call(this, value); } : f));
};
const { setTimeout: original } = globalThis;
globalThis.setTimeout = Object.assign((f, ...rest) => original(context.getStore() ? (...args) => f(...args) : f, ...rest), original);
`;

describe('async recorder', { concurrency: 2, timeout: 120_000 }, () => {
  it('names what a request waited for by the code that awaited it', async (t) => {
    const { requests } = await follow(t, '/file');
    for (const { slices, start, end, nSlices, status } of requests) {
      assert.strictEqual(status, 200);
      assert.strictEqual(slices.length, nSlices);
      const read = slices.find((/** @type {any} */ slice) => slice.type.startsWith('FSREQ'));
      assert(read.site.includes('loadTemplate'), JSON.stringify(read));
      let at = start;
      for (const slice of slices) {
        assert(slice.start >= at && slice.end <= end + 0.001 && slice.ran <= slice.end - slice.start + 0.001);
        at = slice.end;
      }
    }
  });

  it('tells which request another one waited for', async (t) => {
    const { requests } = await follow(t, '/lock');
    const wakers = requests.flatMap(({ slices }) => slices.map((/** @type {any} */ slice) => slice.waker)).filter(Boolean);
    assert(wakers.length >= requests.length / 4, `${wakers.length} wakers of ${requests.length} requests`);
  });

  it('tells the wait for a free socket from that for the answer', async (t) => {
    const { requests } = await follow(t, '/pool');
    const slices = requests.flatMap((request) => request.slices);
    const queued = slices.filter((slice) => slice.type === 'QueuedRequest');
    assert(queued.length > 0 && queued.every((slice) => slice.start > slice.since));
    assert(slices.some((slice) => slice.type === 'TCPWRAP' && /^127\.0\.0\.1:\d+$/.test(slice.remote ?? '')));
  });

  it('tells the wait for a limiter that lets a question go on later from that for a free connection of undici', async (t) => {
    const { requests } = await follow(t, '/limited');
    const limited = requests.filter(({ slices }) => slices.some((/** @type {any} */ slice) => slice.waker !== 0));
    const isAskedAfterwards = (/** @type {any} */ { slices }) => {
      const letOn = slices.find((/** @type {any} */ slice) => slice.waker !== 0);
      const queued = slices.filter((/** @type {any} */ slice) => slice.type === 'QueuedRequest');
      return queued.every((/** @type {any} */ slice) => slice.since >= letOn.start);
    };
    // On a crowded machine some wait for a connection first, and are let on by whoever has it.
    assert(limited.some(isAskedAfterwards), JSON.stringify(limited));
  });

  it('has pauses at first, and tells what requests took with and without hooks', async (t) => {
    const { target } = await follow(t, '/file');
    await target.until(() => decoded(target).hooks.length > 0);
    const { hooks } = decoded(target);
    const sum = (/** @type {(row: any) => number} */ of) => hooks.reduce((all, row) => all + of(row), 0);
    assert(sum((row) => row.off.ms) >= 50 && sum((row) => row.on.ms) > 0, JSON.stringify(hooks));
    assert(sum((row) => row.on.n + row.off.n) >= 4 && sum((row) => row.on.cpuMs) > 0, JSON.stringify(hooks));
  });

  it('cuts what is still under way when it goes off, and says what was waited for', async (t) => {
    // Hooks wait for a first request.
    const { target, child } = await follow(t, '/lock');
    child.stdin.write('/for-ever\n');
    const isUnderWay = () => target.frames.some((/** @type {any} */ { kind, bytes }) => kind === 'async' && bytes.includes('/for-ever'));
    await target.until(isUnderWay);
    await target.command('stop', 'async');
    const cut = () => followed(target).filter((request) => request.cut);
    await target.until(() => cut().length > 0);
    const [request] = cut();
    assert.deepStrictEqual([request.cut, request.slices.length], [true, request.nSlices]);
    const last = request.slices.at(-1);
    assert(last.since > 0 && last.start === request.end && last.site.includes('waitForEver'), JSON.stringify(request));
  });

  it('names the wait for an immediate after the code that made it', async (t) => {
    const { requests } = await follow(t, '/immediate');
    const sites = requests.flatMap(({ slices }) => slices.map((/** @type {any} */ slice) => slice.site));
    assert(sites.some((site) => site.includes('setImmediate')), JSON.stringify(sites));
  });

  it('sees promise jobs that keep the loop from turning', async (t) => {
    const { target } = await follow(t, '/jobs');
    await target.until(() => decoded(target).jobs.length > 0);
    const [turn] = decoded(target).jobs;
    assert(turn.end - turn.start >= 20 && turn.n >= 256 && turn.nTicks < turn.n / 2, JSON.stringify(turn));
    assert(turn.site.includes('scoreAll'), JSON.stringify(turn));
  });

  it('sees none in a turn that one long callback takes', async (t) => {
    const busy = 'const busy = () => { const end = Date.now() + 30; while (Date.now() < end); };';
    const { target } = await follow(t, '/lock', `${busy} setInterval(busy, 50);`);
    assert.deepStrictEqual(decoded(target).jobs, []);
  });

  for (const path of ['/kept-connection', '/new-connection']) {
    it(`says what a service speaks, and nothing of what was said (${path})`, async (t) => {
      const { target, child } = await follow(t, path);
      const known = () => decoded(target).protocols.filter(({ protocol }) => protocol === 'redis');
      await target.until(() => known().length > 0);
      const [{ remote }, ...more] = known();
      const waited = followed(target).flatMap(({ slices }) => slices).map((slice) => slice.remote);
      assert(waited.includes(remote), `${remote} is none of ${waited}`);
      assert.deepStrictEqual(more, []);
      assert(!target.frames.some((/** @type {any} */ { kind, bytes }) => kind === 'async' && /secret(Key|\r)/.test(bytes)));
      child.stdin.end();
    });
  }

  it('names what answered a request by a callback that belongs to nobody', async (t) => {
    const { requests } = await follow(t, '/by-a-listener');
    // One alone may be that which opened the connection: it goes on in its callbacks.
    const named = requests.filter(({ slices, end }) => {
      const last = slices.at(-1);
      return /^127\.0\.0\.1:\d+$/.test(last.remote ?? '') && last.start - last.since > 1 && end - last.end < 1;
    });
    assert(named.length >= 2, JSON.stringify(requests));
  });

  it('leaves sockets as they were', async (t) => {
    const { child, target, said } = await follow(t, '/kept-connection');
    await target.until(() => decoded(target).protocols.some(({ protocol }) => protocol === 'redis'));
    child.stdin.write('/own-of-kept\n');
    while (!said.stdout.includes('own: ')) await new Promise((resolve) => child.stdout.once('data', () => setImmediate(resolve)));
    assert.match(said.stdout, /own: \n/);
  });

  it('follows requests that come by HTTP/2', async (t) => {
    const { target } = await follow(t, '/by-http2', "process.env.HTTP2 = '1'; require('http2');");
    const byHttp2 = () => followed(target).filter(({ slices, path }) => path === '/by-http2' && slices.some(isTimer));
    const isTimer = (/** @type {any} */ slice) => slice.type === 'Timeout';
    await target.until(() => byHttp2().length > 0);
    assert.strictEqual(byHttp2()[0].status, 200);
  });

  it('names what is awaited also where a library patches http and promises', async (t) => {
    const { requests, said } = await follow(t, '/file', APM);
    assert.strictEqual(said.stderr, '');
    const reads = requests.flatMap(({ slices }) => slices).filter((slice) => slice.type.startsWith('FSREQ'));
    assert(reads.some((slice) => slice.site.includes('loadTemplate')), JSON.stringify(requests[0]));
  });

  it('leaves the target its own stack traces', async (t) => {
    const custom = `
      Error.stackTraceLimit = 3;
      Error.prepareStackTrace = (error, sites) => 'mine ' + sites.length;
      setInterval(() => { if (new Error().stack !== 'mine 3') process.stderr.write(new Error().stack); }, 1);
    `;
    const { said, requests } = await follow(t, '/file', custom);
    assert.strictEqual(said.stderr, '');
    assert(requests[0].slices.some((/** @type {any} */ slice) => slice.site.includes('loadTemplate')));
  });
});
