/** One function: where it is, who calls it, where its time goes, which lines are hot. */
import type { Context } from "../context.ts";
import type { CpuSelection } from "../logic/derive.ts";
import { percent } from "../logic/format.ts";
import { fullPlace, nodeSourceLink } from "../logic/frame-text.ts";
import { detailFunction, lineHeat, type Neighbour } from "../logic/function-details.ts";
import { functionLabel, keepEnd, keepStart, place } from "../logic/place.ts";
import { callSites, sourceRows } from "../logic/source-view.ts";
import { CATEGORY_NAME, S } from "../strings.ts";
import { copyText } from "./clipboard.ts";
import { fill, h, note } from "./dom.ts";
import { laterIf } from "./later.ts";
import { sourceListing } from "./source.ts";

const MAX_NEIGHBOURS = 8;
const MAX_LINES = 12;
const MAX_SITES = 3;

export function details(context: Context, cpu: CpuSelection): HTMLElement {
  const { store } = context;
  const panel = h("aside", { class: "details", "aria-label": S.details, hidden: true });
  let shown: unknown[] = [];
  const show = laterIf(cpu.profile.stackParent.length, () => {
    const { state } = store;
    const fn = state.selected;
    const open = state.details === "open" && fn >= 0 && fn < cpu.profile.nFunctions;
    const now = open ? [fn, cpu.topDown(state)] : [];
    panel.hidden = !open;
    if (open && now.some((input, i) => input !== shown[i])) fill(panel, ...content(context, cpu, fn));
    shown = now;
  });
  store.onChange(show);
  show();
  return panel;
}

function content(context: Context, cpu: CpuSelection, fn: number): (Node | false)[] {
  const { store, report } = context;
  const { profile } = cpu;
  const { shape, weights, total } = cpu.topDown(store.state);
  const totals = cpu.totals(store.state);
  const found = detailFunction(shape, weights, fn);
  const own: Neighbour = { fn: -2, total_us: totals.self_us[fn] };
  const location = place(profile.file[fn], profile.line[fn], report.run.cwd, profile.column[fn]);
  const link = nodeSourceLink(profile.file[fn], profile.line[fn], report.run.node);
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
      h("button", { type: "button", class: "plain", onclick: () => store.adjust({ details: "closed" }) }, S.close),
    ),
    location
      ? h(
          "p",
          { class: "links" },
          h("code", { class: "place" }, location),
          copyButton(fullPlace(profile, fn)),
          link && h("a", { href: link, target: "_blank", rel: "noreferrer" }, S.nodeSource),
        )
      : h("span"),
    h(
      "p",
      { class: "links" },
      time(S.self, totals.self_us[fn]),
      time(S.total, totals.total_us[fn]),
      h("span", {}, [CATEGORY_NAME[profile.category[fn]], profile.package[fn]].filter(Boolean).join(" · ")),
      h("span", { class: "source" }, S.places(String(found.nPlaces))),
    ),
    totals.total_us[fn] === 0 && note(S.notShown),
    h(
      "div",
      { class: "beside" },
      h(
        "div",
        { class: "neighbours", hidden: totals.total_us[fn] === 0 },
        neighbours(context, cpu, S.callers, found.callers, fn, totals.total_us[fn], (caller) =>
          sites(context, cpu, caller, fn),
        ),
        neighbours(context, cpu, S.callees, insideList, fn, totals.total_us[fn], () => []),
        hasSource(cpu, fn) ? null : hotLines(cpu, fn),
      ),
      sourceListing(context, cpu, fn, found),
    ),
  ];
}

const hasSource = ({ profile }: CpuSelection, fn: number): boolean => sourceRows(profile, fn, []) !== null;

/** The lines on which a caller calls the function. */
function sites({ store }: Context, { profile }: CpuSelection, caller: number, fn: number): Node[] {
  return callSites(profile, caller, fn)
    .slice(0, MAX_SITES)
    .map(({ line, text }) =>
      h(
        "button",
        { type: "button", class: "site", title: S.callByName, onclick: () => store.adjust({ selected: caller }) },
        h("span", { class: "number" }, line),
        h("code", {}, keepStart(text, 80)),
      ),
    );
}

function neighbours(
  { store }: Context,
  cpu: CpuSelection,
  title: string,
  list: readonly Neighbour[],
  self: number,
  base_us: number,
  below: (fn: number) => Node[],
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
        onclick: () => store.adjust({ selected: fn }),
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
      h("td", { class: "with-meter" }, bar, name(neighbour.fn), ...below(neighbour.fn)),
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

function hotLines(cpu: CpuSelection, fn: number): HTMLElement | null {
  const lines = lineHeat(cpu.profile, fn, MAX_LINES);
  if (lines.length === 0) return null;
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
  const button = h("button", { type: "button", class: "link" }, S.copy);
  button.addEventListener("click", async () => {
    await copyText(text);
    button.textContent = S.copied;
  });
  return button;
}
