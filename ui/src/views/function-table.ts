/** The functions of the selection, by own time or another column; rows light up with the flame graph. */
import type { Context } from "../context.ts";
import type { CpuSelection } from "../logic/derive.ts";
import { count, percent } from "../logic/format.ts";
import { orderFunctions, type SortColumn } from "../logic/function-totals.ts";
import { functionLabel, keepEnd, keepStart, place } from "../logic/place.ts";
import { CATEGORY_NAME, S } from "../strings.ts";
import { fill, h } from "./dom.ts";
import type { Flame } from "./flame.ts";
import { swatchColour } from "./flame-paint.ts";
import { laterIf } from "./later.ts";

const FIRST_ROWS = 20;
const MORE_ROWS = 100;

const COLUMNS: readonly { sort: SortColumn | null; label: string; class?: string; title?: string }[] = [
  { sort: null, label: S.functionColumn },
  { sort: null, label: S.place, class: "where" },
  { sort: null, label: S.categoryColumn },
  { sort: "self", label: S.self, class: "figure" },
  { sort: "total", label: S.total, class: "figure" },
  { sort: "charged", label: S.charged, class: "figure", title: S.chargedHint },
  { sort: "samples", label: S.nSamples, class: "figure" },
];

export function functionTable(context: Context, cpu: CpuSelection, flame: Flame): HTMLElement {
  const { store } = context;
  let column: SortColumn = "self";
  let nRows = FIRST_ROWS;
  const head = h("tr");
  const body = h("tbody");
  const base = h("span", { class: "source" });
  const more = h("button", { type: "button", class: "link", onclick: () => showMore() });
  const rowOf = new Map<number, HTMLTableRowElement>();

  const show = () => {
    const { state } = store;
    const totals = cpu.totals(state);
    const { total } = cpu.topDown(state);
    const all = orderFunctions(totals, column, cpu.matches(state));
    fill(head, ...COLUMNS.map((c) => headCell(c)));
    rowOf.clear();
    for (const fn of all.slice(0, nRows)) rowOf.set(fn, row(fn, total));
    const none = h("tr", {}, h("td", { class: "source", colspan: COLUMNS.length }, S.noFunctions));
    fill(body, ...(all.length === 0 ? [none] : rowOf.values()));
    base.textContent = S.tableBase(cpu.weight(total));
    more.hidden = all.length <= nRows;
    more.textContent = S.moreRows(count(Math.min(MORE_ROWS, all.length - nRows)));
    light();
  };
  const headCell = (c: (typeof COLUMNS)[number]) => {
    const { sort } = c;
    const sorted = sort === column ? "descending" : null;
    const content = sort
      ? h("button", { type: "button", class: "sort", onclick: () => sortBy(sort) }, c.label, sorted ? " ↓" : "")
      : c.label;
    return h("th", { scope: "col", class: c.class, title: c.title, "aria-sort": sorted }, content);
  };
  const sortBy = (next: SortColumn) => {
    column = next;
    show();
    (head.querySelector("[aria-sort] button") as HTMLElement | null)?.focus();
  };
  const showMore = () => {
    nRows += MORE_ROWS;
    show();
  };
  const row = (fn: number, total: number) => {
    const { profile } = cpu;
    const totals = cpu.totals(store.state);
    const swatch = h("span", { class: profile.category[fn] === "gc" ? "swatch hatched" : "swatch" });
    swatch.style.background = swatchColour(profile.category[fn], [], "category");
    const time = (value_us: number) =>
      h(
        "td",
        { class: "figure" },
        value_us > 0 ? cpu.weight(value_us) : "–",
        " ",
        h("span", { class: "share" }, value_us > 0 ? percent(value_us / total) : ""),
      );
    return h(
      "tr",
      {
        "data-fn": fn,
        onmouseenter: () => store.hover(fn),
        onmouseleave: () => store.hover(-1),
        oncontextmenu: (event: MouseEvent) => menu(event, fn),
      },
      h(
        "td",
        {},
        h(
          "button",
          {
            type: "button",
            class: "link name",
            title: functionLabel(profile.name[fn]),
            onclick: () => context.showFunction(fn),
          },
          keepStart(functionLabel(profile.name[fn]), 44),
        ),
      ),
      h(
        "td",
        { class: "where", title: profile.file[fn] },
        h(
          "code",
          {},
          keepEnd(place(profile.file[fn], profile.line[fn], context.report.run.cwd, profile.column[fn]), 40),
        ),
      ),
      h("td", { class: "kind" }, swatch, keepStart(profile.package[fn] ?? CATEGORY_NAME[profile.category[fn]], 24)),
      time(totals.self_us[fn]),
      time(totals.total_us[fn]),
      time(totals.charged_us[fn]),
      h("td", { class: "figure" }, count(totals.nSamples[fn])),
    );
  };
  const menu = (event: MouseEvent, fn: number) => {
    if (event.shiftKey) return;
    event.preventDefault();
    const zoom = () => context.showFunction(fn);
    flame.openMenu({ fn, stack: [fn], subtree: null, zoom }, event.clientX, event.clientY);
  };
  const light = () => {
    const lit = store.hovered >= 0 ? store.hovered : store.state.selected;
    for (const [fn, element] of rowOf) element.classList.toggle("lit", fn === lit);
  };
  let shown: unknown = null;
  let matches: unknown = null;
  const update = laterIf(cpu.profile.stackParent.length, () => {
    const totals = cpu.totals(store.state);
    const found = cpu.matches(store.state);
    if (totals !== shown || found !== matches) {
      shown = totals;
      matches = found;
      nRows = FIRST_ROWS;
      show();
    } else light();
  });
  store.onChange(update);
  store.onHover(light);
  update();
  return h(
    "div",
    { class: "functions" },
    h("h3", {}, S.functions, " ", base),
    h(
      "div",
      { class: "wide" },
      h("table", { id: "functions" }, h("caption", { class: "unseen" }, S.functions), h("thead", {}, head), body),
    ),
    more,
  );
}
