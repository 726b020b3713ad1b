/** The flame graph as a whole: canvas, breadcrumb, tooltip, pointer and keys, joined to the page's state. */
import type { Context } from "../context.ts";
import { chrome, shadeOf } from "../logic/colour.ts";
import type { CpuSelection } from "../logic/derive.ts";
import { pathTo, widestAround } from "../logic/flame-layout.ts";
import { count, interval, percent } from "../logic/format.ts";
import { neighbourFrame } from "../logic/frame-walk.ts";
import { functionLabel, keepStart } from "../logic/place.ts";
import { S } from "../strings.ts";
import { absent, fill, h } from "./dom.ts";
import { FlameCanvas } from "./flame-canvas.ts";
import { isDark, painter } from "./flame-paint.ts";
import { Tooltip } from "./flame-tooltip.ts";

/** A frame that is walked to gets at least this many pixels, by zooming to a caller of it. */
const MIN_VISIBLE = 40;
/** Longer breadcrumbs leave out their middle. */
const MAX_CRUMBS = 8;

export class Flame {
  readonly element: HTMLElement;
  private readonly canvas = new FlameCanvas(S.flameKeys);
  private readonly crumbs = h("nav", { class: "crumbs", "aria-label": S.flame });
  private readonly empty = h("div", {});
  private readonly spoken = h("p", { class: "unseen", "aria-live": "polite" });
  private readonly tooltip: Tooltip;
  private readonly shadeByFunction: Uint8Array;
  /** Frame that the arrows walk from; belongs to the tree shown. */
  private walked = -1;
  private clicked = -1;

  constructor(
    private readonly context: Context,
    private readonly cpu: CpuSelection,
  ) {
    this.tooltip = new Tooltip(cpu, context.report.run.cwd);
    this.shadeByFunction = Uint8Array.from(cpu.profile.name, (name, fn) => shadeOf(`${name} ${cpu.profile.file[fn]}`));
    this.element = h("div", {}, this.crumbs, this.empty, this.canvas.frame, this.tooltip.element, this.spoken);
    this.listen();
    context.store.onChange(() => this.show());
    context.store.onHover(() => this.light());
    for (const media of ["(prefers-color-scheme: dark)", "print"]) {
      matchMedia(media).addEventListener("change", () => this.show());
    }
    this.show();
  }

  private get state() {
    return this.context.store.state;
  }
  private get tree() {
    return this.cpu.tree(this.state);
  }

  private lastTree: unknown = null;
  private lastZoom = 0;

  private show(): void {
    const { tree, state, cpu } = this;
    const zoom = cpu.zoomNode(state);
    if (tree !== this.lastTree) this.walked = -1;
    const { profile } = cpu;
    const ranked = cpu.legend(state).packages.map((entry) => entry.id);
    this.showEmpty(zoom);
    this.canvas.show({
      tree,
      zoom,
      label: (fn) => (fn < 0 ? `${S.everything} · ${cpu.weight(tree.total)}` : functionLabel(profile.name[fn])),
      shade: (fn) => this.shadeByFunction[fn],
      paint: painter(profile, state, ranked),
      matches: cpu.matches(state),
      chrome: chrome(isDark(state)),
    });
    if (tree !== this.lastTree || zoom !== this.lastZoom) this.canvas.reveal(tree.depth(zoom));
    this.lastTree = tree;
    this.lastZoom = zoom;
    this.showCrumbs(zoom);
    this.light();
  }

  private showEmpty(zoom: number): void {
    const { tree, state, cpu } = this;
    const weights = cpu.stackWeights(state);
    const covers = cpu.coverage(state);
    let text = "";
    if (weights.totalSamples === 0) {
      text = S.noSamplesIn(state.range ? interval(state.range) : S.thread, covers ? S.covers(interval(covers)) : "");
    } else if (tree.total <= 0) text = S.allHidden;
    else if (tree.total_us(zoom) <= 0) text = S.zoomEmpty;
    fill(this.empty, text ? absent(text) : null);
    this.canvas.frame.hidden = text !== "";
  }

