/** What all pictures of the CPU section share: how functions look and are named, tooltip, menu, what is spoken. */
import type { Context } from "../context.ts";
import { chrome, shadeOf } from "../logic/colour.ts";
import type { CpuSelection } from "../logic/derive.ts";
import { percent } from "../logic/format.ts";
import { functionLabel } from "../logic/place.ts";
import { remember } from "../logic/remember.ts";
import type { LegendEntry } from "../logic/visibility.ts";
import { S } from "../strings.ts";
import { h } from "./dom.ts";
import type { Picture } from "./flame-canvas.ts";
import { isDark, lookOf } from "./flame-paint.ts";
import { Tooltip } from "./flame-tooltip.ts";
import { actionsFor, type FrameTarget } from "./frame-actions.ts";
import { FrameMenu } from "./frame-menu.ts";

/** A picture of frames: one of the trees, or the chart. */
export interface FrameView {
  readonly canvas: { readonly frame: HTMLElement };
  show(): void;
  light(): void;
  /** The frame that the keyboard is on; `null` = none. */
  current(): FrameTarget | null;
  /** Shows a function's hottest place; `false` when it is not there. */
  goTo(fn: number): boolean;
  anchor(): { x: number; y: number };
  /** Undoes zooming and panning by hand; `false` when there was none. */
  reset(): boolean;
}

export class FlameShared {
  readonly tooltip: Tooltip;
  readonly menu = new FrameMenu();
  readonly spoken = h("p", { class: "unseen", "aria-live": "polite" });
  private readonly shadeByFunction: Uint8Array;

  constructor(
    private readonly context: Context,
    private readonly cpu: CpuSelection,
  ) {
    const { profile } = cpu;
    this.tooltip = new Tooltip(cpu, context.report.run.cwd);
    this.shadeByFunction = Uint8Array.from(profile.name, (name, fn) => shadeOf(`${name} ${profile.file[fn]}`));
  }

  /** The part of a picture that is the same in all. */
  appearance(): Pick<Picture, "look" | "matches" | "chrome"> {
    const { state } = this.context.store;
    const dark = isDark(state);
    return {
      look: this.lookFor(this.cpu.legend(state).packages, state.colourBy === "package", dark),
      matches: this.cpu.matches(state),
      chrome: chrome(dark),
    };
  }

  private readonly lookFor = remember(2, (packages: readonly LegendEntry[], byPackage: boolean, dark: boolean) => {
    const ranked = packages.map((entry) => entry.id);
    return lookOf(this.cpu.profile, this.shadeByFunction, byPackage, dark, ranked);
  });

  label(fn: number, tier: number, total_us: number): string {
    const { profile } = this.cpu;
    if (fn < 0) return `${S.everything} · ${this.cpu.weight(total_us)}`;
    const name = functionLabel(profile.name[fn]);
    return tier < 0 ? name : `${name} · ${profile.tiers[tier]}`;
  }

  speak(fn: number, self_us: number, total_us: number, base_us: number): void {
    const name = functionLabel(this.cpu.profile.name[fn]);
    this.spoken.textContent = `${name}, ${S.self} ${percent(self_us / base_us)}, ${S.total} ${percent(total_us / base_us)}`;
  }

  openMenu(target: FrameTarget, clientX: number, clientY: number): void {
    const title = functionLabel(this.cpu.profile.name[target.fn]);
    this.menu.open(title, actionsFor(this.context, this.cpu, target), clientX, clientY);
  }
}
