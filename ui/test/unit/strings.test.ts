/** Each word of the page has a Chinese one beside it, of the same shape, and says the same numbers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { L } from "../../src/load-strings.ts";
import { LOAD_ZH } from "../../src/load-strings-zh.ts";
import { S } from "../../src/strings.ts";
import { ZH } from "../../src/strings-zh.ts";

/** The same in Chinese: names, file names, and forms of nothing but numbers. */
const SAME = ["node", "samples", "noLoadHint", "noPackCommand", "noSamplesHint", "noSourcesHint", "version"];

function check(english: object, chinese: object): void {
  const words = (of: object) => Object.keys(of).filter((name) => !SAME.includes(name));
  const missing = words(english).filter((name) => !Object.hasOwn(chinese, name));
  assert.deepEqual(missing, [], "without a Chinese word");
  for (const name of words(chinese)) {
    const [here, there] = [english, chinese].map((of) => (of as Record<string, unknown>)[name]);
    if (typeof here !== "function" || typeof there !== "function") continue;
    const marks = Array.from({ length: here.length }, (_, i) => `⟨${i}⟩`);
    const said = (text: string) => marks.filter((mark) => text.includes(mark));
    assert.deepEqual(said(there(...marks)), said(here(...marks)), `${name} leaves something out`);
  }
}

test("every word of a report is there in Chinese, and says the same", () => check(S, ZH));
test("every word of a load is there in Chinese, and says the same", () => check(L, LOAD_ZH));
