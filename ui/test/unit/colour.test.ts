/** Category colours stay apart for colour-blind readers, keep off red, and carry readable labels. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CATEGORY_COLOUR,
  type Hsl,
  luminance,
  N_SHADES,
  needsLightText,
  shadeOf,
  toLinearRgb,
} from "../../src/logic/colour.ts";

type Rgb = readonly [number, number, number];

/** Full dichromacy, for linear RGB: Machado, Oliveira and Fernandes 2009, severity 1.0. */
const EYES: Record<string, readonly Rgb[]> = {
  usual: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protan: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deutan: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritan: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

const seen = (eye: readonly Rgb[], [r, g, b]: Rgb): Rgb =>
  eye.map(([x, y, z]) => Math.min(1, Math.max(0, x * r + y * g + z * b))) as unknown as Rgb;

/** Björn Ottosson's OKLab: distances are even to the eye. */
function oklab([r, g, b]: Rgb): Rgb {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** About twice the step that is just seen side by side on small areas. */
const APART = 0.05;

test("categories stay apart for every kind of colour vision", () => {
  // "native", "kernel", "program" and "idle" are greys that say the same: not code of yours.
  const names = ["app", "dependency", "node", "native", "wasm", "gc"] as const;
  for (const [kind, eye] of Object.entries(EYES)) {
    for (const a of names) {
      for (const b of names) {
        if (a >= b) continue;
        const [p, q] = [a, b].map((name) => oklab(seen(eye, toLinearRgb(CATEGORY_COLOUR[name]))));
        const distance = Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
        assert.ok(distance > APART, `${kind}: ${a} and ${b} are ${distance.toFixed(3)} apart`);
      }
    }
  }
});

test("no category is red", () => {
  for (const [hue, saturation] of Object.values(CATEGORY_COLOUR)) assert.ok(saturation < 20 || (hue > 20 && hue < 330));
});

test("labels have a contrast of 4.5 : 1 or more in both themes", () => {
  for (const [name, colour] of Object.entries(CATEGORY_COLOUR)) {
    for (const dark of [false, true]) {
      const drawn: Hsl = dark ? [colour[0], colour[1] * 0.8, colour[2] * 0.86] : colour;
      const text = needsLightText(colour, dark) ? 1 : luminance([220, 6, 10]);
      const [high, low] = [luminance(drawn), text].sort((a, b) => b - a);
      const contrast = (high + 0.05) / (low + 0.05);
      assert.ok(contrast >= 4.5, `${name} ${dark ? "dark" : "light"}: ${contrast.toFixed(2)}`);
    }
  }
});

test("a function keeps its shade", () => {
  assert.equal(shadeOf("renderRules"), shadeOf("renderRules"));
  assert.ok(new Set(["a", "b", "c", "d", "e", "f", "g", "h", "i"].map(shadeOf)).size > N_SHADES / 2);
});
