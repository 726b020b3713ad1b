/** The load section: each phase's requests and latencies, statuses, and what failed. */
import type { Context } from "../context.ts";
import type { Latency } from "../contract.ts";
import { bytes, count, interval, milliseconds, significant } from "../logic/format.ts";
import { keepStart } from "../logic/place.ts";
import { byCount, warningsAbout } from "../logic/report-tables.ts";
import { S } from "../strings.ts";
import { absent, h, table, warn } from "./dom.ts";

const LATENCIES: readonly [string, keyof Latency][] = [
  ["p50", "p50"],
  ["p90", "p90"],
  ["p99", "p99"],
  ["p99.9", "p99_9"],
  ["max", "max"],
];

export function loadSection({ report, showInterval }: Context): HTMLElement {
  const { load } = report;
  const section = h("section", { id: "load", class: "part" }, h("h2", {}, S.load));
  if (!load) {
    section.append(absent(S.noLoad, S.noLoadHint));
    return section;
  }
  const figures = (row: {
    requests: number;
    requests_per_second: number;
    latency_ms: Latency;
    errors: Record<string, number>;
    cpu_ms_per_request: number | null;
  }) => [
    h("td", { class: "figure" }, count(row.requests)),
    h("td", { class: "figure" }, significant(row.requests_per_second)),
    ...LATENCIES.map(([, key]) => h("td", { class: "figure" }, milliseconds(row.latency_ms[key]))),
    h("td", { class: "figure", title: counts(row.errors) }, keepStart(counts(row.errors), 40)),
    h("td", { class: "figure" }, milliseconds(row.cpu_ms_per_request)),
  ];
  const rows = report.load_phases.map((phase) =>
    h(
      "tr",
      {},
      h(
        "th",
        { scope: "row" },
        h(
          "button",
          {
            type: "button",
            class: "link",
            title: interval([phase.start_s, phase.end_s]),
            onclick: () => showInterval([phase.start_s, phase.end_s]),
          },
          phase.phase,
        ),
      ),
      ...figures(phase),
    ),
  );
  rows.push(h("tr", { class: "sum" }, h("th", { scope: "row" }, S.allPhases), ...figures(load)));
  const warnings = warn(warningsAbout(report, "load").map((w) => w.text));
  if (warnings) section.append(warnings);
  section.append(
    h(
      "div",
      { class: "wide" },
      table(
        S.load,
        [
          { label: S.phase },
          { label: S.requests, class: "figure" },
          { label: S.requestsPerSecond, class: "figure" },
          ...LATENCIES.map(([label]) => ({ label, class: "figure" })),
          { label: S.errors, class: "figure" },
          { label: S.cpuPerRequest, class: "figure" },
        ],
        rows,
      ),
    ),
    h(
      "dl",
      { class: "facts" },
      h("dt", {}, S.statuses),
      h("dd", {}, counts(load.status)),
      h("dt", {}, S.errors),
      h("dd", {}, counts(load.errors)),
      h("dt", {}, S.bytesPerSecond),
      h("dd", {}, `${bytes(load.bytes_per_second)}/s`),
    ),
  );
  if (load.error_samples.length > 0) {
    section.append(
      h("h3", {}, S.errorSamples),
      h("ul", { class: "samples" }, ...load.error_samples.map((sample) => h("li", {}, h("code", {}, sample)))),
    );
  }
  return section;
}

const counts = (table: Record<string, number>): string =>
  byCount(table)
    .map(([name, n]) => `${name} × ${count(n)}`)
    .join(", ") || S.noErrors;
