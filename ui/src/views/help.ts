/** The list of keys, in a dialog. */
import { S } from "../strings.ts";
import { h } from "./dom.ts";

let dialog: HTMLDialogElement | undefined;

export const openHelp = (): void => openKeys(S.keys);

/** A page has one list: the first one that is opened stays. */
export function openKeys(keys: readonly (readonly [string, string])[]): void {
  if (!dialog) {
    const close = () => dialog?.close();
    dialog = h(
      "dialog",
      { "aria-label": S.keysTitle, onclick: (event: MouseEvent) => event.target === dialog && close() },
      h("h2", {}, S.keysTitle),
      h("dl", { class: "keys" }, ...keys.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
      h("button", { type: "button", class: "plain", onclick: close }, S.close),
    );
    document.body.append(dialog);
  }
  dialog.showModal();
}

export const helpIsOpen = (): boolean => dialog?.open === true;
