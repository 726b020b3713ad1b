'use strict';
const { describe, it } = require('node:test');
const assert = require('node:assert');
const { realpathSync } = require('fs');
const { Collector } = require('./collector.cjs');

const WAIT_FOR_STDIN = `process.stdin.on('data', () => process.exit()).on('end', () => process.exit());`;

describe('records', { concurrency: 4, timeout: 60_000 }, () => {
  it('says hello first, with a pair of clock readings', async (t) => {
    const collector = await Collector.listen(t);
    const file = collector.file('server.js', WAIT_FOR_STDIN);
    const before = process.hrtime.bigint();
    const { child } = collector.start(['--no-warnings', file, '--port', '0']);
    const { hello } = await collector.connection();
    assert.strictEqual(hello.protocol, 1);
    assert.strictEqual(hello.pid, child.pid);
    assert.strictEqual(hello.ppid, process.pid);
    assert.match(hello.node, /^\d+\.\d+\.\d+/);
    assert.match(hello.v8, /^\d+\./);
    assert.strictEqual(hello.arch, process.arch);
    assert.deepStrictEqual(hello.argv.slice(1), [file, '--port', '0']);
    assert.deepStrictEqual(hello.exec_argv, ['--no-warnings']);
    assert.strictEqual(hello.cwd, realpathSync(collector.dir));
    assert.strictEqual(hello.main, realpathSync(file));
    assert.strictEqual(hello.cluster_worker, null);
    assert(hello.heap_size_limit > 1e7);
    assert(hello.relay_tid > 0 && hello.relay_tid !== hello.pid);
    const startedAt = BigInt(hello.clock.hrtime_ns) - BigInt(Math.round(hello.clock.performance_now_ms * 1e6));
    assert(startedAt > before && startedAt < process.hrtime.bigint());
  });

  it('sends nothing until a recorder is started, and nothing after it is stopped', async (t) => {
    const collector = await Collector.listen(t);
    collector.start([collector.file('t.js', WAIT_FOR_STDIN)]);
    const target = await collector.connection();
    assert.deepStrictEqual(await target.command('start', 'loop'), { id: 1, ok: true });
    await target.until(() => target.records('tick').length >= 20);
    assert.strictEqual(target.records('heap').length, 0);
    assert.deepStrictEqual(await target.command('stop', 'loop'), { id: 2, ok: true });
    await target.command('start', 'heap_usage');
    await target.until(() => target.records('heap').length >= 1);
    const n = target.records('tick').length;
    await target.until(() => target.records('heap').length >= 2);
    assert.strictEqual(target.records('tick').length, n);
    assert.strictEqual(target.frames[0].kind, 'hello');
  });

  it('records ticks, their lag when the loop is blocked, and idle time', async (t) => {
    const collector = await Collector.listen(t);
    const block = `setInterval(() => { const end = Date.now() + 80; while (Date.now() < end); }, 200);`;
    collector.start([collector.file('t.js', WAIT_FOR_STDIN + block)]);
    const target = await collector.connection();
    await target.command('start', 'loop');
    await target.until(() => target.records('tick').filter((tick) => tick.a > 40).length >= 3);
    const ticks = target.records('tick');
    for (let i = 1; i < ticks.length; i++) {
      assert(ticks[i].tMs > ticks[i - 1].tMs);
      assert(ticks[i].a >= 0);
      const idleMs = ticks[i].b - ticks[i - 1].b;
      assert(idleMs >= 0 && idleMs <= ticks[i].tMs - ticks[i - 1].tMs + 1, `${idleMs} ms idle between two ticks`);
    }
    assert(ticks[ticks.length - 1].b > ticks[0].b, 'idle time grows');
  });

  it('records garbage collections and heap sizes', async (t) => {
    const collector = await Collector.listen(t);
    const source = `${WAIT_FOR_STDIN} setInterval(() => { globalThis.kept = Array.from({ length: 2e5 }, () => ({})); }, 20);`;
    collector.start([collector.file('t.js', source)]);
    const target = await collector.connection();
    await target.command('start', 'gc');
    await target.command('start', 'heap_usage');
    await target.until(() => target.records('gc').length >= 5 && target.records('external').length >= 1);
    for (const { a: pauseMs, b: kind } of target.records('gc')) {
      assert(pauseMs > 0);
      assert([1, 2, 4, 8, 16].includes(kind), `kind ${kind}`);
    }
    const [{ a: used, b: total }] = target.records('heap');
    assert(used > 1e6 && total >= used);
    await target.command('stop', 'gc');
  });

  it('counts what a full ring has dropped', async (t) => {
    const collector = await Collector.listen(t);
    // More collections than the ring of a worker thread holds, in one turn of its loop: the observer gets them at once.
    const work = `let n = 0; setTimeout(function more() {
      for (let i = 0; i < 1500; i++) gc({ type: 'minor' });
      if (++n < 50) setTimeout(more, 50);
    }, 50);`;
    const source = `${WAIT_FOR_STDIN} new (require('worker_threads').Worker)(${JSON.stringify(work)}, { eval: true });`;
    collector.start(['--expose-gc', collector.file('t.js', source)]);
    const target = await collector.connection();
    await target.command('start', 'gc');
    const [dropped] = await target.until(() => {
      const records = target.records('dropped', 2);
      return records.length > 0 ? records : undefined;
    });
    assert(dropped.a > 0);
    assert(dropped.tMs > target.hello.clock.performance_now_ms);
  });

  it('records worker threads on the clock of the main thread, and says when they start and end', async (t) => {
    const collector = await Collector.listen(t);
    const script = collector.file('w.js', `require('worker_threads').parentPort.once('message', () => process.exit());`);
    const source = `
      const { Worker } = require('worker_threads');
      setTimeout(() => {
        const [ending, terminated] = [new Worker(${JSON.stringify(script)}), new Worker(${JSON.stringify(script)})];
        process.stdin.once('data', () => { ending.postMessage(0); terminated.terminate(); });
      }, 300);
      process.stdin.on('end', () => process.exit());`;
    const { child } = collector.start([collector.file('t.js', source)]);
    const target = await collector.connection();
    await target.command('start', 'loop');
    await target.command('start', 'heap_usage');
    for (const thread of [2, 3]) {
      await target.until(() => target.records('tick', thread).length > 5 && target.records('heap', thread).length > 0);
      const started = await target.until(() => target.all('thread').find((n) => n.thread === thread && n.url));
      assert.strictEqual(started.state, 'started');
      assert.match(started.url, /^file:\/\/\/.*\/w\.js$/);
      assert(started.tid > 0 && started.tid !== target.hello.pid);
    }
    // Frames come in the order of draining, so that the clocks of both threads can be compared.
    const last = (/** @type {number} */ thread) => target.records('tick', thread).slice(-1)[0].tMs;
    assert(Math.abs(last(2) - last(0)) < 2000, `main thread at ${last(0)} ms, worker thread at ${last(2)} ms`);
    child.stdin?.write('x');
    for (const thread of [2, 3]) {
      await target.until(() => target.all('thread').find((n) => n.thread === thread && n.state === 'ended'));
    }
  });

  it('is not disturbed by fake timers', async (t) => {
    const collector = await Collector.listen(t);
    const source = `${WAIT_FOR_STDIN}
      const fake = () => { throw new Error('the agent called a fake'); };
      for (const name of ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout', 'setImmediate']) globalThis[name] = fake;
      process.hrtime = Object.assign(() => [0, 0], { bigint: () => 0n });
      performance.now = fake; Date.now = fake; JSON.stringify = fake; JSON.parse = fake;
      require('fs').writeFileSync = fake; require('v8').getHeapStatistics = fake;
      require('perf_hooks').PerformanceObserver = fake;`;
    const { child, end } = collector.start(['--expose-gc', collector.file('t.js', source)]);
    const target = await collector.connection();
    for (const recorder of ['loop', 'gc', 'heap_usage', 'cpu']) {
      assert.strictEqual((await target.command('start', recorder)).ok, true);
    }
    await target.until(() => target.records('tick').length > 20 && target.records('heap').length > 0);
    assert.strictEqual((await target.command('stop', 'cpu')).ok, true);
    assert.strictEqual(target.pieces().length > 0, true);
    child.stdin?.end();
    assert.deepStrictEqual(await end, { code: 0, signal: null, stdout: '', stderr: '' });
    assert.strictEqual(collector.exitNote(child.pid).code, 0);
  });

  it('refuses commands that it does not know', async (t) => {
    const collector = await Collector.listen(t);
    collector.start([collector.file('t.js', WAIT_FOR_STDIN)]);
    const target = await collector.connection();
    assert.deepStrictEqual(await target.command('start', 'weather'), {
      id: 1,
      ok: false,
      why: 'unknown recorder `weather`',
    });
    assert.strictEqual((await target.command('paint', 'loop')).why, 'unknown command `paint`');
    assert.strictEqual((await target.command('stop', 'cpu')).ok, true);
  });
});
