'use strict';
// A program that is always busy, in JavaScript and below it. Prints the rounds of each second, for `run.mjs`.

const zlib = require('node:zlib');

const orders = Array.from({ length: 600 }, (_, i) => ({ id: i, name: `order ${i}`, lines: [i, i + 1] }));
const text = JSON.stringify(orders);
const words = Array.from({ length: 400 }, (_, i) => `word${i}`).join(' ');

function checksum(length) {
  let sum = 0;
  for (let i = 0; i < length; i++) sum = (sum * 31 + (i ^ (sum >>> 3))) | 0;
  return sum;
}

function round() {
  checksum(400_000);
  JSON.parse(text);
  JSON.stringify(orders);
  for (let i = 0; i < 20; i++) /(w|o|r)+d\d+ .*word399$/.test(words);
  zlib.deflateSync(text);
  orders.map((order) => ({ ...order }));
}

let n = 0;
let since = process.hrtime.bigint();
setInterval(() => {
  round();
  n++;
  const now = process.hrtime.bigint();
  if (now - since < 1_000_000_000n) return;
  console.log((n * 1e9) / Number(now - since));
  [n, since] = [0, now];
}, 0);
