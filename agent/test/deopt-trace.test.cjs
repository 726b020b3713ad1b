'use strict';
const { describe, it } = require('node:test');
const assert = require('node:assert');
const { DeoptTrace, MAX_FUNCTIONS } = require('../deopt-trace.cjs');

/** What V8 10.2, 11.3, 12.4 and 13.6 printed, addresses and all. */
const PRINTED = [
  '[optimizing 0x31e4431626e9 <JSFunction callProto (sfi = 0x3648df3dd5f9)> (target TURBOFAN) - took 0.014, 87.929, 0.087 ms]',
  '[completed compiling 0x20fce371d9a9 <JSFunction callProto (sfi = 0x6a5757e3389)> (target TURBOFAN) - took 0.004, 58.825, 0.063 ms]',
  '[completed optimizing 0x20fce371d9a9 <JSFunction callProto (sfi = 0x6a5757e3389)> (target TURBOFAN)]',
  '[completed compiling 0x20fce371d9a9 <JSFunction callProto (sfi = 0x6a5757e3389)> (target TURBOFAN) OSR - took 0.011, 0.835, 0.046 ms]',
  '[aborted optimizing 0x04e4e6e5c771 <JSFunction callProto (sfi = 0x3b103a75bc31)> (target TURBOFAN) OSR because: Bailed out due to dependency change - took 0.002, 160.383, 0.009 ms]',
  '[aborted compiling 0x16f80ffa4621 <JSFunction callProto (sfi = 0x30877d6a8209)> (target MAGLEV) because: Bailed out due to dependency change]',
  '[bailout (kind: deopt-eager, reason: wrong map): begin. deoptimizing 0x327484bfd199 <JSFunction (sfi = 0x1a9ea7960a19)>, opt id 29, bytecode offset 6, deopt exit 2, FP to SP delta 64, caller SP 0x7fffc92bfb40, pc 0x0000052906ef]',
  '[bailout (kind: deopt-eager, reason: Insufficient type feedback for generic named access): begin. deoptimizing 0x0d89697737c9 <JSFunction readGlobal (sfi = 0xeb9c21a8309)>, 0x1eb1ab121819 <Code MAGLEV>, opt id 77, bytecode offset 6, deopt exit 1, FP to SP delta 24, caller SP 0x7ffc3560cb58, pc 0x7f0394010198]',
  '            ;;; deoptimize at </srv/a.js:15:49> inlined at <file:///srv/b.mjs:4:3>',
  '      1: 0x305638140059 ;  [fp +  16]  0x305638140059 <String[9]: #sk-secret>',
  '[bailout end. took 0.072 ms]',
  '[bailout (kind: deopt-eager, reason: prepare for on stack replacement (OSR)): begin. deoptimizing 0x1 <JSFunction warm (sfi = 0x2)>, 0x3 <Code MAGLEV>, opt id 5, bytecode offset 9, deopt exit 9, FP to SP delta 128, caller SP 0x1, pc 0x1]',
];

/** @param {string} text @param {(text: string) => number} [lengthOfPiece] */
function read(text, lengthOfPiece = (rest) => rest.length) {
  const trace = new DeoptTrace();
  let rest = text;
  for (let nowMs = 0; rest !== ''; nowMs += 50) {
    const n = Math.max(1, lengthOfPiece(rest));
    trace.take(rest.slice(0, n), nowMs);
    rest = rest.slice(n);
  }
  return { functions: trace.finish(), nOther: trace.nOther };
}

/** The same numbers every time. @param {number} seed */
function random(seed) {
  let state = seed;
  return (/** @type {number} */ below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('the trace of optimisations', () => {
  it('is understood as V8 10.2 to 13.6 print it', () => {
    const { functions } = read(`${PRINTED.join('\n')}\n`);
    const of = (/** @type {string} */ name) => functions.filter((row) => row.name === name);
    const sums = of('callProto').map((row) => [row.nOptimised, row.nReplaced, row.nAborted]);
    assert.deepStrictEqual(sums.sort(), [[0, 0, 1], [0, 0, 1], [1, 0, 0], [1, 1, 0]]);
    assert.deepStrictEqual(of('callProto').map((row) => row.heldMs.toFixed(3)).sort(), ['0.000', '0.000', '0.101', '0.124']);
    assert.deepStrictEqual(of('')[0].causes, [{ kind: 'eager', reason: 'wrong map', at: null, count: 1 }]);
    const [reads] = of('readGlobal');
    assert.deepStrictEqual(reads.at, ['file:///srv/b.mjs', 4, 3]);
    const reason = 'Insufficient type feedback for generic named access';
    assert.deepStrictEqual(reads.causes, [{ kind: 'eager', reason, at: ['/srv/a.js', 15, 49], count: 1 }]);
    assert.deepStrictEqual(of('warm'), [], 'on the way up to better code');
  });

  it('keeps nothing of the values that V8 prints', () => {
    assert.ok(!JSON.stringify(read(`${PRINTED.join('\n')}\n`)).includes('secret'));
  });

  it('means the same however it is cut into pieces', () => {
    const text = `${PRINTED.join('\n')}\n`.repeat(3);
    const untimed = (/** @type {ReturnType<typeof read>} */ { functions }) =>
      functions.map(({ firstMs: _first, lastMs: _last, ...row }) => row);
    const whole = untimed(read(text));
    for (let seed = 1; seed < 60; seed++) {
      const below = random(seed);
      assert.deepStrictEqual(untimed(read(text, () => 1 + below(200))), whole, `seed ${seed}`);
    }
  });

  it('is read without throwing and in bounds whatever it says', () => {
    for (let seed = 1; seed < 400; seed++) {
      const below = random(seed);
      const words = PRINTED.flatMap((line) => line.split(/(?<=[ <>():])/)).concat('\n', '\n', '\0', '<', '9'.repeat(30), '\u{1f980}', 'x'.repeat(5000));
      const text = Array.from({ length: 300 }, () => words[below(words.length)]).join('');
      const { functions } = read(text, () => 1 + below(500));
      for (const row of functions) {
        assert.ok(row.name.length <= 200 && Number.isFinite(row.heldMs));
        assert.ok(row.causes.every((cause) => cause.count > 0 && cause.reason.length <= 80));
      }
    }
  });

  it('keeps so many functions apart and counts the rest', () => {
    const line = (/** @type {number} */ n) => PRINTED[1].replace('callProto', `f${n}`).replace('0x6a5757e3389', `0x${n.toString(16)}`);
    const { functions, nOther } = read(Array.from({ length: MAX_FUNCTIONS + 50 }, (_, n) => `${line(n)}\n`).join(''));
    assert.strictEqual(functions.length, MAX_FUNCTIONS);
    assert.strictEqual(nOther, 50);
    assert.strictEqual(read(`${'x'.repeat(1e6)}\n${PRINTED[1]}\n`).functions.length, 1, 'a line without end costs itself alone');
  });
});
