/** Copies text. */
import { h } from "./dom.ts";

/** The clipboard needs a secure context, which file:// is in most browsers only on request: then by a selection. */
export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const before = document.activeElement as HTMLElement | null;
    const area = h("textarea", { class: "copying" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    before?.focus({ preventScroll: true });
  }
}
