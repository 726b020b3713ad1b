/** The memory section: collections by kind, how much is allocated and by whom, and what stays alive. */
import type { Context } from "../context.ts";
import type { Allocator, Heap, Memory } from "../contract.ts";
import { bytes, count, milliseconds, percent, seconds } from "../logic/format.ts";
import { functionLabel, keepStart } from "../logic/place.ts";
import { S } from "../strings.ts";
import { absent, h, note, table } from "./dom.ts";

export function memory(context: Context): HTMLElement {
  const { memory: found } = context.report;
  return h(
    "section",
    { id: "memory", class: "part" },
    h("h2", {}, S.memory),
    ...(found === null ? [absent(S.memoryNone, "slowpath run --phases baseline,heap …")] : shown(context, found)),
  );
}

function shown(context: Context, { gc_share, pauses, heap }: Memory): (HTMLElement | null)[] {
  return [
    h("p", {}, S.gcShare(percent(gc_share))),
    pauses.length === 0 ? null : h("div", { class: "wide snug" }, pauseTable(pauses)),
    ...(heap === null ? [absent(S.heapNone, "slowpath run --phases baseline,heap …")] : heapParts(context, heap)),
  ];
}

function heapParts(context: Context, heap: Heap): (HTMLElement | null)[] {
  const { growth } = heap;
  const rate = heap.allocated_per_second;
  return [
    rate === null ? null : note(S.allocatedRate(bytes(rate), seconds(heap.window_s))),
    heap.collections.length === 0 ? null : h("div", { class: "wide snug" }, collectionTable(heap)),
    functions(context, S.allocators, heap.allocators, (n) => S.allocatorsSource(seconds(heap.allocations_s), n)),
    functions(context, S.survivors, heap.survivors, (n) => S.survivorsSource(seconds(growth?.seconds ?? 0), n)),
    growth === null
      ? null
      : note(S.heapGrowth(bytes(growth.before_bytes), bytes(growth.after_bytes), signed(growth.bytes_per_second))),
  ];
}

function signed(rate: number): string {
  return rate < 0 ? `−${bytes(-rate)}` : `+${bytes(rate)}`;
}

const timeColumns = () => [
  { label: S.collectionKind },
  { label: S.collectionsN, class: "figure" },
  { label: S.pausesTotal, class: "figure" },
  { label: S.pausesLongest, class: "figure" },
];

function times(row: { kind: string; n: number; total_ms: number; longest_ms: number }): HTMLElement[] {
  return [
    h("th", { scope: "row" }, row.kind),
    h("td", { class: "figure" }, count(row.n)),
    h("td", { class: "figure" }, milliseconds(row.total_ms)),
    h("td", { class: "figure" }, milliseconds(row.longest_ms)),
  ];
}

function pauseTable(pauses: Memory["pauses"]): HTMLElement {
  return table(
    S.collectionKind,
    timeColumns(),
    pauses.map((row) => h("tr", {}, ...times(row))),
  );
}

function collectionTable(heap: Heap): HTMLElement {
  const columns = [
    ...timeColumns(),
    { label: S.freed, class: "figure" },
    { label: S.promoted, class: "figure", title: S.promotedHint },
    { label: S.survived, class: "figure", title: S.survivedHint },
  ];
  const rows = heap.collections.map((row) =>
    h(
      "tr",
      {},
      ...times(row),
      h("td", { class: "figure" }, bytes(row.freed_bytes)),
      h("td", { class: "figure" }, bytes(row.promoted_bytes)),
      h("td", { class: "figure" }, bytes(row.survived_bytes)),
    ),
  );
  return table(S.collectionKind, columns, rows);
}

function functions(
  { showFunction }: Context,
  heading: string,
  rows: Allocator[],
  source: (samples: string) => string,
): HTMLElement | null {
  if (rows.length === 0) return null;
  const columns = [
    { label: S.functionColumn },
    { label: S.ofAllocated, class: "figure" },
    { label: S.allocatedBytes, class: "figure" },
    { label: S.samplesColumn, class: "figure" },
    { label: S.place },
  ];
  const shownRows = rows.map((row) => {
    const name = keepStart(functionLabel(row.function), 60);
    const show = () => showFunction(row.function_index);
    return h(
      "tr",
      {},
      h("td", {}, h("button", { type: "button", class: "link name", onclick: show }, name)),
      h("td", { class: "figure" }, percent(row.share)),
      h("td", { class: "figure" }, bytes(row.bytes)),
      h("td", { class: "figure" }, count(row.n_samples)),
      h("td", { class: "source" }, row.package ?? `${row.file}${row.line === null ? "" : `:${row.line}`}`),
    );
  });
  const nSamples = rows.reduce((sum, row) => sum + row.n_samples, 0);
  return h(
    "div",
    { class: "wide" },
    h("h3", {}, heading),
    note(source(count(nSamples))),
    table(heading, columns, shownRows),
  );
}
