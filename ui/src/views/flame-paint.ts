/** Chooses each function's paint, by category or by package, for the theme in use. */
import type { Category } from "../contract.ts";
import {
  CATEGORY_COLOUR,
  css,
  type Hsl,
  needsLightText,
  OTHER_PACKAGES,
  PACKAGE_COLOURS,
  packageColour,
  shades,
} from "../logic/colour.ts";
import type { Profile } from "../logic/profile.ts";
import type { ViewState } from "../logic/url-state.ts";
import type { Paint } from "./flame-canvas.ts";

export function isDark(state: ViewState): boolean {
  if (matchMedia("print").matches) return false;
  return state.theme === "auto" ? matchMedia("(prefers-color-scheme: dark)").matches : state.theme === "dark";
}

const mix = (colour: Hsl, dark: boolean, hatched: boolean): Paint => ({
  shades: shades(colour, dark),
  lightText: needsLightText(colour, dark),
  hatched,
});

/** `ranked` are packages by time; the first ones get colours of their own. */
export function painter(profile: Profile, state: ViewState, ranked: readonly string[]): (fn: number) => Paint {
  const dark = isDark(state);
  const byCategory = Object.fromEntries(
    Object.entries(CATEGORY_COLOUR).map(([category, colour]) => [category, mix(colour, dark, category === "gc")]),
  ) as Record<Category, Paint>;
  if (state.colourBy === "category") return (fn) => byCategory[profile.category[fn]];
  const byPackage = PACKAGE_COLOURS.map((colour) => mix(colour, dark, false));
  const other = mix(OTHER_PACKAGES, dark, false);
  const ofPackage = new Map<string, Paint>();
  for (const name of ranked) ofPackage.set(name, byPackage[packageColour(ranked, name)] ?? other);
  return (fn) => {
    const name = profile.package[fn];
    return (name !== null && ofPackage.get(name)) || byCategory[profile.category[fn]];
  };
}

/** The legend's swatch for a category or package. */
export function swatchColour(id: string, ranked: readonly string[], kind: "category" | "package"): string {
  if (kind === "category") return css(CATEGORY_COLOUR[id as Category]);
  const at = packageColour(ranked, id);
  return css(at < 0 ? OTHER_PACKAGES : PACKAGE_COLOURS[at]);
}
