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
const routes = {
  async '/file'() { await loadTemplate(); },
  async '/lock'() { await lock(sleep); },
  async '/pool'() { await get(); },
};
const server = http.createServer(async (req, res) => { await routes[req.url](); res.end('ok'); }).listen(0);
process.stdin.on('data', async (path) => {
  await ask(String(path).trim(), 4);
  process.stdout.write('answered\\n');
}).on('end', () => process.exit());
`;

/** Decodes the async frames of a connection. @param {any} target */
function followed(target) {
  /** @type {Map<number, any>} */
  const frames = new Map();
  /** @type {Map<number, string[]>} */
  const sites = new Map([[0, []]]);
  /** @type {Map<number, any>} */
  const sources = new Map();
  /** @type {Map<number, any>} */
  const requests = new Map();
  for (const { bytes } of target.frames.filter((/** @type {any} */ frame) => frame.kind === 'async')) {
    for (let at = 0; at < bytes.length; at += 64) {
      const [code, id, start, end, e, since, , h] = Array.from({ length: 8 }, (_, i) => bytes.readDoubleLE(at + 8 * i));
      const [kind, source] = [code % 16, Math.floor(code / 16)];
      if (kind === 1) {
        const text = JSON.parse(bytes.toString('utf8', at + 64, at + 64 + id));
        at += Math.ceil(id / 64) * 64;
        if (text.file !== undefined) frames.set(text.frame, text);
        else if (text.site) sites.set(text.site, [frames.get(text.frame).name, ...(sites.get(text.outer) ?? [])]);
        else if (text.source !== undefined) sources.set(text.source, text);
        else if (text.request) requests.set(text.request, { ...text, slices: [] });
      } else if (kind === 2) Object.assign(requests.get(id), { start });
      else if (kind === 3 || kind === 7) {
        const site = sites.get(h % 65536);
        requests.get(id).slices.push({ start, end, ran: e, since, site, waker: Math.floor(h / 65536), ...sources.get(source) });
      } else if (kind === 4) Object.assign(requests.get(id), { end: start, nSlices: e, status: h });
    }
  }
  return [...requests.values()].filter((request) => request.end !== undefined);
}

/** @param {import('node:test').TestContext} t @param {string} path @param {string} [before] what the program does first */
async function follow(t, path, before = '') {
  const collector = await Collector.listen(t);
  const { child, said } = collector.start([collector.file('server.js', before + SERVER)]);
  const target = await collector.connection();
  await target.command('start', 'loop');
  await target.command('start', 'async');
  // The probe takes its orders at its next tick.
  await target.until(() => target.records('tick').length >= 15);
  for (;;) {
    const n = said.stdout.length;
    child.stdin.write(path + '\n');
    while (said.stdout.length === n) await new Promise((resolve) => child.stdout.once('data', () => setImmediate(resolve)));
    await target.until(() => target.records('tick').length > 0);
    const requests = followed(target).filter((request) => request.path === path);
    if (requests.length >= 8) return { requests, said, child, collector };
  }
}

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
