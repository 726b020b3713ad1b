/** What a frame is, beside the pointer or the walked-to frame. */
import type { CpuSelection } from "../logic/derive.ts";
import type { FlameTree } from "../logic/flame-tree.ts";
import { count, percent } from "../logic/format.ts";
import { functionLabel, keepStart, place } from "../logic/place.ts";
import { CATEGORY_NAME, S } from "../strings.ts";
import { fill, h } from "./dom.ts";

export class Tooltip {
  readonly element = h("div", { class: "tooltip", role: "tooltip", hidden: true });

  constructor(
    private readonly cpu: CpuSelection,
    private readonly cwd: string,
  ) {}

  hide(): void {
    this.element.hidden = true;
  }

  showText(text: string, clientX: number, clientY: number): void {
    fill(this.element, h("span", { class: "source" }, text));
    this.place(clientX, clientY);
  }

  /** A function with one line about the frame of it. */
  showFunction(fn: number, text: string, clientX: number, clientY: number): void {
    fill(this.element, ...this.head(fn), h("span", {}, text), this.facts(fn, -1, null));
    this.place(clientX, clientY);
  }

  show(tree: FlameTree, node: number, clientX: number, clientY: number): void {
    const row = (name: string, time_us: number) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, name),
        h("td", {}, this.cpu.weight(time_us)),
        h("td", {}, percent(time_us / tree.total)),
      );
    fill(
      this.element,
      ...this.head(tree.fn(node)),
      h("table", {}, h("tbody", {}, row(S.self, tree.self_us(node)), row(S.total, tree.total_us(node)))),
      this.facts(tree.fn(node), tree.tier(node), tree.nSamples(node)),
    );
    this.place(clientX, clientY);
  }

  private head(fn: number): (HTMLElement | null)[] {
    const { profile } = this.cpu;
    const location = place(profile.file[fn], profile.line[fn], this.cwd, profile.column[fn]);
    return [
      h("code", { class: "name" }, keepStart(functionLabel(profile.name[fn]), 200)),
      location ? h("code", { class: "place" }, location) : null,
    ];
  }

  private facts(fn: number, tier: number, nSamples: number | null): HTMLElement {
    const { profile } = this.cpu;
    const facts = [
      CATEGORY_NAME[profile.category[fn]],
      profile.package[fn],
      profile.kind[fn] === null ? null : `${S.kind} ${profile.kind[fn]}`,
      tier < 0 ? null : S.ranAs(profile.tiers[tier]),
      nSamples === null ? null : `${count(nSamples)} ${S.nSamples}`,
    ].filter((fact) => fact !== null);
    return h("span", { class: "source" }, facts.join(" · "));
  }

  private place(clientX: number, clientY: number): void {
    const { element } = this;
    element.hidden = false;
    const { width, height } = element.getBoundingClientRect();
    const right = clientX + 16 + width < innerWidth;
    const below = clientY + 20 + height < innerHeight;
    element.style.left = `${Math.max(8, right ? clientX + 16 : clientX - width - 12)}px`;
    element.style.top = `${Math.max(8, below ? clientY + 20 : clientY - height - 12)}px`;
  }
}
