/** A button that opens a list of switches: threads, packages. */
import { fill, h } from "./dom.ts";

export interface Switch {
  id: string;
  on: boolean;
  name: string;
  /** In small type behind the name. */
  note: string;
  /** Heading that begins here. */
  heading?: string;
  swatch?: HTMLElement | null;
}

export class Dropdown {
  readonly element: HTMLElement;
  private readonly button: HTMLButtonElement;
  private readonly panel: HTMLElement;
  private readonly list = h("div", { class: "switches" });

  /** `switches` is asked whenever the list opens or changes. `actions` stand above the list. */
  constructor(
    private readonly name: string,
    private readonly switches: () => readonly Switch[],
    private readonly flip: (id: string, on: boolean) => void,
    actions: readonly { name: string; run(): void }[],
  ) {
    this.button = h("button", {
      type: "button",
      class: "choice opens",
      "aria-expanded": "false",
      onclick: () => this.toggle(this.panel.hidden === true),
    });
    this.panel = h(
      "div",
      { class: "dropdown", role: "group", "aria-label": name, hidden: true },
      h(
        "p",
        { class: "links" },
        ...actions.map((action) => h("button", { type: "button", class: "link", onclick: action.run }, action.name)),
      ),
      this.list,
    );
    this.element = h("span", { class: "drops" }, this.button, this.panel);
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.panel.hidden) return;
      event.stopPropagation();
      this.toggle(false);
      this.button.focus();
    });
    document.addEventListener("pointerdown", (event) => {
      if (!this.element.contains(event.target as Node)) this.toggle(false);
    });
    this.element.addEventListener("focusout", (event) => {
      const to = event.relatedTarget as Node | null;
      if (to && !this.element.contains(to)) this.toggle(false);
    });
  }

  private toggle(open: boolean): void {
    this.panel.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    if (open) this.fillList();
  }

  private fillList(): void {
    const rows = this.switches().flatMap((entry) => {
      const box = h("input", {
        type: "checkbox",
        "data-id": entry.id,
        onchange: () => this.flip(entry.id, box.checked),
      });
      box.checked = entry.on;
      const row = h(
        "label",
        {},
        box,
        entry.swatch,
        h("span", { class: "switch-name" }, entry.name),
        h("span", { class: "source" }, entry.note),
      );
      return entry.heading ? [h("p", { class: "heading" }, entry.heading), row] : [row];
    });
    fill(this.list, ...rows);
  }

  /** Follows the state; keeps the keyboard's place in an open list. */
  show(text: string): void {
    this.button.textContent = text;
    this.button.setAttribute("aria-label", `${this.name}: ${text}`);
    if (this.panel.hidden) return;
    const at = (document.activeElement as HTMLElement | null)?.dataset.id;
    this.fillList();
    if (at !== undefined) {
      for (const box of this.list.querySelectorAll<HTMLElement>("input")) if (box.dataset.id === at) box.focus();
    }
  }
}
