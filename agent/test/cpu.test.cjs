'use strict';
const { describe, it } = require('node:test');
const assert = require('node:assert');
const { readdirSync, readFileSync } = require('fs');
const { Collector, functionsIn } = require('./collector.cjs');
const { widened } = require('../sampling-cost.cjs');

const WAIT_FOR_STDIN = `process.stdin.on('data', () => process.exit()).on('end', () => process.exit());`;
/** Long on purpose: V8 inlines short functions, and names the caller for what they cost. */
const LONG = 'n = (n * 31 + 7) | 0; '.repeat(80);
const BUSY = `
  function hot() { const end = Date.now() + 30; let n = 0; while (Date.now() < end) { JSON.stringify({ a: [1, 2, 3] }); ${LONG} } }
  setInterval(hot, 40);`;

/**
 * Returns the two times at which neighbours in `pieces` overlap, after checking that they do.
 *
 * @param {any[]} pieces
 */
function checkOverlap(pieces) {
  for (let i = 1; i < pieces.length; i++) {
    assert.strictEqual(pieces[i].slowpath.sequence, pieces[i - 1].slowpath.sequence + 1);
    assert.strictEqual(pieces[i].slowpath.overlaps, true);
    assert(pieces[i].startTime <= pieces[i - 1].endTime, 'the next piece starts before the last one ends');
  }
}

