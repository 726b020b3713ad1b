/** Makes elements. Text goes in as text nodes only: nothing from the target is ever parsed as markup. */

type Child = Node | string | number | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: never) => void)>;

/** `on…` keys are listeners, booleans switch attributes, `null` and `false` leave them out. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  assign(element, attributes);
  append(element, children);
  return element;
}

export function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[Tag] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  assign(element, attributes);
  append(element, children);
  return element;
}

function assign(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

function append(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    element.append(typeof child === "object" ? child : document.createTextNode(String(child)));
  }
}

export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren();
  append(element, children);
}

/** A table with its head; cells that are numbers are set in columns of figures by the class of their column. */
export function table(
  caption: string,
  columns: readonly { label: string; class?: string; title?: string }[],
  rows: readonly HTMLTableRowElement[],
): HTMLTableElement {
  return h(
    "table",
    {},
    h("caption", { class: "unseen" }, caption),
    h(
      "thead",
      {},
      h("tr", {}, ...columns.map((c) => h("th", { scope: "col", class: c.class, title: c.title }, c.label))),
    ),
    h("tbody", {}, ...rows),
  );
}

/** What stands where data is missing: what, why, and the command that gets it. */
export const absent = (what: string, command?: string): HTMLElement =>
  h("p", { class: "absent" }, what, command ? " " : null, command ? h("code", {}, command) : null);

export const note = (...children: Child[]): HTMLElement => h("p", { class: "note" }, ...children);

/** Warnings beside the numbers that they spoil. */
export const warn = (texts: readonly string[]): HTMLElement | null =>
  texts.length === 0 ? null : h("ul", { class: "warnings" }, ...texts.map((text) => h("li", {}, text)));
