/** How a load was measured: what was asked for, and whether the generator and the numbers can be believed. */
import type { LoadPage } from "../../load-contract.ts";
import { L } from "../../load-strings.ts";
import { finePercent, moment, significant } from "../../logic/format.ts";
import { h } from "../dom.ts";

export function measuredSection(page: LoadPage): HTMLElement {
  const { generator, settings, run } = page;
  const { little } = generator;
  const checks: [string, string][] = [
    [
      L.busiest,
      `${L.busiestText(finePercent(generator.cpu_share))}${generator.was_bottleneck ? `; ${L.bottleneck}` : ""}`,
    ],
    [
      L.little,
      little
        ? `${L.littleText(
            significant(little.under_way),
            significant(little.rate_times_latency),
            finePercent(little.difference),
          )}${little.is_kept ? "" : `; ${L.littleBroken}`}`
        : L.littleNone,
    ],
  ];
  const asked: [string, string][] = [
    ...settings,
    [L.started, moment(run.started_at)],
    [L.version, page.slowpath_version],
  ];
  const list = (pairs: readonly [string, string][]) =>
    h("dl", { class: "facts" }, ...pairs.flatMap(([name, text]) => [h("dt", {}, name), h("dd", {}, text)]));
  return h(
    "section",
    { id: "measured", class: "part" },
    h("h2", {}, L.measured),
    h(
      "div",
      { class: "pair" },
      h("div", {}, h("h3", {}, L.asks), list(asked)),
      h("div", {}, h("h3", {}, L.checks), list(checks)),
    ),
  );
}
