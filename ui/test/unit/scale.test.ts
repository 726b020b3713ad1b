import assert from "node:assert/strict";
import { test } from "node:test";
import type { ScaleRow } from "../../src/contract.ts";
import { exponentText, growth, onAxis } from "../../src/logic/scale.ts";

const row = (ms_per_request: number[]): ScaleRow => ({
  cost: "cpu",
  function: null,
  file: null,
  line: null,
  function_index: null,
  ms_per_request,
  share: null,
  n_samples: null,
  exponent: null,
  low: null,
  high: null,
  expected: 0,
  pace: "unclear",
});

test("an exponent stands where the axis has it, and at an end where it has it not", () => {
  assert.equal(onAxis(-0.5), 0);
  assert.equal(onAxis(3), 1);
  assert.equal(onAxis(1.25), 0.5);
  assert.equal(onAxis(-7), 0);
  assert.equal(onAxis(9), 1);
});

test("a cost grows from the smallest input to the largest", () => {
  assert.equal(growth(row([2, 5, 8])), 4);
  assert.equal(growth(row([0, 8])), null);
  assert.equal(growth(row([])), null);
});

test("a negative exponent has a minus and not a hyphen", () => {
  assert.equal(exponentText(-0.054), "−0.05");
  assert.equal(exponentText(2), "2.00");
  assert.equal(exponentText(-0.001), "0.00");
});
