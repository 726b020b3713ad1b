/** The functions that the report itself lists: shown when the profile with its stacks is missing or cannot be read. */
import type { ReportData } from "../contract.ts";
import { count, seconds } from "../logic/format.ts";
import { functionLabel, keepEnd, keepStart, place } from "../logic/place.ts";
import { CATEGORY_NAME, S } from "../strings.ts";
import { h, table } from "./dom.ts";

const MAX_ROWS = 50;

export function functionList(report: ReportData): HTMLElement {
  const rows = report.functions
    .slice(0, MAX_ROWS)
    .map((row) =>
      h(
        "tr",
        {},
        h("td", { title: row.name }, h("code", {}, keepStart(functionLabel(row.name), 44))),
        h(
          "td",
          { class: "where", title: row.file },
          h("code", {}, keepEnd(place(row.file, row.line, report.run.cwd), 40)),
        ),
        h("td", { class: "kind" }, row.package ?? CATEGORY_NAME[row.category]),
        h("td", { class: "figure" }, seconds(row.self_s)),
        h("td", { class: "figure" }, seconds(row.total_s)),
        h("td", { class: "figure" }, seconds(row.charged_s)),
        h("td", { class: "figure" }, count(row.n_samples)),
      ),
    );
  const figure = "figure";
  const columns = [
    { label: S.functionColumn },
    { label: S.place, class: "where" },
    { label: S.categoryColumn },
    { label: S.self, class: figure },
    { label: S.total, class: figure },
    { label: S.charged, class: figure, title: S.chargedHint },
    { label: S.nSamples, class: figure },
  ];
  return h("div", { class: "functions wide" }, h("h3", {}, S.functions), table(S.functions, columns, rows));
}
