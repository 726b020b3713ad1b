/** The legend, whose entries are switches: what is off melts into its callers. */
import type { Context } from "../context.ts";
import type { Category } from "../contract.ts";
import type { CpuSelection } from "../logic/derive.ts";
import type { LegendEntry } from "../logic/visibility.ts";
import { CATEGORY_NAME, S } from "../strings.ts";
import { fill, h } from "./dom.ts";
import { swatchColour } from "./flame-paint.ts";

/** Packages beyond these are many and small. */
const MAX_PACKAGES = 12;

export function legend({ store }: Context, cpu: CpuSelection): HTMLElement {
  const box = h("div", { class: "legend", role: "group", "aria-label": S.legendHint });
  const flip = (key: "hiddenCategories" | "hiddenPackages", id: string) => {
    const hidden = store.state[key];
    store.adjust({ [key]: hidden.includes(id) ? hidden.filter((other) => other !== id) : [...hidden, id] });
  };
  const show = () => {
    const { categories, packages } = cpu.legend(store.state);
    const ranked = packages.map((entry) => entry.id);
    const byPackage = store.state.colourBy === "package";
    const toggle = (key: "hiddenCategories" | "hiddenPackages", entry: LegendEntry, name: string) => {
      const on = !store.state[key].includes(entry.id);
      const swatch = h("span", { class: entry.id === "gc" ? "swatch hatched" : "swatch" });
      swatch.style.background = swatchColour(entry.id, ranked, key === "hiddenPackages" ? "package" : "category");
      return h(
        "button",
        {
          type: "button",
          class: "toggle",
          "aria-pressed": String(on),
          "data-id": entry.id,
          title: `${cpu.weight(entry.self_us)} ${S.self}. ${S.legendHint}`,
          onclick: () => flip(key, entry.id),
        },
        swatch,
        name,
      );
    };
    fill(
      box,
      ...categories.map((entry) => toggle("hiddenCategories", entry, CATEGORY_NAME[entry.id as Category])),
      ...(byPackage ? packages.slice(0, MAX_PACKAGES).map((entry) => toggle("hiddenPackages", entry, entry.id)) : []),
      packages.length > 0
        ? h(
            "button",
            {
              type: "button",
              class: "link",
              "aria-pressed": String(byPackage),
              onclick: () => store.adjust({ colourBy: byPackage ? "category" : "package" }),
            },
            byPackage ? S.byCategory : S.byPackage,
          )
        : null,
    );
  };
  store.onChange((before, after) => {
    const changed =
      before.hiddenCategories !== after.hiddenCategories ||
      before.hiddenPackages !== after.hiddenPackages ||
      before.colourBy !== after.colourBy ||
      before.thread !== after.thread;
    if (changed) keepFocus(box, show);
  });
  show();
  return box;
}

/** Rebuilds a group of buttons without losing the keyboard's place in it. */
function keepFocus(box: HTMLElement, rebuild: () => void): void {
  const at = [...box.children].indexOf(document.activeElement as Element);
  rebuild();
  if (at >= 0) (box.children[at] as HTMLElement | undefined)?.focus();
}
