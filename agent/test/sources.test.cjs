'use strict';
const { describe, it } = require('node:test');
const assert = require('node:assert');
const { pathToFileURL } = require('url');
const { Collector } = require('./collector.cjs');

const WAIT_FOR_STDIN = `process.stdin.on('data', () => process.exit()).on('end', () => process.exit());`;

describe('sources', { concurrency: 4, timeout: 60_000 }, () => {
  it('hands out the text that runs, its source map and where its functions are', async (t) => {
    const collector = await Collector.listen(t);
    const inner = 'function inner(n) {\n  return n + 1;\n}';
    const text = `${WAIT_FOR_STDIN}\n${inner}\nconst outer = (n) => inner(n);\nsetInterval(outer, 50, outer(1));\nconsole.log('ready');\n//# sourceMappingURL=t.js.map\n`;
    const file = collector.file('t.js', text);
    const url = pathToFileURL(file).href;
    const { said, child, end } = collector.start([file]);
    const target = await collector.connection();
    // V8 knows of a function from its first call on, and for as long as something holds it.
    while (!said.stdout.includes('ready')) await new Promise((resolve) => child.stdout?.once('data', resolve));
    const reply = await target.command('sources', '', { urls: ['file:///nowhere.js', url] });
    assert.strictEqual(reply.ok, true);
    const [source, ...others] = target.all('source');
    assert.strictEqual(others.length, 0);
    assert.strictEqual(source.url, url);
    assert.strictEqual(source.text, text);
    assert.strictEqual(source.source_map_url, 't.js.map');
    const find = (/** @type {string} */ name) => {
      const found = source.functions.find((/** @type {any[]} */ [given]) => given === name);
      return found && text.slice(found[1], found[2]);
    };
    assert.strictEqual(find('inner'), inner);
    assert.strictEqual(find('outer'), '(n) => inner(n)');
    child.stdin?.end();
    assert.deepStrictEqual(await end, { code: 0, signal: null, stdout: 'ready\n', stderr: '' });
  });

  it('hands out what only a worker thread runs, beside a thread that is deaf', async (t) => {
    const collector = await Collector.listen(t);
    const score = 'function score(n) {\n  return n * 2;\n}';
    const scores = `${score}\nsetInterval(score, 50, score(1));\nrequire('worker_threads').parentPort.postMessage('ready');\n`;
    const worker = collector.file('worker.js', scores);
    const deaf = collector.file('deaf.js', 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);');
    const main = `${WAIT_FOR_STDIN}
      const { Worker } = require('worker_threads');
      new Worker(${JSON.stringify(deaf)});
      new Worker(${JSON.stringify(worker)}).on('message', console.log);`;
    const { said, child, end } = collector.start([collector.file('t.js', main)]);
    const target = await collector.connection();
    while (!said.stdout.includes('ready')) await new Promise((resolve) => child.stdout?.once('data', resolve));
    const url = pathToFileURL(worker).href;
    assert.strictEqual((await target.command('sources', '', { urls: [url] })).ok, true);
    const [source, ...others] = target.all('source');
    assert.strictEqual(others.length, 0);
    assert.strictEqual(source.text, scores);
    const [, begin, stop] = source.functions.find((/** @type {any[]} */ [name]) => name === 'score');
    assert.strictEqual(scores.slice(begin, stop), score);
    child.stdin?.end();
    assert.strictEqual((await end).code, 0);
  });

  it('does not stop the target at a `debugger` statement', async (t) => {
    const collector = await Collector.listen(t);
    const file = collector.file('t.js', `${WAIT_FOR_STDIN} setInterval(() => { debugger; }, 1);`);
    const { child, end } = collector.start([file]);
    const target = await collector.connection();
    for (let n = 0; n < 10; n++) {
      assert.strictEqual((await target.command('sources', '', { urls: [pathToFileURL(file).href] })).ok, true);
    }
    child.stdin?.end();
    assert.deepStrictEqual(await end, { code: 0, signal: null, stdout: '', stderr: '' });
  });

  it('works while the main thread is stuck in a loop, and beside the cpu recorder', async (t) => {
    const collector = await Collector.listen(t);
    const file = collector.file('t.js', `process.stdin.once('data', function stuck() { for (let n = 0; ; n++) globalThis.n = n; });`);
    const { child } = collector.start([file]);
    const target = await collector.connection();
    await target.command('start', 'cpu');
    child.stdin?.write('x');
    await target.until(() => target.pieces().length >= 2);
    const urls = [pathToFileURL(file).href];
    assert.strictEqual((await target.command('sources', '', { urls })).ok, true);
    assert.strictEqual(target.all('source').length, 1);
    assert.strictEqual((await target.command('stop', 'cpu')).ok, true);
  });
});
