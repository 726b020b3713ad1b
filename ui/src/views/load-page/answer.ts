/** The first screen of a load: what was driven, the answer, thresholds, one row of numbers, the main chart. */
import type { LoadPage } from "../../load-contract.ts";
import { ENDED, L } from "../../load-strings.ts";
import { bytes, count, finePercent, milliseconds, moment, seconds, significant } from "../../logic/format.ts";
import { shortenWords } from "../../logic/place.ts";
import type { Store } from "../../store.ts";
import { S } from "../../strings.ts";
import { h, note, warn } from "../dom.ts";
import { openKeys } from "../help.ts";
import { languageSwitch } from "../language.ts";
import { themeButton } from "../theme.ts";

export function header({ run }: LoadPage, store: Store): HTMLElement {
  return h(
    "header",
    { class: "top" },
    h("span", { class: "product" }, S.product),
    h("strong", { class: "target", title: run.title }, shortenWords(run.title, 72)),
    ...[...run.facts, moment(run.started_at)].map((fact) => h("span", { class: "fact" }, fact)),
    ENDED[run.ended] ? h("strong", { class: "fact ended" }, ENDED[run.ended]) : null,
    h(
      "span",
      { class: "tools" },
      languageSwitch(store),
      themeButton(store),
      h("button", { type: "button", class: "plain", onclick: () => openKeys(L.keys), title: "?" }, `${S.help} ?`),
    ),
  );
}

export function verdict({ verdict, thresholds, warnings }: LoadPage): HTMLElement {
  return h(
    "section",
    { class: "verdict", "aria-labelledby": "verdict" },
    h("h1", { id: "verdict", title: verdict.sentence }, verdict.sentence),
    ...verdict.details.map((detail) => h("p", { class: "detail" }, detail)),
    thresholds.length === 0
      ? null
      : h(
          "ul",
          { class: "thresholds", "aria-label": L.thresholds },
          h("li", { class: "source" }, L.thresholds),
          ...thresholds.map(({ condition, measured, is_crossed }) =>
            h(
              "li",
              { class: is_crossed ? "crossed" : "ok" },
              h("b", {}, is_crossed ? `✗ ${L.crossed}` : `✓ ${L.passed}`),
              h("code", {}, condition),
              h("span", { class: "source" }, measured),
            ),
          ),
        ),
    warn(warnings),
  );
}

export function numbers({ totals, times, generator }: LoadPage): HTMLElement {
  const [latency] = times;
  const ttft = times.find((row) => row.series === "ttft");
  const figures: [string, string, boolean?][] = [
    [L.requestsPerSecond, significant(totals.requests_per_second)],
    ["p50", milliseconds(latency.p50)],
    ["p90", milliseconds(latency.p90)],
    ["p99", milliseconds(latency.p99)],
    ["p99.9", milliseconds(latency.p99_9)],
    ["max", milliseconds(latency.max)],
    [
      L.errors,
      totals.failed > 0 ? `${count(totals.failed)} (${finePercent(totals.failed_share)})` : "0",
      totals.failed > 0,
    ],
    ...(ttft ? [["ttft p50", milliseconds(ttft.p50)] as [string, string]] : []),
    [L.bytesPerSecond, bytes(totals.bytes_per_second)],
  ];
  const source = L.source(count(totals.requests + totals.failed), seconds(totals.duration_s));
  return h(
    "section",
    { class: "load-line", "aria-label": L.load },
    h(
      "dl",
      { class: "numbers" },
      ...figures.map(([label, value, bad]) =>
        h("div", { class: bad ? "bad" : null }, h("dt", {}, label), h("dd", {}, value)),
      ),
    ),
    note(
      [source, totals.of ? L.of(totals.of) : "", L.generator(finePercent(generator.cpu_share))]
        .filter((text) => text !== "")
        .join(" · "),
    ),
  );
}
