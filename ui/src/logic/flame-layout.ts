/** Computes the bars that are visible: between two rows, wide enough to see, inside the zoomed node. Nothing else. */
import type { FlameTree } from "./flame-tree.ts";

/** Bars in columns. Node -1 stands for neighbours too narrow to draw one by one. */
export interface Bars {
  n: number;
  node: Int32Array;
  row: Int32Array;
  x: Float64Array;
  width: Float64Array;
}

export interface Viewport {
  width: number;
  firstRow: number;
  lastRow: number;
  /** Bars below this width are drawn as one grey sliver. */
  minWidth: number;
}

/** Rows are depths: 0 is the root. Nodes above the zoomed one fill the whole width. */
export function layoutBars(tree: FlameTree, zoom: number, view: Viewport): Bars {
  const nodes: number[] = [];
  const rows: number[] = [];
  const xs: number[] = [];
  const widths: number[] = [];
  const put = (node: number, row: number, x: number, width: number) => {
    nodes.push(node);
    rows.push(row);
    xs.push(x);
    widths.push(width);
  };

  const above: number[] = [];
  for (let node = tree.parent(zoom); node >= 0; node = tree.parent(node)) above.push(node);
  for (const node of above.reverse()) {
    const row = tree.depth(node);
    if (row >= view.firstRow && row <= view.lastRow) put(node, row, 0, view.width);
  }

  const total = tree.total_us(zoom);
  if (total > 0) {
    const scale = view.width / total;
    const origin = tree.start_us(zoom);
    let level: number[] = [zoom];
    for (let row = tree.depth(zoom); level.length > 0 && row <= view.lastRow; row++) {
      const next: number[] = [];
      for (const node of level) {
        const x = (tree.start_us(node) - origin) * scale;
        const width = tree.total_us(node) * scale;
        if (row >= view.firstRow) put(node, row, x, width);
        let narrowFrom = -1;
        let narrow_us = 0;
        for (const child of tree.children(node)) {
          if (narrowFrom < 0 && tree.total_us(child) * scale >= view.minWidth) {
            next.push(child);
          } else {
            if (narrowFrom < 0) narrowFrom = (tree.start_us(child) - origin) * scale;
            narrow_us += tree.total_us(child);
          }
        }
        const narrowWidth = narrow_us * scale;
        const below = row + 1;
        if (narrowWidth >= view.minWidth && below >= view.firstRow && below <= view.lastRow) {
          put(-1, below, narrowFrom, narrowWidth);
        }
      }
      level = next;
    }
  }
  return {
    n: nodes.length,
    node: Int32Array.from(nodes),
    row: Int32Array.from(rows),
    x: Float64Array.from(xs),
    width: Float64Array.from(widths),
  };
}

/** The bar under a point, as an index into the columns; -1 = none. */
export function barAt(bars: Bars, row: number, x: number): number {
  for (let i = 0; i < bars.n; i++) {
    if (bars.row[i] === row && x >= bars.x[i] && x < bars.x[i] + bars.width[i]) return i;
  }
  return -1;
}

/** The nearest node at or above `node` that is at least `minWidth` wide when the whole tree is shown. */
export function widestAround(tree: FlameTree, node: number, width: number, minWidth: number): number {
  let at = node;
  while (tree.parent(at) >= 0) {
    const above = tree.parent(at);
    if ((tree.total_us(node) / tree.total_us(above)) * width < minWidth) return at;
    at = above;
  }
  return 0;
}

/** Path from the first level down to the node: the breadcrumb. */
export function pathTo(tree: FlameTree, node: number): number[] {
  const path: number[] = [];
  for (let at = node; at > 0; at = tree.parent(at)) path.push(at);
  return path.reverse();
}
