/** The pictures of the CPU section behind one door: flame graph, inverted, flame chart, sandwich, as the state says. */
import type { Context } from "../context.ts";
import type { CpuSelection } from "../logic/derive.ts";
import { interval, percent } from "../logic/format.ts";
import { functionLabel, keepStart } from "../logic/place.ts";
import { NOT_ZOOMED, type View } from "../logic/url-state.ts";
import { S } from "../strings.ts";
import { Chart } from "./chart.ts";
import { crumbs } from "./crumbs.ts";
import { absent, fill, h, note } from "./dom.ts";
import { FlameShared, type FrameView } from "./flame-shared.ts";
import type { FrameTarget } from "./frame-actions.ts";
import { Pane } from "./pane.ts";

const GRAPH_ROWS = { max: 30, min: 8 };
const HALF_ROWS = { max: 16, min: 3 };

export class Flame {
  readonly element: HTMLElement;
  private readonly shared: FlameShared;
  private readonly body = h("div", {});
  private readonly empty = h("div", {});
  private readonly middle = note();
  private readonly views: Record<View, readonly FrameView[]>;
  private shownView: View | null = null;

  constructor(
    private readonly context: Context,
    private readonly cpu: CpuSelection,
  ) {
    const shared = new FlameShared(context, cpu);
    this.shared = shared;
    const pane = (name: Pane["name"], label: string, rows = GRAPH_ROWS) =>
      new Pane(context, cpu, name, shared, label, rows);
    const chart = new Chart(context, cpu, shared);
    this.views = {
      flame: [pane("topDown", S.flameKeys)],
      inverted: [pane("inverted", S.flameKeys)],
      chart: [chart],
      sandwich: [pane("callers", S.callersKeys, HALF_ROWS), pane("callees", S.calleesKeys, HALF_ROWS)],
    };
    this.element = h(
      "div",
      { id: "flame" },
      crumbs(context, cpu),
      this.empty,
      this.body,
      shared.tooltip.element,
      shared.spoken,
    );
    // The menu lies above everything, dialogs apart.
    document.body.append(shared.menu.element);
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
  private get now(): readonly FrameView[] {
    return this.views[this.state.view];
  }

  private show(): void {
    const { view } = this.state;
    if (view !== this.shownView) {
      this.shownView = view;
      const [first, second] = this.views[view];
      if (view === "chart") fill(this.body, (first as Chart).element);
      else if (view === "sandwich") fill(this.body, this.middle, first.canvas.frame, second.canvas.frame);
      else fill(this.body, first.canvas.frame);
      this.body.className = `picture ${view}-picture`;
    }
    const lack = this.lack();
    fill(this.empty, lack ? absent(lack) : null);
    this.body.hidden = lack !== "";
    if (lack) return;
    if (view === "sandwich") this.showMiddle();
    for (const shown of this.now) shown.show();
    this.light();
  }

  /** Why there is nothing to draw; "" when there is. */
  private lack(): string {
    const { state, cpu } = this;
    const covers = cpu.coverage(state);
    if (cpu.stackWeights(state).totalSamples === 0) {
      return S.noSamplesIn(state.range ? interval(state.range) : S.threads, covers ? S.covers(interval(covers)) : "");
    }
    const { total } = cpu.topDown(state);
    if (total <= 0) return state.transforms.length > 0 ? S.allTransformed : S.allHidden;
    if (state.view === "chart") return cpu.threads(state).some((thread) => thread.hasTimes) ? "" : S.noTimes;
    if (state.view === "sandwich") {
      const fn = cpu.middle(state);
      return fn >= 0 && cpu.totals(state).total_us[fn] > 0 ? "" : S.sandwichEmpty(this.name(fn));
    }
    const tree = state.view === "inverted" ? "inverted" : "topDown";
    return cpu.tree(state, tree).total_us(cpu.zoomNode(state, tree)) > 0 ? "" : S.zoomEmpty;
  }

  private name(fn: number): string {
    return keepStart(functionLabel(this.cpu.profile.name[fn] ?? ""), 48);
  }

  /** What stands between the halves: whose callers are above, and what 100 % is. */
  private showMiddle(): void {
    const { cpu, state } = this;
    const fn = cpu.middle(state);
    const total = cpu.totals(state).total_us[fn];
    const whole = cpu.topDown(state).total;
    fill(this.middle, S.sandwichOf(this.name(fn), cpu.weight(total), percent(total / whole)));
  }

  private light(): void {
    for (const shown of this.now) shown.light();
  }

  /** The frame that the keyboard is on, else the selected function. */
  target(): FrameTarget | null {
    for (const shown of this.now) {
      const current = shown.current();
      if (current) return current;
    }
    const { selected } = this.state;
    if (selected < 0 || selected >= this.cpu.profile.nFunctions) return null;
    return { fn: selected, stack: [selected], subtree: null, zoom: () => this.context.showFunction(selected) };
  }

  openMenu(target: FrameTarget, clientX: number, clientY: number): void {
    this.shared.openMenu(target, clientX, clientY);
  }

  /** The menu of the frame that the keyboard is on. */
  openMenuHere(): void {
    const target = this.target();
    const shown = this.now.find((view) => view.current() !== null) ?? this.now[0];
    const { x, y } = shown.anchor();
    if (target) this.openMenu(target, x, y);
  }

  /** Undoes zooming and panning by hand; `false` when there was none. */
  reset(): boolean {
    return this.now.map((view) => view.reset()).includes(true);
  }

  focus(): void {
    this.now[this.now.length - 1].canvas.frame.focus({ preventScroll: true });
  }

  /** Shows where a function spends most. */
  goTo(fn: number): void {
    const { store } = this.context;
    if (this.state.view === "sandwich") store.adjust({ sandwich: fn, selected: fn, ...NOT_ZOOMED });
    else if (!this.now[0].goTo(fn)) store.adjust({ selected: fn });
  }
}
