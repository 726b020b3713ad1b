'use strict';
const { describe, it } = require('node:test');
const assert = require('node:assert');
const { Collector } = require('./collector.cjs');

/** Optimises `area` and `step` again and again: their code relies on what each round changes. In a worker thread too. */
const PROGRAM = `
  const { Worker, isMainThread } = require('worker_threads');
  class Shape {}
  Shape.prototype.sides = function sides() { return 4; };
  function area(n) { const shape = new Shape(); let sum = 0; for (let i = 0; i < n; i++) sum += shape.sides(); return sum; }
  globalThis.current = { n: 1 };
  function step(n) { let sum = 0; for (let i = 0; i < n; i++) sum += current.n * i | 0; return sum; }
  let round = 0;
  function work() {
    const end = Date.now() + 20;
    while (Date.now() < end) {
      round += 1;
      Shape.prototype['x' + round % 7] = 1;
      area(20000);
      delete Shape.prototype['x' + round % 7];
      globalThis.current = { n: round };
      step(20000);
      delete globalThis.current;
      const wrong = new Function('o', 'n', 'let t = 0; for (let i = 0; i < n; i++) t += o.a; return t; //' + round);
      for (let k = 0; k < 200; k++) wrong({ a: 1 }, 300);
      wrong({ b: 1, a: 'x' }, 100);
    }
    timer = setTimeout(work, 1);
  }
  let timer;
  work();
  if (isMainThread) {
    const worker = new Worker(__filename);
    process.stdin.on('data', () => { console.log('bye'); process.exit(0); }).on('end', () => process.exit(0));
    console.log('hello');
  }`;

/** @param {import('node:test').TestContext} t @param {string[]} [options] @param {string} [program] */
async function start(t, options = [], program = PROGRAM) {
  const collector = await Collector.listen(t);
  const started = collector.start([...options, collector.file('program.js', program)]);
  return { collector, started, target: await collector.connection() };
}

const optimisedTimes = (/** @type {any} */ deopts, /** @type {string} */ name) =>
  deopts.functions.filter((/** @type {any} */ row) => row.name === name)
    .reduce((/** @type {number} */ n, /** @type {any} */ row) => n + row.optimised + row.replaced + row.aborted, 0);

describe('deopts', { concurrency: 2, timeout: 60_000 }, () => {
  it('name what is optimised again and again, and nothing of it reaches the target\'s output', async (t) => {
    const { started, target } = await start(t);
    assert.deepStrictEqual(await target.command('start', 'deopts'), { id: 1, ok: true });
    let rounds = 0;
    do {
      // A busy machine optimises late: several windows, until there is enough.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      assert.deepStrictEqual(await target.command('stop', 'deopts'), { id: 2 + 2 * rounds, ok: true });
      if (target.all('deopts').some((deopts) => optimisedTimes(deopts, 'area') > 2)) break;
      assert.deepStrictEqual(await target.command('start', 'deopts'), { id: 3 + 2 * rounds, ok: true });
      rounds += 1;
    } while (rounds < 10);
    const best = target.all('deopts').at(-1);
    assert.ok(optimisedTimes(best, 'area') > 2, JSON.stringify(best));
    assert.ok(best.ms >= 1000 && best.functions.every((/** @type {any} */ row) => row.last_ms <= best.ms + 200), JSON.stringify(best));
    started.child.stdin?.write('x');
    const ended = await started.end;
    assert.deepStrictEqual({ stdout: ended.stdout, stderr: ended.stderr }, { stdout: 'hello\nbye\n', stderr: '' });
    assert.strictEqual(ended.code, 0);
  });

  it('leave a target alone that has V8 trace code itself', async (t) => {
    const { started, target } = await start(t, ['--trace-opt']);
    const reply = await target.command('start', 'deopts');
    assert.strictEqual(reply.ok, false);
    assert.match(reply.why, /`--trace-opt`/);
    started.child.stdin?.end();
    await started.end;
  });

  it('end with the collector, and the target runs on in silence', async (t) => {
    const { started, target } = await start(t);
    assert.strictEqual((await target.command('start', 'deopts')).ok, true);
    target.socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 500));
    started.child.stdin?.write('x');
    const ended = await started.end;
    assert.deepStrictEqual([ended.code, ended.stdout, ended.stderr], [0, 'hello\nbye\n', '']);
  });

  it('hand over what they have when the target ends', async (t) => {
    const { started, target } = await start(t);
    assert.strictEqual((await target.command('start', 'deopts')).ok, true);
    await new Promise((resolve) => setTimeout(resolve, 300));
    started.child.stdin?.write('x');
    await target.until(() => target.all('deopts').length === 1);
    assert.strictEqual((await started.end).code, 0);
  });
});
