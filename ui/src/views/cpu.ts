/** The CPU section: where its numbers come from, flame graph, details of a function, function table. */
import type { Context } from "../context.ts";
import type { WeightUnit } from "../contract.ts";
import type { CpuSelection } from "../logic/derive.ts";
import { change, count } from "../logic/format.ts";
import { knownOverheads, warningsAbout } from "../logic/report-tables.ts";
import { S, sampledTitle } from "../strings.ts";
import { absent, fill, h, note, warn } from "./dom.ts";
import { Flame } from "./flame.ts";
import { details } from "./flame-details.ts";
import { legend } from "./flame-legend.ts";
import { toolbar } from "./flame-toolbar.ts";
import { functionList } from "./function-list.ts";
import { functionTable } from "./function-table.ts";
import { Walkthrough } from "./walkthrough.ts";

export interface CpuView {
  flame: Flame;
  search: HTMLInputElement;
  walk(step: 1 | 0 | -1): void;
  explain(): void;
}

export function cpuSection(unit: WeightUnit): { section: HTMLElement; body: HTMLElement } {
  const body = h("div", {}, note(S.decoding));
  return { section: h("section", { id: "cpu", class: "part" }, h("h2", {}, sampledTitle(unit)), body), body };
}

/** Says why there is no flame graph. */
export function cpuMissing(body: HTMLElement, { report }: Context, error: string | null): void {
  const recorder = report.recorders.find((r) => r.name.startsWith("cpu"));
  const why = recorder && recorder.state !== "ok" && recorder.why ? `: ${recorder.why}.` : "";
  const lack = why ? `${S.noSamples.slice(0, -1)}${why}` : S.noSamples;
  fill(
    body,
    error === null ? absent(lack, S.noSamplesHint) : absent(S.badProfile(error)),
    report.functions.length > 0 ? functionList(report) : null,
  );
}

export function cpuBody(body: HTMLElement, context: Context, cpu: CpuSelection): CpuView {
  const { report, store } = context;
  const source = note();
  const flame = new Flame(context, cpu);
  const tools = toolbar(context, cpu, (fn) => flame.goTo(fn));
  const walkthrough = new Walkthrough(context, cpu);
  const overhead = knownOverheads(report).find((o) => o.phase === "cpu");
  const show = () => {
    const topDown = cpu.topDown(store.state);
    const { total } = topDown;
    const totalSamples = topDown.nSamples(0);
    const interval_us = cpu.threads(store.state)[0]?.effective_interval_us;
    source.textContent = [
      cpu.profile.unit === "us"
        ? S.cpuSource(cpu.weight(total), count(totalSamples), cpu.weight(interval_us))
        : S.weightSource(cpu.weight(total), count(totalSamples)),
      ...(overhead ? [S.overheadHere(overhead.phase, change(overhead.throughput))] : []),
    ].join(" · ");
  };
  store.onChange(show);
  show();
  fill(
    body,
    h("div", { class: "cpu-head" }, source, walkthrough.link),
    warn(warningsAbout(report, "cpu").map((w) => w.text)),
    tools.element,
    legend(context, cpu),
    walkthrough.card,
    flame.element,
    details(context, cpu),
    functionTable(context, cpu, flame),
  );
  return { flame, search: tools.search, walk: tools.walk, explain: () => walkthrough.start() };
}
