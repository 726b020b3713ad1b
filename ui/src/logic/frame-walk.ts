/** Which frame an arrow key leads to. */
import type { FlameTree } from "./flame-tree.ts";

/**
 * The frame that an arrow leads to; the same node when there is none. The first arrow leads into the zoomed frame.
 * `top` is the node of the first row; nothing above it is shown.
 */
export function neighbourFrame(tree: FlameTree, node: number, key: string, zoom: number, top: number): number {
  if (node < 0 || (node === top && tree.fn(top) < 0)) return tree.children(zoom)[0] ?? zoom;
  if (node === top) return key === "ArrowDown" ? (tree.children(node)[0] ?? node) : node;
  const above = tree.parent(node);
  const siblings = tree.children(above);
  const at = siblings.indexOf(node);
  switch (key) {
    case "ArrowDown":
      return tree.children(node)[0] ?? node;
    case "ArrowUp":
      return tree.fn(above) >= 0 ? above : node;
    case "ArrowLeft":
      return siblings[at - 1] ?? node;
    case "ArrowRight":
      return siblings[at + 1] ?? node;
    default:
      return node;
  }
}
