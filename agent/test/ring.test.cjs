'use strict';
const test = require('node:test');
const assert = require('node:assert');
const { SharedMemory, LIVE } = require('../ring.cjs');

/** @param {Buffer} bytes */
function timesOf(bytes) {
  return Array.from({ length: bytes.length / 32 }, (_, i) => bytes.readDoubleLE(i * 32 + 8));
}

/** Returns an open worker slot: its ring holds 256 records. */
function openSlot() {
  const slot = new SharedMemory().claimWorkerSlot();
  assert(slot);
  slot.open(7, 4242);
  return slot;
}

test('gives back records in order, across the end of the ring', () => {
  const slot = openSlot();
  for (let t = 0; t < 200; t++) slot.push(1, t, 0, 0);
  assert.strictEqual(slot.drain().length, 200 * 32);
  for (let t = 200; t < 400; t++) slot.push(1, t, 0, 0);
  assert.deepStrictEqual(timesOf(slot.drain()), Array.from({ length: 200 }, (_, i) => 200 + i));
  assert.strictEqual(slot.drain().length, 0);
});

test('drops and counts what does not fit, and keeps the oldest', () => {
  const slot = openSlot();
  for (let t = 0; t < 300; t++) slot.push(1, t, 0, 0);
  assert.deepStrictEqual(timesOf(slot.drain()), Array.from({ length: 256 }, (_, i) => i));
  assert.strictEqual(slot.takeDropped(), 44);
  assert.strictEqual(slot.takeDropped(), 0);
});

test('goes on when the counters pass 2^31', () => {
  const slot = openSlot();
  const justBelow = 0x7fffffff - 10;
  slot.words[3] = slot.words[4] = justBelow;
  for (let t = 0; t < 20; t++) slot.push(1, t, 0, 0);
  assert.deepStrictEqual(timesOf(slot.drain()), Array.from({ length: 20 }, (_, i) => i));
});

test('gives each thread a slot of its own until none is left', () => {
  const memory = new SharedMemory();
  memory.slot(0).claim();
  const slots = new Set();
  for (let slot = memory.claimWorkerSlot(); slot; slot = memory.claimWorkerSlot()) slots.add(slot.words.byteOffset);
  assert.strictEqual(slots.size, 63);
  const last = memory.slot(63);
  assert.strictEqual(last.bytes.byteOffset + last.bytes.length, memory.buffer.byteLength);
  memory.slot(5).free();
  assert.strictEqual(memory.claimWorkerSlot()?.words.byteOffset, memory.slot(5).words.byteOffset);
});

test('shows the relay what the thread wrote', () => {
  const memory = new SharedMemory();
  const slot = memory.claimWorkerSlot();
  assert(slot);
  slot.open(7, 4242);
  slot.label = '/srv/wörker.js' + 'x'.repeat(1000);
  const seen = new SharedMemory(memory.buffer).slot(1);
  assert.deepStrictEqual([seen.state, seen.threadId, seen.osThreadId], [LIVE, 7, 4242]);
  assert(seen.label.startsWith('/srv/wörker.jsxxx'));
  assert.strictEqual(Buffer.byteLength(seen.label), 512);
});
