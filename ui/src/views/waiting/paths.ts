/** Where the time of a request goes: a bar for typical ones, one for slow ones, and what the slow ones have more of. */
import type { RequestComposition, RequestsData } from "../../contract.ts";
import { count, milliseconds } from "../../logic/format.ts";
import { type AsyncRow, byDifference, ownKind, type PathPart, pathParts, rowStyle } from "../../logic/waits.ts";
import { S } from "../../strings.ts";
import { fill, h, note, table } from "../dom.ts";

const MAX_ROWS = 8;
/** Parts narrower than this share of the longer bar carry no words. */
const MIN_LABEL = 0.1;

export function paths({ all, routes }: RequestsData): HTMLElement {
  // With one route, all say the same.
  const paths = routes.length > 1 ? [all, ...routes] : [all];
  const body = h("div", {});
  const show = (at: number) => {
    const path = paths[at];
    if (path) fill(body, bar(path, "typical"), bar(path, "slow"), differences(path));
  };
  const choice = h(
    "select",
    { "aria-label": S.route, onchange: (event: Event) => show((event.target as HTMLSelectElement).selectedIndex) },
    ...paths.map((path) => h("option", {}, `${path.route === "all" ? S.allRoutes : path.route} · ${count(path.n)}`)),
  );
  show(0);
  return h("div", { class: "paths" }, h("h3", {}, `${S.paths} `, paths.length > 1 ? choice : null), body);
}

const rowName = (row: AsyncRow): string => {
  const own = ownKind(row);
  return own === null ? row.name : S.rowKind[own];
};

function bar(path: RequestComposition, group: "typical" | "slow"): HTMLElement {
  const longest = Math.max(path.typical.mean_ms, path.slow.mean_ms, Number.MIN_VALUE);
  const { n, mean_ms } = path[group];
  const parts = pathParts(path, group).filter((part) => part.length > 0);
  return h(
    "div",
    { class: "path" },
    h("b", {}, S.pathGroup[group]),
    h(
      "div",
      { class: "path-bar", role: "img", "aria-label": `${S.pathGroup[group]}: ${milliseconds(mean_ms)}` },
      ...parts.map((part) => segment(part, longest)),
    ),
    h("span", { class: "path-time" }, milliseconds(mean_ms), " ", h("span", { class: "source" }, S.samples(count(n)))),
  );
}

function segment({ row, length }: PathPart, longest: number): HTMLElement {
  const name = rowName(row);
  const share = length / longest;
  const element = h(
    "span",
    {
      class: `path-part ${rowStyle(row)}`,
      "data-site": row.site,
      title: `${name}: ${milliseconds(length)}`,
    },
    share >= MIN_LABEL ? h("span", {}, name) : null,
  );
  element.style.width = `${(share * 100).toFixed(3)}%`;
  return element;
}

function differences(path: RequestComposition): HTMLElement {
  const all = byDifference(path);
  const [first] = all;
  const more = path.slow.mean_ms - path.typical.mean_ms;
  const sentence =
    first && first.more_ms > 0
      ? S.slowBecause(milliseconds(more), milliseconds(first.more_ms), rowName(first.row))
      : S.slowAlike;
  const figure = (text: string) => h("td", { class: "figure" }, text);
  const rows = all
    .slice(0, MAX_ROWS)
    .map(({ row, more_ms }) =>
      h(
        "tr",
        { "data-site": row.site },
        h("td", {}, h("span", { class: `swatch ${rowStyle(row)}` }), rowName(row)),
        figure(row.typical_ms > 0 ? milliseconds(row.typical_ms) : "–"),
        figure(row.slow_ms > 0 ? milliseconds(row.slow_ms) : "–"),
        figure(`${more_ms < 0 ? "−" : "+"}${milliseconds(Math.abs(more_ms))}`),
      ),
    );
  const columns = [
    { label: S.timeGoesTo },
    { label: S.pathGroup.typical, class: "figure" },
    { label: S.pathGroup.slow, class: "figure" },
    { label: S.difference, class: "figure" },
  ];
  return h(
    "div",
    {},
    h("p", { class: "path-answer" }, sentence),
    h("div", { class: "wide" }, table(S.paths, columns, rows)),
    note(S.pathsNote),
  );
}
