/** The native section: what CPU time went to inside V8, Node's C++ and the kernel, and which JavaScript caused it. */
import type { Context } from "../context.ts";
import type { NativeData, NativeWork, NativeWorkFunction } from "../contract.ts";
import { count, percent, seconds } from "../logic/format.ts";
import { groupWork, type WorkGroup } from "../logic/native-work.ts";
import { functionLabel, keepEnd, keepStart, place } from "../logic/place.ts";
import { S, WORK_NAME } from "../strings.ts";
import { h, note, table, warn } from "./dom.ts";

/** Parts below this share of all CPU time are left out; the class still counts them. */
const MIN_SHARE = 0.002;
const MAX_CALLERS = 2;

/** `null` where native stacks were not recorded: most reports have none. */
export function nativeSection(context: Context): HTMLElement | null {
  const { native } = context.report;
  if (!native) return null;
  return h(
    "section",
    { id: "native", class: "part" },
    h("h2", {}, S.native),
    note(S.nativeSource(seconds(native.cpu_s), count(native.n_samples), native.event, count(native.frequency_hz))),
    warn(lacks(native)),
    native.work.length === 0
      ? null
      : h("div", { class: "wide", id: "native-work" }, table(S.native, COLUMNS, rows(context, native))),
  );
}

const COLUMNS = [
  { label: S.workOn },
  { label: S.share, class: "figure" },
  { label: "CPU", class: "figure" },
  { label: S.nSamples, class: "figure" },
  { label: S.causedBy, class: "where" },
  { label: S.mostlyIn, class: "where" },
];

function lacks(native: NativeData): string[] {
  return [
    ...(native.kernel_frames ? [] : [S.noKernelFrames]),
    ...(native.n_lost > 0 ? [S.lostSamples(count(native.n_lost))] : []),
    ...(native.n_truncated > 0 ? [S.truncatedStacks(count(native.n_truncated))] : []),
    ...native.notes,
  ];
}

function rows(context: Context, native: NativeData): HTMLTableRowElement[] {
  return groupWork(native.work).flatMap((group) => {
    const single = group.parts.length === 1 ? group.parts[0] : null;
    const parts = single ? [] : group.parts.filter((part) => part.share >= MIN_SHARE);
    return [groupRow(context, group, single), ...parts.map((part) => partRow(context, part))];
  });
}

function groupRow(context: Context, group: WorkGroup, single: NativeWork | null): HTMLTableRowElement {
  const part = single && single.part !== "other" ? `: ${single.part}` : "";
  return h(
    "tr",
    { class: "sum", "data-work": group.class },
    h("th", { scope: "row" }, `${WORK_NAME[group.class] ?? group.class}${part}`),
    ...figures(group.share, group.cpu_s, group.nSamples),
    h("td", { class: "where" }, ...(single ? callers(context, single) : [])),
    h("td", { class: "where" }, ...(single ? mostlyIn(context, single) : [])),
  );
}

function partRow(context: Context, part: NativeWork): HTMLTableRowElement {
  return h(
    "tr",
    { class: "thread" },
    h("td", {}, h("span", { class: "work-part" }, part.part)),
    ...figures(part.share, part.cpu_s, part.n_samples),
    h("td", { class: "where" }, ...callers(context, part)),
    h("td", { class: "where" }, ...mostlyIn(context, part)),
  );
}

const figures = (share: number, cpu_s: number, nSamples: number): HTMLElement[] => [
  h("td", { class: "figure" }, percent(share)),
  h("td", { class: "figure" }, seconds(cpu_s)),
  h("td", { class: "figure" }, count(nSamples)),
];

const callers = (context: Context, work: NativeWork): HTMLElement[] =>
  work.callers.slice(0, MAX_CALLERS).map((caller) => named(context, caller, true));

const mostlyIn = (context: Context, work: NativeWork): HTMLElement[] =>
  work.functions.slice(0, 1).map((fn) => named(context, fn, false));

function named(context: Context, row: NativeWorkFunction, withPlace: boolean): HTMLElement {
  const share = h("span", { class: "source" }, ` ${percent(row.share)}`);
  const { function: name, function_index: fn } = row;
  if (name === null || fn === null) return h("div", {}, h("span", { class: "source" }, S.noJavaScript), share);
  const show = () => {
    context.store.adjust({ recorder: "native", threads: [] });
    context.showFunction(fn);
  };
  const at = withPlace ? keepEnd(place(row.file, row.line, context.report.run.cwd), 32) : (row.package ?? "");
  return h(
    "div",
    { title: `${name} ${row.file}` },
    h("button", { type: "button", class: "link name", onclick: show }, keepStart(withoutNamespace(name), 40)),
    at === "" ? null : h("code", { class: "source" }, ` ${at}`),
    share,
  );
}

/** Most of what V8 does is in one namespace: the package beside the name says so in two letters. */
function withoutNamespace(name: string): string {
  return functionLabel(name).replace(/^v8::internal::/, "");
}
