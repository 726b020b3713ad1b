/** The pack's checkpoints, each with its answer and numbers, and the check-list. */
import type { Context } from "../context.ts";
import type { ChecklistPoint, Checkpoint, Evidence } from "../contract.ts";
import { count, percent } from "../logic/format.ts";
import { S } from "../strings.ts";
import { absent, h, note, warn } from "./dom.ts";

export function checkpoints(context: Context): HTMLElement {
  const { report } = context;
  return h(
    "section",
    { id: "checkpoints", class: "part" },
    h("h2", {}, S.checkpoints),
    warn(report.warnings.filter((warning) => warning.about === "checkpoints").map((warning) => warning.text)),
    report.pack
      ? h(
          "div",
          {},
          note(S.packChosen(report.pack.title, report.pack.why)),
          h("ul", { class: "answers" }, ...report.checkpoints.map(checkpoint)),
        )
      : absent(S.noPack, S.noPackCommand),
    h("h3", {}, S.checklist),
    h("ul", { class: "answers" }, ...report.checklist.map(point)),
  );
}

function checkpoint(row: Checkpoint): HTMLElement {
  const share = row.share === null ? null : h("span", { class: "source" }, S.ofBusyTime(percent(row.share)));
  return answered(
    row.answer,
    S.checkpointAnswer[row.answer],
    row.title,
    share,
    row.answer === "cause",
    h("p", {}, S.suspected(row.suspicion)),
    evidence(row.evidence),
    row.advice === ""
      ? null
      : h("p", { class: "note" }, row.answer === "cause" ? S.toDo(row.advice) : S.wouldTell(row.advice)),
  );
}

function point(row: ChecklistPoint): HTMLElement {
  const first = row.evidence[0];
  return answered(
    row.answer,
    S.pointAnswer[row.answer],
    row.title,
    first ? h("span", { class: "source" }, first.text) : null,
    false,
    evidence(row.evidence),
    h("p", { class: "note" }, S.toMeasure(row.how)),
  );
}

/** Sample size and recorder; a remark has neither number nor size. */
function source(row: Evidence): string {
  const size = row.n_samples === null ? null : S.samples(count(row.n_samples));
  return [size, row.value === null ? null : row.recorder].filter((part) => part !== null).join(" · ");
}

/** One line that opens to its proof. */
function answered(
  answer: string,
  word: string,
  title: string,
  beside: HTMLElement | null,
  open: boolean,
  ...proof: (HTMLElement | null)[]
): HTMLElement {
  return h(
    "li",
    {},
    h(
      "details",
      { open },
      h(
        "summary",
        {},
        h("span", { class: `answer-word is-${answer}` }, word),
        h("span", { class: "answer-title" }, title),
        beside,
      ),
      h("div", { class: "proof" }, ...proof),
    ),
  );
}

function evidence(rows: readonly Evidence[]): HTMLElement | null {
  if (rows.length === 0) return null;
  const items = rows.map((row) => h("li", {}, row.text, " ", h("span", { class: "source" }, source(row))));
  return h("ul", { class: "evidence" }, ...items);
}
