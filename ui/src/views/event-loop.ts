/** The event-loop section: what held the loop and for how long, how late it ran, how much GC. */
import type { Context } from "../context.ts";
import type { TimelineSeries } from "../contract.ts";
import { count, MISSING, milliseconds, quantity, seconds, significant } from "../logic/format.ts";
import { functionLabel, keepStart } from "../logic/place.ts";
import { seriesIn, stallsIn, stallTotal_ms } from "../logic/report-tables.ts";
import { summarise } from "../logic/timeline.ts";
import { S } from "../strings.ts";
import { absent, fill, h, note, table } from "./dom.ts";

const MAX_STALLS = 12;

export function eventLoop(context: Context): HTMLElement {
  const { store } = context;
  const body = h("div", {});
  const show = () => fill(body, summaries(context), stallGroups(context), stallTable(context));
  store.onChange((before, after) => before.range !== after.range && show());
  show();
  return h("section", { id: "event-loop", class: "part" }, h("h2", {}, S.eventLoop), body);
}

function summaries({ report, store }: Context): HTMLElement {
  const { range } = store.state;
  const line = (series: TimelineSeries | undefined, name: string, none: string) => {
    const facts = series && summarise(seriesIn(series, range), null);
    if (!series || !facts) return h("p", { class: "absent" }, none);
    const { unit } = series;
    return h(
      "p",
      {},
      h("b", {}, `${name} `),
      `${S.median(quantity(facts.median, unit))} · ${S.max(quantity(facts.max, unit))} `,
      h("span", { class: "source" }, S.perSample(count(facts.n))),
    );
  };
  const series = (id: string) => report.timeline.series.find((s) => s.id === id);
  return h(
    "div",
    { class: "pair" },
    line(series("loop_delay"), S.loopDelay, S.loopNone),
    line(series("gc"), "GC", S.gcNone),
  );
}

/** Who held the loop, over the whole run. */
function stallGroups({ report, showFunction }: Context): HTMLElement | null {
  const groups = report.timeline.stall_groups;
  if (groups.length === 0) return null;
  const rows = groups.slice(0, MAX_STALLS).map((group) => {
    const { culprit, function_index: fn } = group;
    const name =
      culprit === null ? h("span", { class: "source" }, S.unknownCulprit) : keepStart(functionLabel(culprit), 60);
    const who =
      fn === null ? name : h("button", { type: "button", class: "link name", onclick: () => showFunction(fn) }, name);
    return h(
      "tr",
      {},
      h("td", {}, who, " ", h("span", { class: "source" }, group.place ?? "")),
      h("td", { class: "figure" }, count(group.n_stalls)),
      h("td", { class: "figure stall-time" }, milliseconds(group.total_ms)),
      h("td", { class: "figure" }, milliseconds(group.longest_ms)),
      h("td", { class: "figure" }, milliseconds(group.own_ms)),
      h("td", { class: "figure" }, group.requests_caught === null ? MISSING : significant(group.requests_caught)),
    );
  });
  const columns = [
    { label: S.heldBy },
    { label: S.stalls, class: "figure" },
    { label: S.heldTotal, class: "figure" },
    { label: S.heldLongest, class: "figure" },
    { label: S.heldOwn, class: "figure" },
    { label: S.requestsCaught, class: "figure" },
  ];
  return h(
    "div",
    {},
    h("h3", {}, S.heldByWhom),
    h("div", { class: "wide snug", id: "stall-groups" }, table(S.heldByWhom, columns, rows)),
    note(S.heldNote),
  );
}

function stallTable(context: Context): HTMLElement {
  const { report, store, showFunction, showInterval } = context;
  const stalls = stallsIn(report.timeline.stalls, store.state.range);
  const recorded = report.timeline.stalls.length > 0 || report.timeline.series.some((s) => s.id === "loop_delay");
  if (stalls.length === 0) return absent(recorded ? S.noStalls : S.stallsNone);
  const rows = stalls.slice(0, MAX_STALLS).map((stall) => {
    const { function_index: fn, culprit } = stall;
    const name = culprit === null ? null : keepStart(functionLabel(culprit), 60);
    return h(
      "tr",
      {},
      h(
        "td",
        { class: "figure" },
        h(
          "button",
          {
            type: "button",
            class: "link",
            onclick: () => showInterval([stall.start_s, stall.start_s + stall.duration_ms / 1000]),
          },
          seconds(stall.start_s),
        ),
      ),
      h("td", { class: "figure stall-time" }, milliseconds(stall.duration_ms)),
      h(
        "td",
        {},
        name === null
          ? h("span", { class: "source" }, S.unknownCulprit)
          : fn === null
            ? h("code", {}, name)
            : h("button", { type: "button", class: "link name", onclick: () => showFunction(fn) }, name),
      ),
      h("td", { class: "figure" }, stall.pid),
      h("td", {}, stall.thread === 0 ? S.mainThreadName : S.workerThread(stall.thread)),
    );
  });
  return h(
    "div",
    {},
    h("h3", {}, S.stallsIn(count(stalls.length), milliseconds(stallTotal_ms(stalls)))),
    stalls.length > MAX_STALLS ? note(S.onlyLongest(count(MAX_STALLS))) : null,
    h(
      "div",
      { class: "wide snug", id: "stalls" },
      table(
        S.stalls,
        [
          { label: S.start, class: "figure" },
          { label: S.duration, class: "figure" },
          { label: S.culprit },
          { label: S.process, class: "figure" },
          { label: S.thread },
        ],
        rows,
      ),
    ),
  );
}
