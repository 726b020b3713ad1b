/** The menu of a frame: by the right mouse button, or by the keyboard. Shift with the right button gives the browser's. */
import { keepStart } from "../logic/place.ts";
import { S } from "../strings.ts";
import { fill, h } from "./dom.ts";
import type { FrameAction } from "./frame-actions.ts";

export class FrameMenu {
  readonly element = h("div", { class: "menu", role: "menu", hidden: true });
  private before: HTMLElement | null = null;

  constructor() {
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("contextmenu", (event) => event.preventDefault());
    document.addEventListener("pointerdown", (event) => {
      if (!this.element.contains(event.target as Node)) this.close(false);
    });
    this.element.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !this.element.contains(event.relatedTarget as Node)) this.close(false);
    });
    addEventListener("resize", () => this.close(false));
  }

  open(title: string, actions: readonly FrameAction[], clientX: number, clientY: number): void {
    const { element } = this;
    this.before = document.activeElement as HTMLElement | null;
    element.setAttribute("aria-label", S.menuOf(title));
    fill(
      element,
      h("div", { class: "menu-title", "aria-hidden": "true" }, h("code", {}, keepStart(title, 48))),
      ...actions.map((action) =>
        h(
          "button",
          {
            type: "button",
            role: "menuitem",
            tabindex: -1,
            class: action.first ? "first" : null,
            "data-key": action.key,
            "aria-keyshortcuts": action.key === " " ? "Space" : action.key,
            onclick: () => {
              this.close(true);
              action.run();
            },
          },
          h("span", {}, action.label),
          h("kbd", {}, action.key === " " ? S.spaceKey : action.key),
        ),
      ),
    );
    element.hidden = false;
    const { width, height } = element.getBoundingClientRect();
    element.style.left = `${Math.max(8, Math.min(clientX, innerWidth - width - 8))}px`;
    element.style.top = `${Math.max(8, Math.min(clientY, innerHeight - height - 8))}px`;
    this.items[0]?.focus({ preventScroll: true });
  }

  private get items(): HTMLElement[] {
    return [...this.element.querySelectorAll<HTMLElement>("[role=menuitem]")];
  }

  private close(giveFocusBack: boolean): void {
    if (this.element.hidden) return;
    this.element.hidden = true;
    if (giveFocusBack) this.before?.focus({ preventScroll: true });
  }

  private key(event: KeyboardEvent): void {
    const { items } = this;
    const at = items.indexOf(document.activeElement as HTMLElement);
    const steps: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1 + items.length,
      Home: 0,
      End: items.length - 1,
    };
    if (event.key in steps) items[steps[event.key] % items.length].focus();
    else if (event.key === "Escape" || event.key === "Tab") this.close(true);
    else if (event.key === "Enter" || event.key === " ") (items[at] ?? items[0]).click();
    else items.find((item) => item.dataset.key === event.key)?.click();
    event.preventDefault();
    event.stopPropagation();
  }
}
