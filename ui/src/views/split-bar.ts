/** One bar: where the busiest main thread's wall time went. The labels below it add up to 100. */
import type { Context } from "../context.ts";
import { count, microseconds, percent, seconds } from "../logic/format.ts";
import { warningsAbout } from "../logic/report-tables.ts";
import { splitLabel, splitParts } from "../logic/split.ts";
import { S, SPLIT_MEANING, SPLIT_NAME } from "../strings.ts";
import { h, note, warn } from "./dom.ts";

export function splitBar({ report }: Context): HTMLElement {
  const parts = splitParts(report.split);
  const source = report.split_source;
  const heading = h("h2", { class: "inline" }, S.mainThread);
  if (parts.length === 0) return h("section", { class: "split" }, heading, note(S.noSplit));
  const bar = h("div", { class: "bar", "aria-hidden": "true" });
  for (const part of parts) {
    const segment = h("span", { class: `part ${part.id}`, title: `${SPLIT_NAME[part.id]} ${percent(part.share)}` });
    segment.style.flexGrow = String(part.share);
    bar.append(segment);
  }
  const labels = parts.map((part) =>
    h(
      "li",
      { title: SPLIT_MEANING[part.id] },
      h("span", { class: `swatch ${part.id}` }),
      `${SPLIT_NAME[part.id]} `,
      h("b", {}, splitLabel(part)),
    ),
  );
  return h(
    "section",
    { class: "split" },
    heading,
    bar,
    source ? h("span", { class: "whole" }, S.threadTime(seconds(source.wall_s))) : null,
    h("ul", { class: "labels" }, ...labels),
    source
      ? note(
          S.splitSource(
            source.pid,
            source.thread_name,
            count(source.n_samples),
            microseconds(source.effective_interval_us),
            source.recorders.join(", "),
          ),
        )
      : null,
    warn(warningsAbout(report, "cpu").map((w) => w.text)),
  );
}
