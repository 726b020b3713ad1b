/** Rates, what came back, and what failed. */
import type { LoadPage, RateRow } from "../../load-contract.ts";
import { L } from "../../load-strings.ts";
import { bytes, count, finePercent, significant } from "../../logic/format.ts";
import { absent, h, note, table } from "../dom.ts";

/** `null` for a sweep: an average over its rates says nothing. */
export function ratesSection(page: LoadPage): HTMLElement | null {
  if (page.sweep) return null;
  const shown = (row: RateRow, value: number) => (row.of === "bytes" ? `${bytes(value)}/s` : significant(value));
  const rows = page.rates.map((row) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, row.of === "bytes" ? L.bytesPerSecond : L.requestsPerSecond),
      ...[row.average, row.stdev, row.min, row.max].map((value) => h("td", { class: "figure" }, shown(row, value))),
    ),
  );
  const columns = [{ label: "" }, ...[L.average, L.stdev, L.min, L.max].map((label) => ({ label, class: "figure" }))];
  return h(
    "section",
    { id: "rates", class: "part" },
    h("h2", {}, L.rates),
    h(
      "div",
      { class: "pair" },
      h("div", {}, table(L.rates, columns, rows), note(L.ofSeconds(count(page.rates[0].n_seconds)))),
      facts(page),
    ),
  );
}

function facts({ schedule, streams, goodput }: LoadPage): HTMLElement {
  const list: [string, string][] = [];
  if (schedule) {
    list.push([L.late, `${count(schedule.late)}, ${finePercent(schedule.late_share)}: ${L.lateNote}`]);
    list.push([L.dropped, `${count(schedule.dropped)}, ${finePercent(schedule.dropped_share)}: ${L.droppedNote}`]);
    const unfinished = `${count(schedule.unfinished)}, ${finePercent(schedule.unfinished_share)}`;
    list.push([L.unfinished, `${unfinished}: ${L.unfinishedNote}`]);
  }
  if (goodput) {
    const { requests_per_second, share, objectives } = goodput;
    list.push([L.goodput, `${significant(requests_per_second)}/s: ${L.goodputNote(finePercent(share), objectives)}`]);
  }
  if (streams) {
    const dialects = streams.dialects.map(([name, n]) => `${name} ${count(n)}`).join(", ");
    list.push([L.streams, L.streamsText(count(streams.whole), dialects, count(streams.broken))]);
    list.push([L.tokens, `${significant(streams.output_tokens_per_second)}, ${count(streams.output_tokens)} in all`]);
    list.push([L.events, count(streams.content_events)]);
  }
  return h("dl", { class: "facts" }, ...list.flatMap(([name, text]) => [h("dt", {}, name), h("dd", {}, text)]));
}

export function answersSection({ status, errors }: LoadPage): HTMLElement {
  const statusRows = status.map((row) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("code", {}, row.status)),
      h("td", { class: "figure" }, count(row.count)),
      h("td", { class: "figure" }, finePercent(row.share)),
    ),
  );
  const errorRows = errors.map((row) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, row.class),
      h("td", { class: "figure" }, count(row.count)),
      h("td", { class: "figure" }, finePercent(row.share)),
      h("td", { class: "sample" }, h("code", {}, row.sample)),
    ),
  );
  const figures = [
    { label: L.count, class: "figure" },
    { label: L.share, class: "figure" },
  ];
  return h(
    "section",
    { id: "answers", class: "part" },
    h("h2", {}, L.answers),
    h(
      "div",
      { class: "pair" },
      h(
        "div",
        {},
        h("h3", {}, L.status),
        statusRows.length > 0 ? table(L.status, [{ label: L.status }, ...figures], statusRows) : absent(L.noAnswers),
      ),
      h(
        "div",
        {},
        h("h3", {}, L.failures),
        errorRows.length > 0
          ? table(L.failures, [{ label: L.errorClass }, ...figures, { label: L.sample }], errorRows)
          : absent(L.noFailures),
      ),
    ),
  );
}
