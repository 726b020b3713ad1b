/** The processes section: the tree of what ran, its threads, what they used and how they ended. */
import type { Context } from "../context.ts";
import type { ThreadWait } from "../contract.ts";
import { bytes, count, percent } from "../logic/format.ts";
import { keepStart } from "../logic/place.ts";
import { type ProcessRow, processTree } from "../logic/report-tables.ts";
import { S } from "../strings.ts";
import { absent, h, table } from "./dom.ts";

export function processes({ report }: Context): HTMLElement {
  const rows = processTree(report.processes).flatMap((row) => processRows(row));
  return h(
    "section",
    { id: "processes", class: "part" },
    h("h2", {}, S.processes),
    rows.length === 0
      ? absent(S.noProcesses)
      : h(
          "div",
          { class: "wide" },
          table(
            S.processes,
            [
              { label: S.process },
              { label: S.role },
              { label: "CPU", class: "figure", title: S.coreShare },
              { label: S.runQueue, class: "figure", title: S.runQueueHint },
              { label: S.nSamples, class: "figure" },
              { label: S.rssPeak, class: "figure" },
              { label: S.fdsPeak, class: "figure" },
              { label: S.exit },
            ],
            rows,
          ),
        ),
  );
}

function processRows({ process, level }: ProcessRow): HTMLTableRowElement[] {
  const indent = (element: HTMLElement, depth: number) => {
    element.style.paddingLeft = `${depth * 24}px`;
    return element;
  };
  const own = h(
    "tr",
    { class: "process" },
    h(
      "td",
      { title: process.command },
      indent(
        h("span", { class: "indent" }, h("b", {}, process.pid), " ", h("code", {}, keepStart(process.command, 56))),
        level,
      ),
    ),
    h("td", {}, process.role, process.node ? h("span", { class: "source" }, ` ${S.node(process.node)}`) : null),
    h("td", { class: "figure" }, ""),
    h("td", { class: "figure" }, ""),
    h("td", { class: "figure" }, ""),
    h("td", { class: "figure" }, bytes(process.rss_peak_bytes)),
    h("td", { class: "figure" }, count(process.fds_peak)),
    h("td", {}, process.exit ?? h("span", { class: "source" }, S.exitUnknown)),
  );
  const threads = process.threads.map((thread) =>
    h(
      "tr",
      { class: "thread" },
      h("td", {}, indent(h("span", { class: "indent" }, thread.name), level + 1)),
      h(
        "td",
        { class: "source" },
        thread.thread === 0 ? S.mainThreadName : thread.thread === null ? "" : S.workerThread(thread.thread),
      ),
      h("td", { class: "figure" }, percent(thread.cpu_share)),
      h("td", { class: "figure" }, percent(thread.run_queue_share)),
      h("td", { class: "figure" }, thread.n_samples > 0 ? count(thread.n_samples) : "–"),
      h("td", { class: "source", colspan: 3 }, thread.waiting ? sleeps(thread.waiting) : ""),
    ),
  );
  return [own, ...threads];
}

function sleeps({ share, call, caller }: ThreadWait): string {
  return caller ? S.sleepsBy(percent(share), call, caller) : S.sleeps(percent(share), call);
}
