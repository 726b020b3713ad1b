/** Chooses how each function looks, by category or by package, for the theme in use. */
import type { Category } from "../contract.ts";
import {
  CATEGORY_COLOUR,
  css,
  FADED,
  type Hsl,
  N_SHADES,
  needsLightText,
  OTHER_PACKAGES,
  PACKAGE_COLOURS,
  packageColour,
  pixel,
  shades,
  toRgb,
} from "../logic/colour.ts";
import type { Profile } from "../logic/profile.ts";
import type { ViewState } from "../logic/url-state.ts";
import { CATEGORIES } from "../logic/visibility.ts";
import type { Look } from "./bar-painter.ts";

export function isDark(state: ViewState): boolean {
  if (matchMedia("print").matches) return false;
  return state.theme === "auto" ? matchMedia("(prefers-color-scheme: dark)").matches : state.theme === "dark";
}

/** Packages with most time, which get colours of their own; all others share one. */
const paletteOf = (ranked: readonly string[]): Map<string, number> =>
  new Map(ranked.map((name) => [name, packageColour(ranked, name)]));

/**
 * Style of every function: a colour in `N_SHADES` shades per category, then per package. `ranked` are packages by time;
 * `shade` is the shade of each function.
 */
export function lookOf(
  profile: Profile,
  shade: Uint8Array,
  byPackage: boolean,
  dark: boolean,
  ranked: readonly string[],
): Look {
  const colours: readonly Hsl[] = [...CATEGORIES.map((id) => CATEGORY_COLOUR[id]), ...PACKAGE_COLOURS, OTHER_PACKAGES];
  const shaded = colours.flatMap((colour) => shades(colour, dark));
  const packages = paletteOf(ranked);
  const styleOf = new Uint16Array(profile.nFunctions);
  for (let fn = 0; fn < styleOf.length; fn++) {
    const name = profile.package[fn];
    const at = byPackage && name !== null ? (packages.get(name) ?? -1) : null;
    const colour =
      at === null
        ? CATEGORIES.indexOf(profile.category[fn])
        : CATEGORIES.length + (at < 0 ? PACKAGE_COLOURS.length : at);
    styleOf[fn] = colour * N_SHADES + shade[fn];
  }
  return {
    styleOf,
    fills: shaded.map(css),
    pixels: Uint32Array.from([
      ...shaded.map((colour) => pixel(toRgb(colour), 1)),
      ...shaded.map((colour) => pixel(toRgb(colour), FADED)),
    ]),
    lightText: colours.flatMap((colour) => new Array<boolean>(N_SHADES).fill(needsLightText(colour, dark))),
    hatched: colours.flatMap((_, i) => new Array<boolean>(N_SHADES).fill(CATEGORIES[i] === "gc")),
  };
}

/** The legend's swatch for a category or package. */
export function swatchColour(id: string, ranked: readonly string[], kind: "category" | "package"): string {
  if (kind === "category") return css(CATEGORY_COLOUR[id as Category]);
  const at = packageColour(ranked, id);
  return css(at < 0 ? OTHER_PACKAGES : PACKAGE_COLOURS[at]);
}
