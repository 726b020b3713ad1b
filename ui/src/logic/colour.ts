/**
 * Colours of frames: one hue per category, a little lightness by function so that neighbours part.
 *
 * Red is not among them: it is kept for "this blocked the loop". The hues were checked for the three kinds of colour
 * blindness (`test/colour.test.ts`); the label, the legend's order and a pattern on GC say the same without colour.
 */
import type { Category } from "../contract.ts";

/** Hue in degrees, saturation and lightness in per cent. */
export type Hsl = readonly [number, number, number];

export const CATEGORY_COLOUR: Record<Category, Hsl> = {
  app: [27, 92, 66],
  dependency: [245, 66, 77],
  node: [184, 58, 41],
  native: [45, 6, 72],
  kernel: [215, 12, 46],
  wasm: [50, 88, 52],
  gc: [134, 48, 31],
  program: [45, 6, 62],
  idle: [45, 10, 88],
};

/** For colouring by package; the first goes to the package with most time. From blue to magenta: dependencies stay one family, and no colour of a category is taken. */
export const PACKAGE_COLOURS: readonly Hsl[] = [
  [245, 66, 77],
  [202, 77, 66],
  [320, 48, 72],
  [225, 58, 48],
  [285, 42, 46],
  [208, 60, 84],
  [275, 60, 85],
  [325, 45, 48],
];
export const OTHER_PACKAGES: Hsl = [240, 14, 78];

export const N_SHADES = 8;
/** Largest step of lightness to either side, in per cent. */
const SPREAD = 5;

/** The same function always gets the same shade. FNV-1a. */
export function shadeOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return (hash >>> 7) % N_SHADES;
}

/** How much of the colour is left of frames that a search does not match. */
export const FADED = 0.28;

/** The dark theme dims frames a little, so that they do not glare. */
export function shades([hue, saturation, lightness]: Hsl, dark: boolean): Hsl[] {
  const base = dark ? lightness * 0.86 : lightness;
  return Array.from({ length: N_SHADES }, (_, i) => {
    const step = (i / (N_SHADES - 1) - 0.5) * 2 * SPREAD;
    return [hue, dark ? saturation * 0.8 : saturation, base + step];
  });
}

export const css = ([hue, saturation, lightness]: Hsl): string => `hsl(${hue} ${saturation}% ${lightness.toFixed(1)}%)`;

/** Red, green and blue as a screen takes them, each 0..1. */
export function toRgb([hue, saturation, lightness]: Hsl): [number, number, number] {
  const a = (saturation / 100) * Math.min(lightness / 100, 1 - lightness / 100);
  const channel = (n: number) => {
    const k = (n + hue / 30) % 12;
    return lightness / 100 - a * Math.max(-1, Math.min(k - 3, 9 - k, 1));
  };
  return [channel(0), channel(8), channel(4)];
}

/** Linear RGB, each 0..1. */
export function toLinearRgb(colour: Hsl): [number, number, number] {
  const linear = (value: number) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const [red, green, blue] = toRgb(colour);
  return [linear(red), linear(green), linear(blue)];
}

/** A colour as the four bytes of a pixel; `opacity` is 0..1. */
export function pixel([red, green, blue]: readonly [number, number, number], opacity: number): number {
  const byte = (value: number) => Math.round(value * 255);
  return ((byte(opacity) << 24) | (byte(blue) << 16) | (byte(green) << 8) | byte(red)) >>> 0;
}

/** "#rrggbb" as red, green and blue, each 0..1. */
export const fromHex = (hex: string): [number, number, number] => [
  Number.parseInt(hex.slice(1, 3), 16) / 255,
  Number.parseInt(hex.slice(3, 5), 16) / 255,
  Number.parseInt(hex.slice(5, 7), 16) / 255,
];

export function luminance(colour: Hsl): number {
  const [r, g, b] = toLinearRgb(colour);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Dark frames carry white labels; the threshold gives each at least 4.5 : 1. */
export const needsLightText = (colour: Hsl, dark: boolean): boolean =>
  luminance(dark ? [colour[0], colour[1] * 0.8, colour[2] * 0.86] : colour) < 0.18;

/** Colour by package: index into `PACKAGE_COLOURS`, or -1. `ranked` are packages by time. */
export const packageColour = (ranked: readonly string[], name: string | null): number => {
  const at = name === null ? -1 : ranked.indexOf(name);
  return at >= 0 && at < PACKAGE_COLOURS.length ? at : -1;
};

/** What is drawn around and on the frames. */
export interface Chrome {
  root: string;
  rootText: string;
  narrow: string;
  darkText: string;
  lightText: string;
  glow: string;
  outline: string;
  blocked: string;
}

export const chrome = (dark: boolean): Chrome => ({
  root: dark ? "#2b2f34" : "#e9e9e3",
  rootText: dark ? "#e7e6e1" : "#1b1c1e",
  narrow: dark ? "#3d4147" : "#d5d5ce",
  darkText: "#17181a",
  lightText: "#ffffff",
  glow: dark ? "#ffffff38" : "#00000026",
  outline: dark ? "#ffffff" : "#000000",
  blocked: dark ? "#ff6b74" : "#c8102e",
});
