/** The line at the top: what was measured, on what, when; theme and help at its end. */
import type { Context } from "../context.ts";
import { count, moment, seconds } from "../logic/format.ts";
import { warningsAbout } from "../logic/report-tables.ts";
import { ENDED, S } from "../strings.ts";
import { h, warn } from "./dom.ts";
import { openHelp } from "./help.ts";
import { languageSwitch } from "./language.ts";
import { themeButton } from "./theme.ts";

export function header({ report, store }: Context): HTMLElement {
  const { run } = report;
  const facts = [
    run.node ? S.node(run.node) : null,
    run.connections !== null ? S.connections(count(run.connections)) : null,
    run.duration_s > 0 ? seconds(run.duration_s) : null,
    run.started_at !== null ? moment(run.started_at) : null,
    report.files.length > 0 ? [...new Set(report.files.map((file) => file.format))].join(", ") : null,
  ].filter((fact) => fact !== null);
  return h(
    "header",
    { class: "top" },
    h("span", { class: "product" }, S.product),
    h("strong", { class: "target" }, run.title),
    ...facts.map((fact) => h("span", { class: "fact" }, fact)),
    ENDED[run.ended] ? h("strong", { class: "fact ended" }, ENDED[run.ended]) : null,
    h(
      "span",
      { class: "tools" },
      languageSwitch(store),
      themeButton(store),
      h("button", { type: "button", class: "plain", onclick: openHelp, title: "?" }, `${S.help} ?`),
    ),
    warn(warningsAbout(report, "machine").map((w) => w.text)),
  );
}
