/**
 * The counters section: what was counted per request, by kind and place, the functions that are called most often, and those
 * that V8 optimises again and again.
 */
import type { Context } from "../context.ts";
import type { CounterPlace, CounterRow, Counters, FunctionDeopts } from "../contract.ts";
import { bytes, count, milliseconds, percent, seconds, significant } from "../logic/format.ts";
import { functionLabel, keepEnd, keepStart } from "../logic/place.ts";
import { S } from "../strings.ts";
import { absent, h, note, table } from "./dom.ts";

const MAX_ROWS = 40;
const MAX_FUNCTIONS = 20;
const MAX_PLACES = 2;
const MAX_CAUSES = 3;

export function counters(context: Context): HTMLElement {
  const { counters: counted } = context.report;
  return h(
    "section",
    { id: "counters", class: "part" },
    h("h2", {}, S.counters),
    ...(counted === null
      ? [absent(S.countersNone, "slowpath run --phases counters,deopts,calls …")]
      : [calls(context, counted), functions(context, counted), optimised(context, counted)]),
  );
}

function calls(context: Context, counted: Counters): HTMLElement {
  const rows = counted.rows.filter((row) => row.kind !== "request").slice(0, MAX_ROWS);
  if (rows.length === 0) return absent(S.nothingCounted);
  const columns = [
    { label: S.counted },
    { label: S.perRequest, class: "figure" },
    { label: S.calls, class: "figure" },
    { label: S.bytesEach, class: "figure" },
    { label: S.timeIn, class: "figure" },
    { label: S.shareOfBusy, class: "figure" },
    { label: S.mostlyFrom },
  ];
  const source = S.countersSource(seconds(counted.wall_s), count(counted.requests), percent(counted.cost_share));
  const sampled = counted.stride > 1 ? S.placesSampled(count(counted.stride)) : null;
  const shown = rows.map((row) => counterRow(context, row));
  return h("div", { class: "wide" }, note(source, " ", sampled), table(S.counters, columns, shown));
}

function counterRow(context: Context, row: CounterRow): HTMLTableRowElement {
  const places = row.places.slice(0, MAX_PLACES).flatMap((at) => [place(context, row, at), " "]);
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, kindName(row.kind), row.key === "" ? null : h("code", {}, ` ${keepStart(row.key, 48)}`)),
    h("td", { class: "figure" }, row.per_request === null ? "–" : significant(row.per_request)),
    h("td", { class: "figure" }, count(row.n)),
    h("td", { class: "figure" }, sizeOf(row)),
    h("td", { class: "figure" }, row.ms > 0 ? milliseconds(row.ms) : "–"),
    h("td", { class: "figure" }, row.share_of_busy === null ? "–" : percent(row.share_of_busy)),
    h("td", {}, ...places),
  );
}

/** What a write to Redis carries is counted in commands. */
function sizeOf(row: CounterRow): string {
  if (row.bytes === 0) return "–";
  return row.kind === "redis.write" ? S.commandsEach(significant(row.bytes / row.n)) : bytes(row.bytes / row.n);
}

function place({ showFunction }: Context, row: CounterRow, at: CounterPlace): HTMLElement {
  const share = row.places.length > 1 ? ` ${percent(at.n / row.n)}` : "";
  const through = at.through === null ? "" : ` ${S.through(at.through)}`;
  return h(
    "span",
    { title: S.sampledCalls(count(at.n_sampled)) },
    h(
      "button",
      { type: "button", class: "link name", onclick: () => showFunction(at.function_index) },
      keepStart(functionLabel(at.function), 40),
    ),
    h("span", { class: "source" }, ` ${at.file}:${at.line}${through}${share}`),
  );
}

function functions({ showFunction }: Context, counted: Counters): HTMLElement | null {
  if (counted.calls.length === 0) return null;
  const rows = counted.calls
    .slice(0, MAX_FUNCTIONS)
    .map((row) =>
      h(
        "tr",
        {},
        h(
          "td",
          {},
          h(
            "button",
            { type: "button", class: "link name", onclick: () => showFunction(row.function_index) },
            keepStart(functionLabel(row.function), 60),
          ),
        ),
        h("td", { class: "figure" }, row.per_request === null ? "–" : significant(row.per_request)),
        h("td", { class: "figure" }, count(row.n)),
        h("td", { class: "source" }, row.package ?? `${row.file}${row.line === null ? "" : `:${row.line}`}`),
      ),
    );
  const columns = [
    { label: S.functionColumn },
    { label: S.perRequest, class: "figure" },
    { label: S.calls, class: "figure" },
    { label: S.place },
  ];
  return h(
    "div",
    { class: "wide" },
    h("h3", {}, S.mostCalled),
    note(S.callsSource(seconds(counted.calls_window_s), count(Math.round(counted.calls_requests)))),
    table(S.mostCalled, columns, rows),
  );
}

/** Once is how it should be: those come first that were optimised more often. */
function optimised(context: Context, counted: Counters): HTMLElement | null {
  if (counted.deopts_window_s === 0) return null;
  const again = counted.deopts.filter((row) => row.n_optimised + row.n_aborted > 1 || row.causes.length > 0);
  const columns = [
    { label: S.functionColumn },
    { label: S.optimised, class: "figure" },
    { label: S.givenUp, class: "figure" },
    { label: S.heldThread, class: "figure" },
    { label: S.thrownAwayBecause },
    { label: S.place },
  ];
  const source = S.optimisedSource(seconds(counted.deopts_window_s));
  const unplaced = counted.deopts_unplaced > 0 ? S.optimisedUnplaced(count(counted.deopts_unplaced)) : null;
  return h(
    "div",
    { class: "wide" },
    h("h3", {}, S.optimisedAgain),
    note(source, " ", unplaced),
    again.length === 0
      ? note(S.optimisedNone)
      : table(
          S.optimisedAgain,
          columns,
          again.slice(0, MAX_FUNCTIONS).map((row) => optimisedRow(context, row)),
        ),
  );
}

function optimisedRow({ showFunction }: Context, row: FunctionDeopts): HTMLTableRowElement {
  const causes = row.causes.slice(0, MAX_CAUSES).map((cause) => {
    const at = cause.file === null ? "" : ` ${keepEnd(cause.file, 40)}:${cause.line}`;
    return h("div", {}, `${count(cause.n)}× ${keepStart(cause.reason, 60)}`, h("span", { class: "source" }, at));
  });
  const open = { type: "button", class: "link name", onclick: () => showFunction(row.function_index) };
  return h(
    "tr",
    {},
    h("td", {}, h("button", open, keepStart(functionLabel(row.function), 60))),
    h("td", { class: "figure" }, count(row.n_optimised)),
    h("td", { class: "figure" }, row.n_aborted > 0 ? count(row.n_aborted) : "–"),
    h("td", { class: "figure" }, milliseconds(row.held_ms)),
    h("td", {}, ...(causes.length > 0 ? causes : ["–"])),
    h("td", { class: "source" }, row.package ?? keepEnd(`${row.file}${row.line === null ? "" : `:${row.line}`}`, 48)),
  );
}

function kindName(kind: string): string {
  const names: Record<string, string> = S.counterKinds;
  return names[kind] ?? kind;
}
