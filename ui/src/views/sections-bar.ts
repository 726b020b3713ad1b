/** The bar that stays at the top while reading the proof: sections, and the interval that everything is filtered to. */
import type { Context } from "../context.ts";
import { interval } from "../logic/format.ts";
import { S, sampledTitle } from "../strings.ts";
import { fill, h } from "./dom.ts";
import { sectionLink } from "./section-link.ts";

const SECTIONS: readonly [string, string][] = [
  ["cpu", S.cpu],
  ["event-loop", S.eventLoop],

  ["waiting", S.waiting],
  ["memory", S.memory],
  ["counters", S.counters],
  ["load", S.load],
  ["scale", S.scale],
  ["native", S.native],
  ["checkpoints", S.checkpoints],
  ["processes", S.processes],
  ["measured", S.measured],
];

export function sectionsBar({ store, report }: Context): HTMLElement {
  const chip = h("span", { class: "chip", "aria-live": "polite" });
  const show = () => {
    const { range } = store.state;
    fill(
      chip,
      range && `${S.showing(interval(range))} `,
      range && h("button", { type: "button", class: "link", onclick: () => store.step({ range: null }) }, S.showAll),
    );
  };
  store.onChange(show);
  show();
  const isRecording = report.files.length === 0;
  const optional: Record<string, unknown> = { native: report.native, waiting: report.requests, scale: report.scale };
  const has = (id: string) =>
    id === "cpu" || id === "measured" || (isRecording && (!(id in optional) || Boolean(optional[id])));
  const shown = SECTIONS.filter(([id]) => has(id));
  const links = shown.map(([id, name]) => sectionLink(id, id === "cpu" ? sampledTitle(report.weight_unit) : name));
  return h("nav", { class: "sections", "aria-label": S.sections }, ...links, chip);
}
