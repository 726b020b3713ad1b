/** The page-wide keys. Fields that take text and open dialogs keep theirs. */
import type { Context } from "../context.ts";
import type { CpuView } from "./cpu.ts";
import { helpIsOpen, openHelp } from "./help.ts";

export function listenToKeys(context: Context, view: () => CpuView | null): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || helpIsOpen()) return;
    const cpu = view();
    if (isTyping(event)) {
      if (event.key === "Escape") leaveSearch(context, cpu);
      return;
    }
    const action = actions(context, cpu)[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

function actions(context: Context, cpu: CpuView | null): Record<string, () => void> {
  const { store } = context;
  const always = { "?": openHelp, Escape: () => stepBack(context) };
  if (!cpu) return always;
  /** A key that changes the flame graph is no use while it is out of sight. */
  const look = () => cpu.flame.element.scrollIntoView({ block: "nearest" });
  return {
    ...always,
    "/": () => {
      document.getElementById("cpu")?.scrollIntoView({ block: "nearest" });
      cpu.search.focus();
    },
    n: () => {
      cpu.walk(1);
      look();
    },
    N: () => {
      cpu.walk(-1);
      look();
    },
    i: () => {
      store.step({ inverted: !store.state.inverted });
      look();
    },
    f: () => {
      const { selected, focus } = store.state;
      if (selected >= 0) store.step({ focus: focus === selected ? -1 : selected, zoomStack: -1, zoomPath: [] });
    },
  };
}

/** Undoes what was set last in the usual order of looking: details, zoom, focus, search, interval. */
function stepBack({ store }: Context): void {
  const { state } = store;
  if (state.details >= 0) store.adjust({ details: -1 });
  else if (state.zoomStack >= 0 || state.zoomPath.length > 0) store.step({ zoomStack: -1, zoomPath: [] });
  else if (state.focus >= 0) store.step({ focus: -1 });
  else if (state.search !== "") store.adjust({ search: "" });
  else if (state.range) store.step({ range: null });
  else if (state.selected >= 0) store.adjust({ selected: -1 });
}

function leaveSearch({ store }: Context, cpu: CpuView | null): void {
  if (store.state.search !== "") store.adjust({ search: "" });
  else (document.activeElement as HTMLElement | null)?.blur();
  cpu?.flame.element.querySelector<HTMLElement>(".flame")?.focus({ preventScroll: true });
}

function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  return target !== null && /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
}
