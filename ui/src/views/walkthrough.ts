/**
 * How to read the flame graph, in a few steps beside it: only when asked for, left at any time, nothing kept.
 *
 * Each step lights up what it speaks of, in the plain flame graph.
 */
import type { Context } from "../context.ts";
import type { CpuSelection } from "../logic/derive.ts";
import { count, percent } from "../logic/format.ts";
import { functionLabel, keepStart } from "../logic/place.ts";
import { type WalkthroughFacts, walkthroughFacts } from "../logic/walkthrough.ts";
import { S } from "../strings.ts";
import { fill, h } from "./dom.ts";

interface Step {
  title: string;
  text: string;
  /** Function that lights up; -1 = none. */
  fn: number;
}

export class Walkthrough {
  /** The link that starts it. */
  readonly link: HTMLElement;
  readonly card = h("section", { class: "walkthrough", "aria-label": S.walkTitle, hidden: true });
  private at = 0;
  private steps: readonly Step[] = [];

  constructor(
    private readonly context: Context,
    private readonly cpu: CpuSelection,
  ) {
    this.link = h("button", { type: "button", class: "link", title: "w", onclick: () => this.start() }, S.walkTitle);
    this.card.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Escape") this.close();
      else if (by !== undefined) this.go(by);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  start(): void {
    const { store } = this.context;
    if (store.state.view !== "flame") store.step({ view: "flame" });
    this.steps = this.tell(walkthroughFacts(this.cpu, store.state));
    this.at = 0;
    this.card.hidden = false;
    this.go(0);
    this.card.scrollIntoView({ block: "nearest" });
  }

  private tell(facts: WalkthroughFacts): Step[] {
    const name = (fn: number) => keepStart(functionLabel(this.cpu.profile.name[fn]), 40);
    const { wide, hot, total, deepest } = facts;
    const step = (title: string, text: string, fn = -1): Step => ({ title, text, fn });
    return [
      wide
        ? step(S.walkWidth, S.walkWidthText(name(wide.fn), percent(wide.share), total), wide.fn)
        : step(S.walkWidth, S.walkWidthNone(total)),
      step(S.walkDepth, S.walkDepthText(count(deepest)), wide?.fn),
      hot ? step(S.walkHot, S.walkHotText(name(hot.fn), percent(hot.share)), hot.fn) : step(S.walkHot, S.walkHotNone),
      step(S.walkZoom, S.walkZoomText, hot?.fn),
      step(S.walkColour, S.walkColourText),
      step(S.walkTime, S.walkTimeText),
      step(S.walkNext, S.walkNextText),
    ];
  }

  private go(by: number): void {
    this.at = Math.min(Math.max(this.at + by, 0), this.steps.length - 1);
    const { at, steps } = this;
    const { title, text, fn } = steps[at];
    const button = (name: string, run: () => void, off = false) =>
      h("button", { type: "button", class: "choice", disabled: off, onclick: run }, name);
    const isLast = at === steps.length - 1;
    const next = isLast ? button(S.walkDone, () => this.close()) : button(S.walkForward, () => this.go(1));
    fill(
      this.card,
      h(
        "div",
        { "aria-live": "polite" },
        h("h3", {}, h("span", { class: "source" }, S.walkStep(count(at + 1), count(steps.length))), " ", title),
        h("p", {}, text),
      ),
      h(
        "p",
        { class: "links" },
        button(S.walkBack, () => this.go(-1), at === 0),
        next,
        isLast ? null : h("button", { type: "button", class: "plain", onclick: () => this.close() }, S.close),
      ),
    );
    next.focus({ preventScroll: true });
    this.context.store.hover(fn);
  }

  private close(): void {
    this.card.hidden = true;
    this.context.store.hover(-1);
    this.link.focus({ preventScroll: true });
  }
}
