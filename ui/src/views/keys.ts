/** The page-wide keys. Fields that take text and open dialogs keep theirs. */
import type { Context } from "../context.ts";
import { NOT_ZOOMED, VIEWS } from "../logic/url-state.ts";
import type { CpuView } from "./cpu.ts";
import { redo, undo } from "./crumbs.ts";
import { flipOrder, flipTiers } from "./flame-legend.ts";
import { viewStep } from "./flame-toolbar.ts";
import { actionsFor } from "./frame-actions.ts";
import { helpIsOpen, openHelp } from "./help.ts";

export function listenToKeys(context: Context, view: () => CpuView | null): void {
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.defaultPrevented || helpIsOpen()) return;
    const cpu = view();
    if (isTyping(event)) {
      if (event.key === "Escape") leaveSearch(context, cpu);
      return;
    }
    const action =
      event.ctrlKey || event.metaKey
        ? cpu && withControl(context, event.key)
        : actions(context, cpu, event.shiftKey)[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/** Undo and redo as every editor has them. */
function withControl(context: Context, key: string): (() => void) | undefined {
  return { z: () => undo(context), Z: () => redo(context), y: () => redo(context) }[key];
}

function actions(context: Context, cpu: CpuView | null, shift: boolean): Record<string, () => void> {
  const { store } = context;
  const always = { "?": openHelp, Escape: () => cpu?.flame.reset() || stepBack(context) };
  if (!cpu || !context.cpu) return always;
  /** A key that changes the picture is no use while it is out of sight. */
  const look = () => cpu.flame.element.scrollIntoView({ block: "nearest" });
  const andLook = (run: () => void) => () => {
    run();
    look();
  };
  const target = cpu.flame.target();
  const ofFrame = target ? actionsFor(context, context.cpu, target).filter((action) => action.key !== " ") : [];
  const views = VIEWS.map((view, i) => [String(i + 1), andLook(() => store.step(viewStep(store.state, view)))]);
  const invert = () => store.step({ view: store.state.view === "inverted" ? "flame" : "inverted" });
  return {
    ...always,
    ...Object.fromEntries(ofFrame.map((action) => [action.key, andLook(action.run)])),
    ...Object.fromEntries(views),
    "/": () => {
      document.getElementById("cpu")?.scrollIntoView({ block: "nearest" });
      cpu.search.focus();
    },
    n: andLook(() => cpu.walk(1)),
    N: andLook(() => cpu.walk(-1)),
    h: andLook(() => cpu.walk(0)),
    i: andLook(invert),
    o: andLook(() => flipOrder(store)),
    t: andLook(() => flipTiers(store)),
    w: () => cpu.explain(),
    u: andLook(() => undo(context)),
    U: andLook(() => redo(context)),
    Enter: () => {
      if (store.state.selected >= 0) store.adjust({ details: store.state.details === "open" ? "closed" : "open" });
    },
    ".": andLook(() => cpu.flame.openMenuHere()),
    ContextMenu: andLook(() => cpu.flame.openMenuHere()),
    ...(shift ? { F10: andLook(() => cpu.flame.openMenuHere()) } : {}),
  };
}

/** Undoes what was set last in the usual order of looking: zoom, transforms, search, interval, selection. */
function stepBack({ store }: Context): void {
  const { state } = store;
  const isZoomed =
    state.zoomStack >= 0 || [state.zoomPath, state.zoomCallers, state.zoomCallees].some((path) => path.length > 0);
  if (isZoomed) store.step(NOT_ZOOMED);
  else if (state.transforms.length > 0) store.step({ transforms: state.transforms.slice(0, -1) });
  else if (state.search !== "") store.adjust({ search: "" });
  else if (state.range) store.step({ range: null });
  else if (state.selected >= 0) store.adjust({ selected: -1 });
}

function leaveSearch({ store }: Context, cpu: CpuView | null): void {
  if (store.state.search !== "") store.adjust({ search: "" });
  else (document.activeElement as HTMLElement | null)?.blur();
  cpu?.flame.focus();
}

/** Buttons take Enter and Space, lists of switches all keys of their own. */
function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  if (!target) return false;
  if (target.tagName === "BUTTON" || target.tagName === "A") return event.key === "Enter" || event.key === " ";
  return /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) && (target as HTMLInputElement).type !== "checkbox";
}
