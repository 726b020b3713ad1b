/** The legend, whose entries are switches: what is off melts into its callers. Beside it, how frames are coloured and ordered. */
import type { Context } from "../context.ts";
import type { Category } from "../contract.ts";
import type { CpuSelection } from "../logic/derive.ts";
import { count } from "../logic/format.ts";
import { NOT_ZOOMED } from "../logic/url-state.ts";
import { HIDDEN_AT_FIRST, type LegendEntry } from "../logic/visibility.ts";
import { CATEGORY_NAME, S } from "../strings.ts";
import { fill, h } from "./dom.ts";
import { Dropdown } from "./dropdown.ts";
import { swatchColour } from "./flame-paint.ts";

export function legend({ store }: Context, cpu: CpuSelection): HTMLElement {
  const switches = h("span", { class: "categories", role: "group", "aria-label": S.legendHint });
  const links = h("span", { class: "presets" });
  const packages = packagePicker(store, cpu);
  const hasTiers = cpu.profile.stackTier.some((tier) => tier >= 0);
  const show = () => {
    const { state } = store;
    const { categories, packages: all } = cpu.legend(state);
    const toggle = (entry: LegendEntry) => {
      const hidden = state.hiddenCategories;
      const on = !hidden.includes(entry.id);
      return h(
        "button",
        {
          type: "button",
          class: "toggle",
          "aria-pressed": String(on),
          "data-id": entry.id,
          title: `${cpu.weight(entry.self_us)} ${S.self}. ${S.legendHint}`,
          onclick: () =>
            store.adjust({ hiddenCategories: on ? [...hidden, entry.id] : hidden.filter((id) => id !== entry.id) }),
        },
        swatchOf(entry.id, [], "category"),
        CATEGORY_NAME[entry.id as Category],
      );
    };
    fill(switches, ...categories.map(toggle));
    const hide = (hiddenCategories: readonly string[]) => () => store.adjust({ hiddenCategories, hiddenPackages: [] });
    const others = categories.map((entry) => entry.id).filter((id) => id !== "app");
    const isApp = others.every((id) => state.hiddenCategories.includes(id));
    const isFirst = state.hiddenCategories.join() === HIDDEN_AT_FIRST.join() && state.hiddenPackages.length === 0;
    const link = (name: string, title: string | null, run: () => void) =>
      h("button", { type: "button", class: "link", title, onclick: run }, name);
    const { colourBy, order, tiers } = state;
    fill(
      links,
      !isApp && others.length < categories.length && others.length > 0 && link(S.onlyApp, null, hide(others)),
      !isFirst && link(S.showEverything, null, hide(HIDDEN_AT_FIRST)),
      all.length > 0 &&
        link(S.colourName[colourBy], null, () =>
          store.adjust({ colourBy: colourBy === "package" ? "category" : "package" }),
        ),
      state.view !== "chart" && link(S.orderName[order], S.orderHint[order], () => flipOrder(store)),
      hasTiers && link(S.tiersName[tiers], S.tiersHint, () => flipTiers(store)),
    );
    const nHidden = all.filter((entry) => state.hiddenPackages.includes(entry.id)).length;
    packages.element.hidden = all.length === 0;
    packages.show(
      nHidden === 0 ? S.packages(count(all.length)) : S.packagesOf(count(all.length - nHidden), count(all.length)),
    );
  };
  store.onChange((before, after) => {
    const changed =
      before.hiddenCategories !== after.hiddenCategories ||
      before.hiddenPackages !== after.hiddenPackages ||
      before.colourBy !== after.colourBy ||
      before.order !== after.order ||
      before.tiers !== after.tiers ||
      before.view !== after.view ||
      before.threads !== after.threads;
    if (!changed) return;
    keepFocus(switches, () => keepFocus(links, show));
  });
  show();
  return h("div", { class: "legend" }, switches, packages.element, links);
}

export const flipOrder = (store: Context["store"]): void =>
  store.adjust({ order: store.state.order === "time" ? "name" : "time" });

export const flipTiers = (store: Context["store"]): void =>
  store.step({ tiers: store.state.tiers === "split" ? "merged" : "split", ...NOT_ZOOMED });

function swatchOf(id: string, ranked: readonly string[], kind: "category" | "package"): HTMLElement {
  const swatch = h("span", { class: id === "gc" ? "swatch hatched" : "swatch" });
  swatch.style.background = swatchColour(id, ranked, kind);
  return swatch;
}

function packagePicker(store: Context["store"], cpu: CpuSelection): Dropdown {
  const entries = () => cpu.legend(store.state).packages;
  const switches = () => {
    const ranked = entries().map((entry) => entry.id);
    return entries().map((entry) => ({
      id: entry.id,
      on: !store.state.hiddenPackages.includes(entry.id),
      name: entry.id,
      note: `${cpu.weight(entry.self_us)} ${S.self}`,
      swatch: store.state.colourBy === "package" ? swatchOf(entry.id, ranked, "package") : null,
    }));
  };
  const flip = (id: string, on: boolean) => {
    const hidden = store.state.hiddenPackages;
    store.adjust({ hiddenPackages: on ? hidden.filter((other) => other !== id) : [...hidden, id] });
  };
  return new Dropdown(S.packagesName, switches, flip, [
    { name: S.allPackages, run: () => store.adjust({ hiddenPackages: [] }) },
    { name: S.noPackages, run: () => store.adjust({ hiddenPackages: entries().map((entry) => entry.id) }) },
  ]);
}

/** Rebuilds a group of buttons without losing the keyboard's place in it. */
function keepFocus(box: HTMLElement, rebuild: () => void): void {
  const at = [...box.children].indexOf(document.activeElement as Element);
  rebuild();
  if (at >= 0) (box.children[at] as HTMLElement | undefined)?.focus();
}
