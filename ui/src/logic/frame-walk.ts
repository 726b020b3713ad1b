/** Which frame an arrow key leads to. */
import type { FlameTree } from "./flame-tree.ts";

/** The frame that an arrow leads to; the same node when there is none. */
export function neighbourFrame(tree: FlameTree, node: number, key: string, zoom: number): number {
  if (node <= 0) return tree.children(zoom)[0] ?? zoom;
  const above = tree.parent(node);
  const siblings = tree.children(above);
  const at = siblings.indexOf(node);
  switch (key) {
    case "ArrowDown":
      return tree.children(node)[0] ?? node;
    case "ArrowUp":
      return above > 0 ? above : node;
    case "ArrowLeft":
      return siblings[at - 1] ?? node;
    case "ArrowRight":
      return siblings[at + 1] ?? node;
    default:
      return node;
  }
}
