/** Latency: the table of times, the histogram, the percentiles; and the charts over time and over throughput. */
import type { LoadPage, TimesRow } from "../../load-contract.ts";
import { L, SERIES } from "../../load-strings.ts";
import { count, milliseconds } from "../../logic/format.ts";
import { histogram, overTime, type Plot, spectrum, sweepCurve } from "../../logic/load-plots.ts";
import type { Store } from "../../store.ts";
import { absent, h, note, table } from "../dom.ts";
import { plotView } from "../plot.ts";

export const PERCENTILES: readonly [string, "p50" | "p90" | "p99" | "p99_9" | "max" | "mean"][] = [
  ["p50", "p50"],
  ["p90", "p90"],
  ["p99", "p99"],
  ["p99.9", "p99_9"],
  ["max", "max"],
  ["mean", "mean"],
];

/** A heading with the switch of scale at its end, and the chart below. */
function chart(heading: HTMLElement, store: Store, make: () => Plot, hasScale: boolean): HTMLElement {
  return h(
    "div",
    {},
    h("div", { class: "chart-head" }, heading, hasScale ? scaleSwitch(store) : null),
    plotView(store, make),
  );
}

function scaleSwitch(store: Store): HTMLElement {
  const buttons = (["log", "linear"] as const).map((scale) => ({
    scale,
    button: h(
      "button",
      { type: "button", class: "choice", onclick: () => store.adjust({ latencyScale: scale }) },
      scale === "log" ? L.logarithmic : L.linear,
    ),
  }));
  const show = () => {
    for (const { scale, button } of buttons)
      button.setAttribute("aria-pressed", String(store.state.latencyScale === scale));
  };
  store.onChange(show);
  show();
  return h("span", { class: "choices", role: "group", "aria-label": L.scale }, ...buttons.map(({ button }) => button));
}

export function timeChart(page: LoadPage, store: Store): HTMLElement {
  const make = () => overTime(page, store.state.latencyScale);
  const heading = h("h2", { class: "inline" }, L.overTime);
  const section = h("section", { id: "over-time", class: page.sweep ? "part" : "timeline" });
  const plot = make();
  if (plot) section.append(chart(heading, store, () => make() ?? plot, plot.panels.length > 1));
  else section.append(heading, absent(L.noSeconds));
  return section;
}

export function sweepChart(page: LoadPage, store: Store): HTMLElement | null {
  const make = () => sweepCurve(page, store.state.latencyScale);
  const plot = make();
  if (!plot) return null;
  return h(
    "section",
    { id: "curve", class: "timeline" },
    chart(h("h2", { class: "inline" }, L.sweep), store, () => make() ?? plot, true),
    note(L.sweepNote),
  );
}

export function latencySection(page: LoadPage, store: Store): HTMLElement {
  const section = h("section", { id: "latency", class: "part" }, h("h2", {}, L.latencySection));
  const { times, totals } = page;
  if (totals.of) section.append(note(L.of(totals.of)));
  if (times.every((row) => row.count === 0)) {
    section.append(absent(L.noLatency));
    return section;
  }
  section.append(h("div", { class: "wide" }, timesTable(times)));
  if (!times.some((row) => row.series === "uncorrected")) section.append(note(L.closedNote));
  const bars = histogram(page);
  const lines = spectrum(page, store.state.latencyScale);
  section.append(
    h(
      "div",
      { class: "pair" },
      bars &&
        h(
          "div",
          {},
          chart(h("h3", {}, L.histogram), store, () => bars, false),
          note(L.histogramNote),
        ),
      lines &&
        h(
          "div",
          {},
          chart(h("h3", {}, L.spectrum), store, () => spectrum(page, store.state.latencyScale) ?? lines, true),
          note(L.spectrumNote(count(times[0].count))),
        ),
    ),
  );
  return section;
}

function timesTable(times: readonly TimesRow[]): HTMLElement {
  const rows = times.map((row) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", title: SERIES[row.series].meaning }, SERIES[row.series].short),
      ...PERCENTILES.map(([, key]) => h("td", { class: "figure" }, milliseconds(row[key]))),
      h("td", { class: "figure" }, count(row.count)),
      h("td", { class: "meaning" }, SERIES[row.series].meaning),
    ),
  );
  return table(
    L.latencySection,
    [
      { label: L.series },
      ...PERCENTILES.map(([label]) => ({ label, class: "figure" })),
      { label: L.count, class: "figure" },
      { label: L.meaning, class: "meaning" },
    ],
    rows,
  );
}
