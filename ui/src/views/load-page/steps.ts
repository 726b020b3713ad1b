/** The steps of a sweep, as a table: what was asked for, what was achieved, and its latency. */
import type { CurvePoint, LoadPage } from "../../load-contract.ts";
import { L } from "../../load-strings.ts";
import { count, milliseconds, significant } from "../../logic/format.ts";
import { stepName } from "../../logic/load-plots.ts";
import { h, table } from "../dom.ts";
import { PERCENTILES } from "./latency.ts";

export function steps({ sweep }: LoadPage): HTMLElement | null {
  if (!sweep) return null;
  const tag = (point: CurvePoint, at: number): string => {
    if (at === sweep.knee) return at === sweep.highest_kept ? `${L.knee}, ${L.highest}` : L.knee;
    if (at === sweep.highest_kept) return L.highest;
    return point.step === "rate" && !point.keeps_up ? L.tooHigh : "";
  };
  const rows = sweep.points.map((point, at) =>
    h(
      "tr",
      { class: at === sweep.knee ? "knee" : null },
      h("th", { scope: "row" }, stepName(point), tag(point, at) && h("span", { class: "tag" }, tag(point, at))),
      h("td", { class: "figure" }, significant(point.achieved)),
      ...PERCENTILES.map(([, key]) => h("td", { class: "figure" }, milliseconds(point.times[key]))),
      h("td", { class: "figure" }, count(point.failed)),
    ),
  );
  const columns = [
    { label: L.stepColumn },
    { label: L.achieved, class: "figure" },
    ...PERCENTILES.map(([label]) => ({ label, class: "figure" })),
    { label: L.failed, class: "figure" },
  ];
  return h(
    "section",
    { id: "steps", class: "part" },
    h("h2", {}, L.sweep),
    h("div", { class: "wide" }, table(L.sweep, columns, rows)),
  );
}
