/** The source of a function: own time by line, calls, deoptimisations; or what is missing and how to get it. */
import type { Context } from "../context.ts";
import type { CpuSelection } from "../logic/derive.ts";
import { count, seconds } from "../logic/format.ts";
import type { FunctionDetails } from "../logic/function-details.ts";
import { functionLabel, keepStart } from "../logic/place.ts";
import { isGap, type SourceGap, type SourceLine, type SourceRow, sourceRows } from "../logic/source-view.ts";
import { S } from "../strings.ts";
import { absent, fill, h } from "./dom.ts";

/** What the report carries of a line. */
const MAX_CHARS = 400;
/** Behind a longer line its notes would be out of sight. */
const NOTES_BEHIND = 84;

export function sourceListing(context: Context, cpu: CpuSelection, fn: number, found: FunctionDetails): HTMLElement {
  const rows = sourceRows(cpu.profile, fn, found.callees);
  const title = h("h4", {}, S.source, " ", h("span", { class: "source" }, S.linesNote));
  if (!rows) return h("div", { class: "listing" }, title, noSource(context, cpu, fn));
  const body = h("tbody", {}, ...rows.flatMap((row) => rowOf(context, cpu, row, fn)));
  return h(
    "div",
    { class: "listing" },
    title,
    h(
      "div",
      { class: "code", tabindex: 0, role: "region", "aria-label": S.sourceOf(functionLabel(cpu.profile.name[fn])) },
      h(
        "table",
        {},
        h(
          "thead",
          { class: "unseen" },
          h("tr", {}, ...[S.self, S.line, S.source].map((label) => h("th", { scope: "col" }, label))),
        ),
        body,
      ),
    ),
  );
}

function noSource({ report }: Context, cpu: CpuSelection, fn: number): HTMLElement {
  const { profile } = cpu;
  if (profile.file[fn] === "" || profile.line[fn] <= 0) return absent(S.noSourceNative);
  if (report.files.length > 0) return absent(S.noSourceFile);
  if (profile.sources.size > 0) return absent(S.noSourceCold);
  const recorder = report.recorders.find((r) => r.name === "sources");
  return recorder?.why ? absent(S.noSourceBecause(recorder.why)) : absent(S.noSources, S.noSourcesHint);
}

function rowOf(context: Context, cpu: CpuSelection, row: SourceRow, fn: number): HTMLTableRowElement[] {
  return isGap(row) ? [gapRow(context, cpu, row, fn)] : [lineRow(context, cpu, row, fn)];
}

function gapRow(context: Context, cpu: CpuSelection, gap: SourceGap, fn: number): HTMLTableRowElement {
  const n = count(gap.to - gap.from + 1);
  const cell = h("td", { colspan: 3 });
  const row = h("tr", { class: "gap" }, cell);
  const unfold = () => row.replaceWith(...gap.lines.map((line) => lineRow(context, cpu, line, fn)));
  fill(
    cell,
    gap.lines.length === 0
      ? S.linesMissing(n)
      : h("button", { type: "button", class: "link", onclick: unfold }, S.linesFolded(n)),
  );
  return row;
}

/** How often V8 optimised the function, where that was more than once. */
function optimisedNote({ report }: Context, fn: number): HTMLElement | null {
  const found = report.counters?.deopts.find((row) => row.function_index === fn);
  const n = found ? found.n_optimised + found.n_aborted : 0;
  if (!report.counters || n < 2) return null;
  const span = seconds(report.counters.deopts_window_s);
  return h("span", { class: "deopt" }, S.optimisedTimes(count(n), span));
}

function lineRow(context: Context, cpu: CpuSelection, row: SourceLine, fn: number): HTMLTableRowElement {
  const heat = h("td", { class: "heat" }, row.self_us > 0 && cpu.weight(row.self_us));
  heat.style.setProperty("--heat", `${(row.relative * 100).toFixed(1)}%`);
  const again = row.line === cpu.profile.line[fn] ? optimisedNote(context, fn) : null;
  const notes = [
    ...(again ? [again] : []),
    ...row.calls.map((call) =>
      h(
        "button",
        {
          type: "button",
          class: "link call",
          title: call.nLines > 1 ? S.callOnLines(count(call.nLines)) : S.callByName,
          onclick: () => context.store.adjust({ selected: call.fn }),
        },
        `→ ${keepStart(functionLabel(cpu.profile.name[call.fn]), 32)} ${cpu.weight(call.total_us)}`,
      ),
    ),
    ...row.deopts.map((deopt) => h("span", { class: "deopt" }, S.deopt(count(deopt.count), deopt.reason))),
  ];
  return h(
    "tr",
    { class: row.inside ? (row.self_us > 0 ? "warm" : null) : "outside" },
    heat,
    h("td", { class: "number" }, row.line),
    h("td", {}, h("code", {}, keepStart(row.text, MAX_CHARS) || " "), notes.length > 0 && notesOf(row, notes)),
  );
}

function notesOf(row: SourceLine, notes: readonly HTMLElement[]): HTMLElement {
  return h("span", { class: row.text.length > NOTES_BEHIND ? "notes below" : "notes" }, ...notes);
}
