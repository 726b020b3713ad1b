/** What the clients saw, in one row of numbers. */
import type { Context } from "../context.ts";
import { count, milliseconds, percent, seconds, significant } from "../logic/format.ts";
import { sum, warningsAbout } from "../logic/report-tables.ts";
import { S } from "../strings.ts";
import { absent, h, note, warn } from "./dom.ts";

export function loadLine({ report }: Context): HTMLElement {
  const { load } = report;
  const warnings = warn(warningsAbout(report, "load").map((w) => w.text));
  if (!load) return h("section", { class: "load-line" }, absent(S.noLoad, S.noLoadHint), warnings);
  const { latency_ms: latency } = load;
  const errors = sum(load.errors);
  const ttft = load.stream?.ttft_ms;
  const numbers: [string, string, boolean?][] = [
    [S.requestsPerSecond, significant(load.requests_per_second)],
    ["p50", milliseconds(latency.p50)],
    ["p90", milliseconds(latency.p90)],
    ["p99", milliseconds(latency.p99)],
    ["p99.9", milliseconds(latency.p99_9)],
    ["max", milliseconds(latency.max)],
    [S.errors, count(errors), errors > 0],
    ...(ttft === undefined ? [] : [[S.ttft, milliseconds(ttft)] as [string, string]]),
    [S.cpuPerRequest, milliseconds(load.cpu_ms_per_request)],
  ];
  return h(
    "section",
    { class: "load-line", "aria-label": S.load },
    h(
      "dl",
      { class: "numbers" },
      ...numbers.map(([label, value, bad]) =>
        h("div", { class: bad ? "bad" : null }, h("dt", {}, label), h("dd", {}, value)),
      ),
    ),
    note(
      `${S.loadSource(count(load.requests), seconds(load.duration_s), load.phases.join(", "))} · ${S.generator(percent(load.generator_cpu_share))}`,
    ),
    warnings,
  );
}
