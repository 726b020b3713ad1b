/** What can be done with a frame: the same list for the menu of the right mouse button and for the keyboard. */
import type { Context } from "../context.ts";
import type { CpuSelection, TreeName } from "../logic/derive.ts";
import { functionsUp } from "../logic/flame-tree.ts";
import { fullPlace, nodeSourceLink, stackText } from "../logic/frame-text.ts";
import { groupKey } from "../logic/groups.ts";
import { functionLabel } from "../logic/place.ts";
import { type Transform, toggleTransform, withTransform } from "../logic/transforms.ts";
import { NOT_ZOOMED } from "../logic/url-state.ts";
import { GROUP_NAME, S } from "../strings.ts";
import { copyText } from "./clipboard.ts";

/** A function, and the frame of it where one was pointed at. */
export interface FrameTarget {
  fn: number;
  /** Functions from the frame up to the outermost caller; only the function itself where no frame is known. */
  stack: readonly number[];
  /** The step that keeps only what is at and below the frame. */
  subtree: Transform | null;
  zoom: (() => void) | null;
}

export interface FrameAction {
  key: string;
  label: string;
  /** Begins a group of actions. */
  first?: boolean;
  run(): void;
}

/** A node of one of the trees as a target. */
export function frameOf(cpu: CpuSelection, state: Context["store"]["state"], name: TreeName, node: number) {
  const tree = cpu.tree(state, name);
  const up = functionsUp(tree, node);
  // In trees that grow from the leaf the way up is the way out.
  const leafFirst = name === "inverted" || name === "callers";
  return {
    fn: tree.fn(node),
    stack: leafFirst ? [...up.reverse(), ...callersAbove(cpu, state, name, node)] : up,
    subtree: cpu.subtreeTransform(state, name, node),
  };
}

/** The heaviest way from a node of an inverted tree out to the outermost caller. */
function callersAbove(cpu: CpuSelection, state: Context["store"]["state"], name: TreeName, node: number): number[] {
  const tree = cpu.tree(state, name);
  const list: number[] = [];
  const heaviest = (at: number) =>
    tree
      .children(at)
      .reduce((best, child) => (best < 0 || tree.total_us(child) > tree.total_us(best) ? child : best), -1);
  for (let at = heaviest(node); at >= 0; at = heaviest(at)) list.push(tree.fn(at));
  return list;
}

/** All that makes sense for the target, in the order of the menu. */
export function actionsFor(context: Context, cpu: CpuSelection, target: FrameTarget): FrameAction[] {
  const { store, report } = context;
  const { profile } = cpu;
  const { fn } = target;
  const transform = (step: Transform, toggle = false) => {
    const { transforms } = store.state;
    store.step({
      transforms: toggle ? toggleTransform(transforms, step) : withTransform(transforms, step),
      ...NOT_ZOOMED,
    });
  };
  const group = groupKey(profile, fn);
  const groupName = group.startsWith(":") ? GROUP_NAME[profile.category[fn]] : group;
  const place = fullPlace(profile, fn);
  const link = nodeSourceLink(profile.file[fn], profile.line[fn], report.run.node);
  const actions: (FrameAction | null)[] = [
    target.zoom && { key: " ", label: S.zoomHere, run: target.zoom },
    {
      key: "s",
      label: S.toSandwich,
      run: () => store.step({ view: "sandwich", sandwich: fn, selected: fn, ...NOT_ZOOMED }),
    },
    { key: "f", label: S.focusHere, first: true, run: () => transform({ kind: "focus", fn }, true) },
    target.subtree && { key: "F", label: S.focusSubtree, run: () => target.subtree && transform(target.subtree) },
    { key: "m", label: S.mergeHere, run: () => transform({ kind: "merge", fn }) },
    { key: "d", label: S.dropHere, run: () => transform({ kind: "drop", fn }) },
    { key: "r", label: S.collapseRecursion, run: () => transform({ kind: "recursion", fn }) },
    { key: "R", label: S.collapseDirect, run: () => transform({ kind: "direct", fn }) },
    group !== ""
      ? { key: "C", label: S.collapsePackage(groupName), run: () => transform({ kind: "package", group }) }
      : null,
    { key: "c", label: S.copyName, first: true, run: () => void copyText(functionLabel(profile.name[fn])) },
    place !== "" ? { key: "l", label: S.copyPlace, run: () => void copyText(place) } : null,
    { key: "k", label: S.copyStack, run: () => void copyText(stackText(profile, target.stack)) },
    link ? { key: "g", label: S.nodeSource, first: true, run: () => void open(link, "_blank", "noreferrer") } : null,
  ];
  return actions.filter((action) => action !== null);
}
