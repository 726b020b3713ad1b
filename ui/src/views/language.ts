/** The switch between languages, each named in itself. */
import type { Language } from "../logic/url-state.ts";
import type { Store } from "../store.ts";
import { h } from "./dom.ts";

const LANGUAGES: readonly { id: Language; tag: string; name: string }[] = [
  { id: "en", tag: "en", name: "EN" },
  { id: "zh", tag: "zh-Hans", name: "中文" },
];

export function languageSwitch(store: Store): HTMLElement {
  const spoken = store.state.lang;
  document.documentElement.lang = LANGUAGES.find(({ id }) => id === spoken)?.tag ?? "en";
  // All words are chosen when the page begins.
  store.onChange((before, after) => before.lang !== after.lang && location.reload());
  return h(
    "span",
    { class: "languages", role: "group", "aria-label": "Language / 语言" },
    ...LANGUAGES.map(({ id, tag, name }) =>
      h(
        "button",
        {
          type: "button",
          class: "plain",
          lang: tag,
          "aria-pressed": String(id === spoken),
          onclick: () => store.adjust({ lang: id }),
        },
        name,
      ),
    ),
  );
}
