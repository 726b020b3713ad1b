/** One function: where it is, who calls it, where its time goes, which lines are hot. */
import type { Context } from "../context.ts";
import type { CpuSelection } from "../logic/derive.ts";
import { percent } from "../logic/format.ts";
import { detailFunction, lineHeat, type Neighbour } from "../logic/function-details.ts";
import { functionLabel, keepEnd, keepStart, place } from "../logic/place.ts";
import { CATEGORY_NAME, S } from "../strings.ts";
import { fill, h, note } from "./dom.ts";

const MAX_NEIGHBOURS = 8;
const MAX_LINES = 12;

export function details(context: Context, cpu: CpuSelection): HTMLElement {
  const { store } = context;
  const panel = h("aside", { class: "details", "aria-label": S.details, hidden: true });
  const show = () => {
    const fn = store.state.details;
    const open = fn >= 0 && fn < cpu.profile.nFunctions;
    panel.hidden = !open;
    if (open) fill(panel, ...content(context, cpu, fn));
  };
  store.onChange(show);
  show();
  return panel;
}

function content(context: Context, cpu: CpuSelection, fn: number): Node[] {
  const { store, report } = context;
  const { profile } = cpu;
  const { shape, weights, total } = cpu.topDown(store.state);
  const totals = cpu.totals(store.state);
  const found = detailFunction(shape, weights, fn);
  const own: Neighbour = { fn: -2, total_us: totals.self_us[fn] };
  const location = place(profile.file[fn], profile.line[fn], report.run.cwd, profile.column[fn]);
  const full =
    profile.line[fn] > 0 ? `${profile.file[fn]}:${profile.line[fn]}:${profile.column[fn]}` : profile.file[fn];
  const time = (name: string, value_us: number) =>
    h("span", {}, `${name} `, h("b", {}, cpu.weight(value_us)), ` ${percent(value_us / total)}`);
  const insideList = [...found.callees];
  if (own.total_us > 0) insideList.push(own);
  insideList.sort((a, b) => b.total_us - a.total_us);
  return [
    h(
      "header",
      {},
      h("h3", {}, h("code", {}, keepStart(functionLabel(profile.name[fn]), 200))),
      h("button", { type: "button", class: "plain", onclick: () => store.adjust({ details: -1 }) }, S.close),
    ),
    location ? h("p", {}, h("code", { class: "place" }, location), " ", copyButton(full)) : h("span"),
    h(
      "p",
      { class: "links" },
      time(S.self, totals.self_us[fn]),
      time(S.total, totals.total_us[fn]),
      h("span", {}, [CATEGORY_NAME[profile.category[fn]], profile.package[fn]].filter(Boolean).join(" · ")),
      h("span", { class: "source" }, S.places(String(found.nPlaces))),
    ),
    h(
      "p",
      { class: "links" },
      h("button", { type: "button", class: "link", onclick: () => context.showFunction(fn) }, S.zoomHere),
      h(
        "button",
        { type: "button", class: "link", onclick: () => store.step({ focus: fn, zoomStack: -1, zoomPath: [] }) },
        S.focusHere,
      ),
    ),
    h(
      "div",
      { class: "neighbours" },
      neighbours(context, cpu, S.callers, found.callers, fn, totals.total_us[fn]),
      neighbours(context, cpu, S.callees, insideList, fn, totals.total_us[fn]),
      hotLines(cpu, fn),
    ),
  ];
}

function neighbours(
  { store }: Context,
  cpu: CpuSelection,
  title: string,
  list: readonly Neighbour[],
  self: number,
  base_us: number,
): HTMLElement {
  const name = (fn: number): Node => {
    if (fn === -2) return h("span", {}, S.ownCode);
    if (fn === -1) return h("span", {}, S.nowhere);
    if (fn === self) return h("span", {}, S.recursion);
    return h(
      "button",
      {
        type: "button",
        class: "link",
        onclick: () => store.adjust({ details: fn }),
        onmouseenter: () => store.hover(fn),
        onmouseleave: () => store.hover(-1),
      },
      keepStart(functionLabel(cpu.profile.name[fn]), 48),
    );
  };
  const rows = list.slice(0, MAX_NEIGHBOURS).map((neighbour) => {
    const bar = h("span", { class: "meter" });
    bar.style.width = `${base_us > 0 ? (neighbour.total_us / base_us) * 100 : 0}%`;
    return h(
      "tr",
      {},
      h("td", { class: "with-meter" }, bar, name(neighbour.fn)),
      h("td", { class: "figure" }, cpu.weight(neighbour.total_us)),
    );
  });
  const rest = list.length - rows.length;
  return h(
    "div",
    {},
    h("h4", {}, title),
    h("table", {}, h("tbody", {}, ...rows)),
    rest > 0 ? note(S.moreIntervals(String(rest))) : null,
  );
}

function hotLines(cpu: CpuSelection, fn: number): HTMLElement {
  const lines = lineHeat(cpu.profile, fn, MAX_LINES);
  if (lines.length === 0) return h("div", {}, h("h4", {}, S.lines), note(S.noLines));
  const rows = lines.map((line) => {
    const bar = h("span", { class: "meter" });
    bar.style.width = `${line.relative * 100}%`;
    const where = `${keepEnd(cpu.profile.file[fn].split("/").pop() ?? "", 24)}:${line.line}`;
    return h(
      "tr",
      {},
      h("td", { class: "with-meter" }, bar, h("code", {}, where)),
      h("td", { class: "figure" }, cpu.weight(line.self_us)),
    );
  });
  return h(
    "div",
    {},
    h("h4", {}, S.lines, " ", h("span", { class: "source" }, S.linesNote)),
    h("table", {}, h("tbody", {}, ...rows)),
  );
}

function copyButton(text: string): HTMLElement {
  const button = h("button", { type: "button", class: "link", onclick: () => copy() }, S.copy);
  const copy = async () => {
    // The clipboard needs a secure context, which file:// is in most browsers only on request.
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = h("textarea");
      area.value = text;
      button.after(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = S.copied;
  };
  return button;
}
