/** One bar for opened profiles: whose code the busy weight is in. A recording has the split of its main thread instead. */
import type { Context } from "../context.ts";
import type { Category } from "../contract.ts";
import { percent } from "../logic/format.ts";
import { CATEGORY_NAME, S } from "../strings.ts";
import { h } from "./dom.ts";
import { swatchColour } from "./flame-paint.ts";

export function categoryBar({ report }: Context): HTMLElement {
  const parts = Object.entries(report.categories) as [Category, number][];
  const coloured = (category: Category, element: HTMLElement) => {
    element.style.background = swatchColour(category, [], "category");
    return element;
  };
  const bar = h("div", { class: "bar", "aria-hidden": "true" });
  for (const [category, share] of parts) {
    const hatched = category === "gc" ? " hatched" : "";
    const segment = h("span", { class: `part${hatched}`, title: `${CATEGORY_NAME[category]} ${percent(share)}` });
    segment.style.flexGrow = String(share);
    bar.append(coloured(category, segment));
  }
  const labels = parts.map(([category, share]) =>
    h(
      "li",
      {},
      coloured(category, h("span", { class: category === "gc" ? "swatch hatched" : "swatch" })),
      `${CATEGORY_NAME[category]} `,
      h("b", {}, percent(share)),
    ),
  );
  return h(
    "section",
    { class: "split", "aria-label": S.kindOfCode },
    h("h2", { class: "inline" }, S.kindOfCode),
    bar,
    h("span", { class: "whole" }, S.ofBusy),
    h("ul", { class: "labels" }, ...labels),
  );
}
