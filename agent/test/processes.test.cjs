'use strict';
const { describe, it } = require('node:test');
const assert = require('node:assert');
const { realpathSync } = require('fs');
const { Collector, functionsIn } = require('./collector.cjs');

/** Long on purpose: V8 inlines short functions, and names the caller for what they cost. */
const LONG = 'n = (n * 31 + 7) | 0; '.repeat(80);
const BUSY = `function hot() { const end = Date.now() + 30; let n = 0; while (Date.now() < end) { ${LONG} } } setInterval(hot, 40);`;

describe('processes', { concurrency: 4, timeout: 60_000 }, () => {
  it('covers every cluster worker', async (t) => {
    const collector = await Collector.listen(t);
    const source = `
      const cluster = require('cluster');
      if (cluster.isPrimary) {
        for (let i = 0; i < 2; i++) cluster.fork();
        let n = 0;
        cluster.on('exit', (worker, code) => { console.log('worker exit', code); if (++n === 2) process.exit(); });
        process.stdin.on('end', () => { for (const id in cluster.workers) cluster.workers[id].send('stop'); }).resume();
      } else {
        ${BUSY}
        process.on('message', () => process.exit(cluster.worker.id + 10));
      }`;
    const { child, end } = collector.start([collector.file('t.js', source)]);
    const primary = await collector.connection((hello) => hello.pid === child.pid);
    assert.strictEqual(primary.hello.cluster_worker, null);
    const workers = [1, 2].map((id) => collector.connection((hello) => hello.cluster_worker === id));
    for (const worker of await Promise.all(workers)) {
      assert.strictEqual(worker.hello.ppid, child.pid);
      await worker.command('start', 'loop');
      await worker.command('start', 'cpu');
      await worker.until(() => worker.pieces().length >= 2 && worker.records('tick').length > 20);
      assert(functionsIn(worker.pieces()[1]).includes('hot'));
    }
    child.stdin?.end();
    const { code, stdout, stderr } = await end;
    assert.deepStrictEqual([code, stderr], [0, '']);
    assert.deepStrictEqual(stdout.trim().split('\n').sort(), ['worker exit 11', 'worker exit 12']);
    for (const worker of await Promise.all(workers)) {
      assert.strictEqual(collector.exitNote(worker.hello.pid).code, 10 + worker.hello.cluster_worker);
    }
  });

  it('covers forked children, and their messages arrive', async (t) => {
    const collector = await Collector.listen(t);
    const childFile = collector.file('child.js', `process.on('message', (m) => { process.send(m + 1); process.disconnect(); });`);
    const source = `
      const child = require('child_process').fork(${JSON.stringify(childFile)});
      child.on('message', (m) => console.log(m)).on('exit', (code) => console.log('exit', code));
      process.stdin.on('end', () => child.send(1)).resume();`;
    const { child, end } = collector.start([collector.file('t.js', source)]);
    const forked = await collector.connection((hello) => hello.ppid === child.pid);
    child.stdin?.end();
    assert.deepStrictEqual(await end, { code: 0, signal: null, stdout: '2\nexit 0\n', stderr: '' });
    assert.strictEqual(forked.hello.main, realpathSync(childFile));
    assert.strictEqual(forked.hello.cluster_worker, null);
  });

  it('covers an ESM program and its worker threads', async (t) => {
    const collector = await Collector.listen(t);
    collector.file('worker.mjs', `await 0; ${BUSY}`);
    const file = collector.file('t.mjs', `import { Worker } from 'node:worker_threads';
      await new Promise((resolve) => setTimeout(resolve, 10));
      new Worker(new URL('worker.mjs', import.meta.url));
      process.stdin.on('end', () => process.exit()).resume();
      ${BUSY}`);
    const { child, end } = collector.start([file]);
    const target = await collector.connection();
    assert.strictEqual(target.hello.main, realpathSync(file));
    for (const recorder of ['loop', 'cpu']) await target.command('start', recorder);
    await target.until(() => target.pieces().length >= 2 && target.pieces(2).length >= 2 && target.records('tick', 2).length > 5);
    for (const thread of [0, 2]) assert(functionsIn(target.pieces(thread)[1]).includes('hot'));
    child.stdin?.end();
    assert.deepStrictEqual(await end, { code: 0, signal: null, stdout: '', stderr: '' });
  });

  it('samples worker threads that run without the agent', async (t) => {
    const collector = await Collector.listen(t);
    const source = `
      const { Worker } = require('worker_threads');
      new Worker(${JSON.stringify(BUSY)}, { eval: true, env: {} });
      process.stdin.on('end', () => process.exit()).resume();`;
    const { child, end } = collector.start([collector.file('t.js', source)]);
    const target = await collector.connection();
    await target.command('start', 'cpu');
    await target.until(() => target.pieces(2).length >= 2);
    assert(functionsIn(target.pieces(2)[1]).includes('hot'));
    child.stdin?.end();
    assert.strictEqual((await end).code, 0);
  });

  it('leaves no exit note of a killed process', async (t) => {
    const collector = await Collector.listen(t);
    const { child, end } = collector.start([collector.file('t.js', `process.stdin.resume()`)]);
    await collector.connection();
    child.kill('SIGKILL');
    assert.strictEqual((await end).signal, 'SIGKILL');
    assert.strictEqual(collector.exitNote(child.pid), undefined);
  });
});
