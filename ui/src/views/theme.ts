/** The switch between the system's theme, light and dark. */
import type { Store } from "../store.ts";
import { S } from "../strings.ts";
import { h } from "./dom.ts";

const NEXT_THEME = { auto: "light", light: "dark", dark: "auto" } as const;

export function themeButton(store: Store): HTMLElement {
  const theme = h("button", { type: "button", class: "plain", onclick: () => nextTheme() });
  const nextTheme = () => store.adjust({ theme: NEXT_THEME[store.state.theme] });
  const show = () => {
    theme.textContent = S.themeName[store.state.theme];
    if (store.state.theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = store.state.theme;
  };
  store.onChange(show);
  show();
  return theme;
}