describe('cpu', { concurrency: 4, timeout: 60_000 }, () => {
  it('sends overlapping pieces about every second, with the hot function and its lines', async (t) => {
    const collector = await Collector.listen(t);
    const { child, end } = collector.start([collector.file('t.js', WAIT_FOR_STDIN + BUSY)]);
    const target = await collector.connection();
    assert.strictEqual((await target.command('start', 'cpu', { interval_us: 1000 })).ok, true);
    assert.strictEqual((await target.command('start', 'cpu')).ok, false);
    await target.until(() => target.pieces().length >= 3);
    assert.strictEqual((await target.command('stop', 'cpu')).ok, true);

    const pieces = target.pieces();
    checkOverlap(pieces);
    assert.strictEqual(pieces[0].slowpath.sequence, 1);
    for (const piece of pieces.slice(0, 3)) {
      assert(functionsIn(piece).includes('hot'));
      const hot = piece.nodes.find((/** @type {any} */ node) => node.callFrame.functionName === 'hot');
      assert(hot.positionTicks.length > 0);
      assert.strictEqual(piece.samples.length, piece.timeDeltas.length);
      const seconds = (piece.endTime - piece.startTime) / 1e6;
      assert(seconds > 0.5 && seconds < 5, `a piece of ${seconds} s`);
    }
    // V8's clock is that of the hello.
    const startedAt = Number(target.hello.clock.hrtime_ns) / 1e3;
    assert(pieces[0].startTime > startedAt && pieces[0].startTime < startedAt + 30e6);

    await target.command('start', 'cpu');
    await target.until(() => target.pieces().length > pieces.length);
    const nextAfterRestart = target.pieces()[pieces.length];
    assert.strictEqual(nextAfterRestart.slowpath.sequence, pieces.length + 1);
    child.stdin?.end();
    assert.deepStrictEqual(await end, { code: 0, signal: null, stdout: '', stderr: '' });
  });

  it('widens the interval until sampling costs no more than its share', async (t) => {
    const collector = await Collector.listen(t);
    const { child } = collector.start([collector.file('t.js', WAIT_FOR_STDIN + BUSY)]);
    const target = await collector.connection();
    assert.strictEqual((await target.command('start', 'cpu', { interval_us: 1000, max_share: 1e-6 })).ok, true);
    await target.until(() => target.pieces().length >= 2);
    const deltas = target.pieces()[1].timeDeltas.slice().sort((/** @type {number} */ a, /** @type {number} */ b) => a - b);
    const median = deltas[deltas.length >> 1];
    assert(median > 2500, `a sample every ${median} µs`);
    child.stdin?.end();
  });

  it('keeps to the interval asked for where that is cheap, and to steps where it is not', () => {
    assert.strictEqual(widened(1000, 6, 0.03), 1000);
    assert.strictEqual(widened(1000, 15, 0.03), 2500);
    assert.strictEqual(widened(4000, 15, 0.03), 4000);
    assert.strictEqual(widened(1000, 5000, 0.03), 5000);
    assert.strictEqual(widened(1000, NaN, 0.03), 1000);
  });

  it('credits a function that was optimized before the recording', async (t) => {
    const collector = await Collector.listen(t);
    const warm = `let n = 0; const again = setInterval(() => { if (++n === 60) console.log('warm'); }, 40);`;
    const { said, child } = collector.start([collector.file('t.js', WAIT_FOR_STDIN + BUSY + warm)]);
    const target = await collector.connection();
    while (!said.stdout.includes('warm')) await new Promise((resolve) => child.stdout?.once('data', resolve));
    await target.command('start', 'cpu');
    await target.until(() => target.pieces().length >= 2);
    const [, piece] = target.pieces();
    const ids = new Set(piece.nodes.filter((/** @type {any} */ n) => n.callFrame.functionName === 'hot').map((/** @type {any} */ n) => n.id));
    const share = piece.samples.filter((/** @type {number} */ id) => ids.has(id)).length / piece.samples.length;
    assert(share > 0.2, `\`hot\` has ${share} of the samples`);
  });

  it('goes on while the main thread is stuck in an endless loop', async (t) => {
    const collector = await Collector.listen(t);
    const file = collector.file(
      't.js',
      `process.stdin.once('data', function stuck() { for (let n = 0; ; n++) globalThis.n = n; });`,
    );
    const { child } = collector.start([file]);
    const target = await collector.connection();
    await target.command('start', 'cpu');
    child.stdin?.write('x');
    await target.until(() => target.pieces().filter((piece) => functionsIn(piece).includes('stuck')).length >= 2);
    assert.strictEqual((await target.command('stop', 'cpu')).ok, true);
    checkOverlap(target.pieces());
    assert.strictEqual((await target.command('start', 'cpu')).ok, true);
    assert.strictEqual((await target.command('stop', 'cpu')).ok, true);
  });

  it('samples worker threads, and not the relay', async (t) => {
    const collector = await Collector.listen(t);
    const worker = `function hotInWorker() { const end = Date.now() + 30; while (Date.now() < end); } setInterval(hotInWorker, 40);`;
    const nested = `const { Worker } = require('worker_threads'); new Worker(${JSON.stringify(worker)}, { eval: true });`;
    const source = `${WAIT_FOR_STDIN}
      const { Worker } = require('worker_threads');
      for (const code of ${JSON.stringify([worker, nested])}) new Worker(code, { eval: true, name: 'pool' });
      setTimeout(() => new Worker(${JSON.stringify(`while (true) {}`)}, { eval: true }), 500);`;
    const { child, end } = collector.start([collector.file('t.js', source)]);
    const target = await collector.connection();
    await target.command('start', 'cpu');
    const ofHot = () => [2, 3, 4, 5].filter((thread) => {
      return target.pieces(thread).some((piece) => functionsIn(piece).includes('hotInWorker'));
    });
    await target.until(() => ofHot().length === 2 && target.pieces(5).length >= 2);
    assert.strictEqual((await target.command('stop', 'cpu')).ok, true);
    for (const thread of [2, 3, 4, 5]) {
      checkOverlap(target.pieces(thread));
      assert(target.pieces(thread).length > 0, `thread ${thread}`);
    }
    assert.strictEqual(target.pieces(1).length, 0, 'thread 1 is the relay');
    assert(target.all('thread').some(({ thread, title }) => thread === 2 && title === 'pool'));
    child.stdin?.end();
    assert.deepStrictEqual(await end, { code: 0, signal: null, stdout: '', stderr: '' });
  });

  it('survives worker threads that come and go', async (t) => {
    const collector = await Collector.listen(t);
    const source = `${WAIT_FOR_STDIN}
      const { Worker } = require('worker_threads');
      let n = 0;
      (function next() {
        if (++n > 30) return console.log('done');
        const worker = new Worker('setTimeout(() => {}, 5)', { eval: true });
        worker.on('exit', next);
        if (n % 2) setTimeout(() => worker.terminate(), n);
      })();`;
    const { child, end, said } = collector.start([collector.file('t.js', source)]);
    const target = await collector.connection();
    await target.command('start', 'loop');
    await target.command('start', 'cpu');
    await target.until(() => said.stdout.includes('done'));
    await target.until(() => {
      const ended = target.all('thread').filter(({ state }) => state === 'ended').map(({ thread }) => thread);
      return target.all('thread').every(({ thread }) => ended.includes(thread));
    });
    assert.strictEqual((await target.command('stop', 'cpu')).ok, true);
    child.stdin?.end();
    assert.deepStrictEqual(await end, { code: 0, signal: null, stdout: 'done\n', stderr: '' });
  });

  it('restarts the profiler where pieces cannot overlap, and says so', async (t) => {
    const collector = await Collector.listen(t);
    const source = `${WAIT_FOR_STDIN} ${BUSY}
      process.getBuiltinModule = () => { throw new Error('not here'); };
      require('module').prototype.require = process.getBuiltinModule;`;
    collector.start([collector.file('t.js', source)]);
    const target = await collector.connection();
    await target.command('start', 'cpu');
    const note = await target.until(() => target.all('note')[0]);
    assert.deepStrictEqual([note.recorder, note.state], ['cpu', 'partial']);
    assert.match(note.why, /do not overlap.*not here/);
    await target.until(() => target.pieces().length >= 1);
    await target.command('stop', 'cpu');
    for (const { slowpath } of target.pieces()) assert.strictEqual(slowpath.overlaps, false);
    assert.deepStrictEqual(target.pieces().map(({ slowpath }) => slowpath.sequence), [1, 2]);
    assert(functionsIn(target.pieces()[0]).includes('hot'));
  });

  it("leaves the target's own profiler and inspector alone", async (t) => {
    const collector = await Collector.listen(t);
    const source = `${BUSY}
      const { Session } = require('inspector');
      const session = new Session();
      session.connect();
      session.post('Profiler.enable');
      session.post('Profiler.start');
      process.stdin.on('data', () => session.post('Profiler.stop', (error, { profile }) => {
        console.log(JSON.stringify([error, profile.nodes.some(({ callFrame }) => callFrame.functionName === 'hot')]));
        process.exit();
      }));`;
    const args = ['--inspect=127.0.0.1:0', '--cpu-prof', '--cpu-prof-name=own.cpuprofile', collector.file('t.js', source)];
    const { child, end } = collector.start(args);
    const target = await collector.connection();
    await target.command('start', 'cpu');
    await target.until(() => target.pieces().length >= 1);
    await target.command('stop', 'cpu');
    child.stdin?.write('x');
    const { code, stdout, stderr } = await end;
    assert.deepStrictEqual([code, stdout], [0, '[null,true]\n']);
    assert.match(target.all('note')[0].why, /`--cpu-prof`/);
    assert.match(stderr, /^Debugger listening on .*\nFor help, see: .*\n$/);
    const own = JSON.parse(readFileSync(`${collector.dir}/own.cpuprofile`, 'utf8'));
    assert(functionsIn(own).includes('hot'));
  });

  for (const [how, source] of [
    ['process.exit', `process.stdin.on('data', () => process.exit(7)); ${BUSY}`],
    ['an empty loop', `process.exitCode = 7; process.stdin.once('data', () => process.stdin.destroy());`],
    ['an uncaught error', `process.stdin.on('data', () => { throw Object.assign(new Error('x'), { stack: 'x' }); });`],
  ]) {
    it(`lets the target end by ${how} while it records`, async (t) => {
      const collector = await Collector.listen(t);
      const file = collector.file('t.js', source);
      const bare = collector.startBare([file]);
      bare.child.stdin?.write('x');
      const { child, end } = collector.start([file]);
      const target = await collector.connection();
      for (const recorder of ['loop', 'gc', 'heap_usage', 'cpu']) await target.command('start', recorder);
      await target.until(() => target.pieces().length >= 1);
      child.stdin?.write('x');
      assert.deepStrictEqual(await end, await bare.end);
      assert.strictEqual(collector.exitNote(child.pid).code, (await end).code);
    });
  }

  it('stops the profiler when the collector dies', { skip: process.platform !== 'linux' }, async (t) => {
    const collector = await Collector.listen(t);
    const { child, end, said } = collector.start([collector.file('t.js', WAIT_FOR_STDIN + BUSY + `setInterval(() => console.log('.'), 20)`)]);
    const threads = () => {
      const tasks = readdirSync(`/proc/${child.pid}/task`);
      return tasks.map((tid) => {
        try {
          return readFileSync(`/proc/${child.pid}/task/${tid}/comm`, 'utf8').trim();
        } catch {
          return 'just ended';
        }
      });
    };
    const target = await collector.connection();
    const nThreads = threads().length;
    await target.command('start', 'cpu');
    await target.until(() => target.pieces().length >= 1);
    assert(threads().includes('v8:ProfEvntProc'));
    collector.die();
    // The target's own output is the clock here: no event of ours tells that the agent has gone quiet.
    while (threads().includes('v8:ProfEvntProc') || threads().length >= nThreads) {
      const length = said.stdout.length;
      while (said.stdout.length === length) await new Promise((resolve) => child.stdout?.once('data', resolve));
    }
    child.stdin?.end();
    const { code, stderr } = await end;
    assert.deepStrictEqual([code, stderr], [0, '']);
  });
});
