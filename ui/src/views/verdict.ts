/** The answer: one sentence, its detail, and where the first finding is and what fixing it would bring. */
import type { Context } from "../context.ts";
import { factor } from "../logic/format.ts";
import { functionLabel, keepStart, place, shortenWords } from "../logic/place.ts";
import { warningsAbout } from "../logic/report-tables.ts";
import { CLASS_NAME, S } from "../strings.ts";
import { h, warn } from "./dom.ts";

export function verdict(context: Context): HTMLElement {
  const { report } = context;
  const { verdict: answer } = report;
  return h(
    "section",
    { class: "verdict", "aria-label": CLASS_NAME[answer.class] },
    h("h1", { id: "verdict", "data-class": answer.class, title: answer.sentence }, shortenWords(answer.sentence, 56)),
    answer.detail ? h("p", { class: "detail" }, answer.detail) : null,
    topFinding(context),
    warn(warningsAbout(report, "target").map((w) => w.text)),
  );
}

function topFinding({ report, showFunction }: Context): HTMLElement | null {
  const first = report.findings.find((finding) => finding.where !== null);
  if (!first?.where) return null;
  const { where, predicted_gain: gain, function_index: fn } = first;
  const name = keepStart(functionLabel(where.function), 60);
  return h(
    "p",
    { class: "culprit" },
    fn === null
      ? h("code", {}, name)
      : h("button", { type: "button", class: "link", title: S.showInFlame, onclick: () => showFunction(fn) }, name),
    h("code", { class: "place", title: where.file }, place(where.file, where.line, report.run.cwd, where.column)),
    gain && gain.throughput > 1
      ? h(
          "span",
          { class: "gain" },
          `→ ${(report.load === null ? S.gainWithoutLoad : S.gain)(factor(gain.throughput), factor(gain.low).slice(0, -1), factor(gain.high).slice(0, -1))}`,
        )
      : null,
  );
}
