/** How this was measured: recorders, slowpath's own cost, warnings, and the run itself. */
import type { Context } from "../context.ts";
import { bytes, change, count, moment, seconds, shellCommand } from "../logic/format.ts";
import { S } from "../strings.ts";
import { absent, h, note, table, warn } from "./dom.ts";

export function measured(context: Context): HTMLElement {
  return h(
    "section",
    { id: "measured", class: "part" },
    h("h2", {}, S.measured),
    context.report.files.length > 0
      ? files(context)
      : h(
          "div",
          { class: "pair" },
          h("div", {}, recorders(context)),
          h("div", {}, overhead(context), warnings(context)),
        ),
    run(context),
  );
}

function files({ report }: Context): HTMLElement {
  const rows = report.files.map((file) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("code", {}, file.name)),
      h("td", {}, file.format),
      h("td", { class: "figure" }, bytes(file.bytes)),
      h("td", { class: "figure" }, count(file.n_samples)),
      h("td", {}, file.notes.join(". ")),
    ),
  );
  const columns = [
    { label: S.fileColumn },
    { label: S.format },
    { label: S.data, class: "figure" },
    { label: S.nSamples, class: "figure" },
    { label: S.notes },
  ];
  return h("div", {}, h("h3", {}, S.files), h("div", { class: "wide" }, table(S.files, columns, rows)));
}

function recorders({ report }: Context): HTMLElement {
  if (report.recorders.length === 0) return absent(S.noRecorders);
  const rows = report.recorders.map((recorder) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, recorder.name),
      h("td", {}, h("span", { class: `state ${recorder.state}` }, S.stateName[recorder.state])),
      h("td", { class: "figure" }, recorder.n_records > 0 ? count(recorder.n_records) : "–"),
      h("td", { class: "figure" }, recorder.bytes > 0 ? bytes(recorder.bytes) : "–"),
      h("td", {}, recorder.why),
    ),
  );
  const columns = [
    { label: S.recorder },
    { label: S.state },
    { label: S.records, class: "figure" },
    { label: S.data, class: "figure" },
    { label: S.why2 },
  ];
  return h("div", {}, h("h3", {}, S.recorders), h("div", { class: "wide" }, table(S.recorders, columns, rows)));
}

function overhead({ report }: Context): HTMLElement {
  if (report.overhead.length === 0) return h("div");
  const rows = report.overhead.map((phase) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, phase.phase),
      h("td", { class: "figure" }, change(phase.throughput)),
      h("td", { class: "figure" }, change(phase.cpu_per_request)),
      h("td", { class: "figure" }, change(phase.p99)),
      h("td", { class: "source" }, phase.note),
    ),
  );
  const columns = [
    { label: S.phase },
    { label: S.throughput, class: "figure" },
    { label: S.cpuPerRequest, class: "figure" },
    { label: "p99", class: "figure" },
    { label: "" },
  ];
  return h(
    "div",
    {},
    h("h3", {}, S.overhead),
    h("div", { class: "wide" }, table(S.overhead, columns, rows)),
    note(S.overheadNote),
  );
}

function warnings({ report }: Context): HTMLElement | null {
  const list = warn(report.warnings.map((warning) => warning.text));
  return list && h("div", {}, h("h3", {}, S.warnings), list);
}

function run({ report }: Context): HTMLElement {
  const { run: info } = report;
  const { machine } = info;
  const facts: [string, string | null][] = [
    [S.command, info.command.length > 0 ? shellCommand(info.command) : null],
    [S.directory, info.cwd],
    [S.url, info.url && `${info.method ?? "GET"} ${info.url}`],
    [S.started, info.started_at && moment(info.started_at)],
    [S.took, info.duration_s > 0 ? seconds(info.duration_s) : null],
    ["Node", info.node],
    ["CPU", machine && S.machine(machine.cpus, machine.cpu_model, bytes(machine.memory_bytes))],
    [S.kernel, machine?.kernel ?? null],
    [S.version, report.slowpath_version],
  ];
  return h(
    "div",
    {},
    h("h3", {}, S.run),
    h(
      "dl",
      { class: "facts" },
      ...facts
        .filter(([, text]) => text)
        .flatMap(([name, text]) => [h("dt", {}, name), h("dd", {}, h("code", {}, text))]),
    ),
  );
}
