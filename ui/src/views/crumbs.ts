/**
 * What the picture is a part of, from left to right: the steps that transformed the tree, each removable, then the way
 * to the zoomed frame; undo and redo at the end.
 */
import type { Context } from "../context.ts";
import type { CpuSelection, TreeName } from "../logic/derive.ts";
import { pathTo } from "../logic/flame-layout.ts";
import { count } from "../logic/format.ts";
import { functionLabel, keepStart } from "../logic/place.ts";
import { type Transform, TransformHistory, writeTransforms } from "../logic/transforms.ts";
import { NOT_ZOOMED, type ViewState } from "../logic/url-state.ts";
import { GROUP_NAME, S } from "../strings.ts";
import { fill, h } from "./dom.ts";

/** Longer ways leave out their middle. */
const MAX_CRUMBS = 8;

const TREE_OF: Partial<Record<ViewState["view"], TreeName>> = { flame: "topDown", inverted: "inverted" };

export function crumbs(context: Context, cpu: CpuSelection): HTMLElement {
  const { store } = context;
  const list = h("ol", { class: "way" });
  const undoButton = h("button", { type: "button", class: "link", onclick: () => undo(context) }, S.undo);
  const redoButton = h("button", { type: "button", class: "link", onclick: () => redo(context) }, S.redo);
  const nav = h(
    "nav",
    { class: "crumbs", "aria-label": S.way },
    list,
    h("span", { class: "undo" }, undoButton, redoButton),
  );
  const show = () => {
    const { state } = store;
    const items = [...transformItems(context, cpu), ...zoomItems(context, cpu)];
    const isWhole = items.length === 0;
    const all = h(
      "button",
      {
        type: "button",
        class: "link",
        "aria-current": isWhole ? "true" : null,
        onclick: () => store.step({ transforms: [], ...NOT_ZOOMED }),
      },
      S.everything,
    );
    fill(list, h("li", {}, all), ...items);
    undoButton.hidden = !steps.canUndo(state.transforms);
    redoButton.hidden = !steps.canRedo;
    nav.hidden = isWhole && undoButton.hidden && redoButton.hidden;
  };
  store.onChange((before, after) => {
    if (writeTransforms(before.transforms) !== writeTransforms(after.transforms) && !stepping) {
      steps.changed(before.transforms);
    }
    show();
  });
  show();
  return nav;
}

/** One page has one picture, and so one history of its steps. */
const steps = new TransformHistory();
let stepping = false;

function goTo({ store }: Context, transforms: readonly Transform[] | undefined): void {
  if (!transforms) return;
  stepping = true;
  store.step({ transforms, ...NOT_ZOOMED });
  stepping = false;
}

export const undo = (context: Context): void => goTo(context, steps.undo(context.store.state.transforms));
export const redo = (context: Context): void => goTo(context, steps.redo(context.store.state.transforms));

function transformItems({ store }: Context, cpu: CpuSelection): HTMLElement[] {
  const { transforms } = store.state;
  return transforms.map((transform, i) => {
    const text = describe(cpu, transform);
    const without = transforms.filter((_, other) => other !== i);
    return h(
      "li",
      { class: "transform" },
      h(
        "button",
        {
          type: "button",
          class: "link",
          title: S.backToHere,
          onclick: () => store.step({ transforms: transforms.slice(0, i + 1), ...NOT_ZOOMED }),
        },
        text,
      ),
      h(
        "button",
        {
          type: "button",
          class: "remove",
          "aria-label": S.removeStep(text),
          title: S.removeStep(text),
          onclick: () => store.step({ transforms: without, ...NOT_ZOOMED }),
        },
        "×",
      ),
    );
  });
}

function describe({ profile }: CpuSelection, transform: Transform): string {
  const name = (fn: number) => keepStart(functionLabel(profile.name[fn] ?? ""), 32);
  switch (transform.kind) {
    case "subtree":
      return S.didSubtree(name(profile.stackFunction[transform.stack]));
    case "leaf":
      return S.didLeaf(transform.path.map(name).slice(0, 3).join(" ‹ "));
    case "package": {
      const { group } = transform;
      const fn = profile.groups.get(group);
      return S.didPackage(group.startsWith(":") && fn !== undefined ? GROUP_NAME[profile.category[fn]] : group);
    }
    default:
      return S.did[transform.kind](name(transform.fn));
  }
}

function zoomItems({ store }: Context, cpu: CpuSelection): HTMLElement[] {
  const { state } = store;
  const treeName = TREE_OF[state.view];
  if (!treeName) return state.view === "sandwich" ? wholeSandwich(store) : [];
  const tree = cpu.tree(state, treeName);
  const path = pathTo(tree, cpu.zoomNode(state, treeName));
  const shown = path.length <= MAX_CRUMBS ? path : [...path.slice(0, 2), -1, ...path.slice(3 - MAX_CRUMBS)];
  return shown.map((node, i) => {
    if (node < 0) return h("li", {}, `… ${count(path.length - MAX_CRUMBS + 1)}`);
    return h(
      "li",
      {},
      h(
        "button",
        {
          type: "button",
          class: "link",
          "aria-current": i === shown.length - 1 ? "true" : null,
          onclick: () => store.step(cpu.zoomTo(store.state, treeName, node)),
        },
        keepStart(functionLabel(cpu.profile.name[tree.fn(node)]), 40),
      ),
    );
  });
}

/** The halves zoom apart; one way out is enough. */
function wholeSandwich(store: Context["store"]): HTMLElement[] {
  const { zoomCallers, zoomCallees } = store.state;
  if (zoomCallers.length === 0 && zoomCallees.length === 0) return [];
  return [
    h("li", {}, h("button", { type: "button", class: "link", onclick: () => store.step(NOT_ZOOMED) }, S.zoomOut)),
  ];
}
