/** A link to a section of the page, in the bar at its top. */
import { h } from "./dom.ts";

export function sectionLink(id: string, name: string): HTMLElement {
  return h(
    "a",
    {
      href: `#${id}`,
      onclick: (event: Event) => {
        // The hash holds the page's state.
        event.preventDefault();
        document.getElementById(id)?.scrollIntoView();
      },
    },
    name,
  );
}