  private showCrumbs(zoom: number): void {
    const { tree, state, cpu } = this;
    const { store } = this.context;
    const name = (fn: number) => keepStart(functionLabel(cpu.profile.name[fn]), 40);
    const path = pathTo(tree, zoom);
    const shown = path.length <= MAX_CRUMBS ? path : [...path.slice(0, 2), -1, ...path.slice(3 - MAX_CRUMBS)];
    const crumb = (text: string, go: () => void, current: boolean) =>
      h("button", { type: "button", class: "link", "aria-current": current ? "true" : null, onclick: go }, text);
    const parts: (Node | string)[] = [
      crumb(S.everything, () => store.step({ focus: -1, zoomStack: -1, zoomPath: [] }), zoom === 0 && state.focus < 0),
    ];
    if (state.focus >= 0 && state.focus < cpu.profile.nFunctions) {
      parts.push(crumb(S.focusOn(name(state.focus)), () => store.step({ zoomStack: -1, zoomPath: [] }), zoom === 0));
    }
    for (const node of shown) {
      parts.push(
        node < 0
          ? `… ${count(path.length - MAX_CRUMBS + 1)}`
          : crumb(name(tree.fn(node)), () => this.zoom(node), node === zoom),
      );
    }
    fill(this.crumbs, ...parts.flatMap((part, i) => (i === 0 ? [part] : [h("span", { class: "sep" }, "›"), part])));
    this.crumbs.hidden = parts.length === 1;
  }

  private light(): void {
    const { hovered } = this.context.store;
    this.canvas.highlight(hovered >= 0 ? hovered : this.state.selected, this.walked);
  }

  zoom(node: number): void {
    this.context.store.step(this.cpu.zoomTo(this.state, node));
  }

  /** Selects the heaviest frame of a function and makes it wide enough to see. */
  goTo(fn: number): void {
    const { store } = this.context;
    const topDown = this.cpu.topDown(this.state);
    const { tree } = this;
    const node = tree.inverted
      ? (tree.children(0).find((child) => tree.fn(child) === fn) ?? -1)
      : topDown.heaviest(fn, "self");
    if (node < 0) {
      this.context.showFunction(fn);
      return;
    }
    const target = widestAround(tree, node, this.canvas.frame.clientWidth, MIN_VISIBLE);
    store.adjust({ ...this.cpu.zoomTo(this.state, target), selected: fn });
    this.walkTo(node);
  }

  private walkTo(node: number): void {
    const { tree } = this;
    const fn = tree.fn(node);
    this.walked = node;
    this.canvas.reveal(tree.depth(node));
    this.spoken.textContent = `${functionLabel(this.cpu.profile.name[fn])}, ${S.self} ${percent(tree.self_us(node) / tree.total)}, ${S.total} ${percent(tree.total_us(node) / tree.total)}`;
    this.context.store.adjust({ selected: fn });
    this.light();
  }

  private listen(): void {
    const { frame } = this.canvas;
    const { store } = this.context;
    frame.addEventListener("mousemove", (event) => {
      const node = this.canvas.nodeAt(event.clientX, event.clientY);
      store.hover(node > 0 ? this.tree.fn(node) : -1);
      frame.classList.toggle("pointing", node >= 0);
      if (node > 0) this.tooltip.show(this.tree, node, event.clientX, event.clientY);
      else if (node === -2) this.tooltip.showText(S.narrow, event.clientX, event.clientY);
      else this.tooltip.hide();
    });
    frame.addEventListener("mouseleave", () => {
      store.hover(-1);
      this.tooltip.hide();
    });
    frame.addEventListener("click", (event) => {
      // The second click of a double click falls on another frame, since the first one has zoomed.
      if (event.detail > 1) return;
      const node = this.canvas.nodeAt(event.clientX, event.clientY);
      if (node < 0) return;
      this.clicked = node;
      const fn = this.tree.fn(node);
      this.tooltip.hide();
      store.step({ ...this.cpu.zoomTo(this.state, node), selected: fn });
      this.walked = node;
      this.light();
    });
    frame.addEventListener("dblclick", () => {
      if (this.clicked > 0) store.adjust({ details: this.tree.fn(this.clicked) });
    });
    frame.addEventListener("keydown", (event) => this.key(event));
  }

  private key(event: KeyboardEvent): void {
    const { tree } = this;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.startsWith("Arrow")) {
      const zoom = this.cpu.zoomNode(this.state);
      const next = neighbourFrame(tree, this.walked, event.key, zoom);
      if (next > 0) this.walkTo(next);
    } else if (event.key === "Enter" && this.walked > 0) {
      this.context.store.adjust({ details: tree.fn(this.walked) });
    } else if (event.key === " " && this.walked > 0) {
      this.zoom(this.walked);
    } else return;
    event.preventDefault();
  }
}
