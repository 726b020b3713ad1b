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

  show(tree: FlameTree, node: number, clientX: number, clientY: number): void {
    const fn = tree.fn(node);
    const { profile } = this.cpu;
    const row = (name: string, time_us: number) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, name),
        h("td", {}, this.cpu.weight(time_us)),
        h("td", {}, percent(time_us / tree.total)),
      );
    const location = place(profile.file[fn], profile.line[fn], this.cwd, profile.column[fn]);
    const facts = [
      CATEGORY_NAME[profile.category[fn]],
      profile.package[fn],
      profile.kind[fn] === null ? null : `${S.kind} ${profile.kind[fn]}`,
      `${count(tree.nSamples(node))} ${S.nSamples}`,
    ].filter((fact) => fact !== null);
    fill(
      this.element,
      h("code", { class: "name" }, keepStart(functionLabel(profile.name[fn]), 200)),
      location ? h("code", { class: "place" }, location) : null,
      h("table", {}, h("tbody", {}, row(S.self, tree.self_us(node)), row(S.total, tree.total_us(node)))),
      h("span", { class: "source" }, facts.join(" · ")),
    );
    this.place(clientX, clientY);
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
