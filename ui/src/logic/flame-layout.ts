/** Computes the bars that are visible: between two rows, inside a window of time, wide enough to see. Nothing else. */
import type { FlameTree } from "./flame-tree.ts";

/** Bars in columns, clipped to the picture. Node -1 stands for neighbours too narrow to draw one by one. */
export interface Bars {
  n: number;
  node: Int32Array;
  row: Int32Array;
  x: Float64Array;
  width: Float64Array;
}

/** Less is what rounding leaves of a neighbour outside the picture. */
const TRACE = 0.01;

/** The stretch of a tree's width that fills the picture, in microseconds from the root's left edge. */
export type Span = readonly [number, number];

export interface Viewport {
  /** Node of row 0. */
  top: number;
  span: Span;
  width: number;
  firstRow: number;
  lastRow: number;
  /** Bars below this width are drawn as one grey sliver. */
  minWidth: number;
}

/** Collects bars in columns that grow. */
export class BarList {
  private n = 0;
  private node = new Int32Array(1024);
  private row = new Int32Array(1024);
  private x = new Float64Array(1024);
  private width = new Float64Array(1024);

  add(node: number, row: number, x: number, width: number): void {
    if (this.n === this.node.length) this.grow();
    this.node[this.n] = node;
    this.row[this.n] = row;
    this.x[this.n] = x;
    this.width[this.n++] = width;
  }

  private grow(): void {
    const twice = <Column extends Int32Array | Float64Array>(column: Column, larger: Column): Column => {
      larger.set(column);
      return larger;
    };
    const size = this.n * 2;
    this.node = twice(this.node, new Int32Array(size));
    this.row = twice(this.row, new Int32Array(size));
    this.x = twice(this.x, new Float64Array(size));
    this.width = twice(this.width, new Float64Array(size));
  }

  bars(): Bars {
    const { n } = this;
    return {
      n,
      node: this.node.subarray(0, n),
      row: this.row.subarray(0, n),
      x: this.x.subarray(0, n),
      width: this.width.subarray(0, n),
    };
  }
}

/** The whole width of a node. */
export function spanOf(tree: FlameTree, node: number): Span {
  for (const above of pathTo(tree, node)) tree.children(tree.parent(above));
  const start = tree.start_us(node);
  return [start, start + tree.total_us(node)];
}

export function layoutBars(tree: FlameTree, view: Viewport): Bars {
  const list = new BarList();
  const [from, to] = view.span;
  if (!(to > from)) return list.bars();
  const scale = view.width / (to - from);
  const put = (node: number, row: number, start: number, end: number) => {
    const x = Math.max(0, (start - from) * scale);
    const width = Math.min(view.width, (end - from) * scale) - x;
    if (row >= view.firstRow && width > TRACE) list.add(node, row, x, width);
  };
  const putNarrow = (row: number, start: number, end: number) => {
    if ((end - start) * scale >= view.minWidth && row <= view.lastRow) put(-1, row, start, end);
  };
  let level: number[] = [view.top];
  for (let row = 0; level.length > 0 && row <= view.lastRow; row++) {
    const next: number[] = [];
    for (const node of level) {
      put(node, row, tree.start_us(node), tree.start_us(node) + tree.total_us(node));
      const children = tree.children(node);
      let narrowFrom = -1;
      let narrowTo = -1;
      for (let i = firstInside(tree, children, from); i < children.length; i++) {
        const child = children[i];
        const start = tree.start_us(child);
        const end = start + tree.total_us(child);
        if (start >= to) break;
        if ((end - start) * scale >= view.minWidth) {
          if (narrowFrom >= 0) putNarrow(row + 1, narrowFrom, narrowTo);
          narrowFrom = -1;
          next.push(child);
          continue;
        }
        if (narrowFrom < 0) narrowFrom = start;
        narrowTo = end;
        if (tree.heaviestFirst) {
          const last = children[children.length - 1];
          narrowTo = tree.start_us(last) + tree.total_us(last);
          break;
        }
      }
      if (narrowFrom >= 0) putNarrow(row + 1, narrowFrom, narrowTo);
    }
    level = next;
  }
  return list.bars();
}

/** Index of the first child that ends after a time. */
function firstInside(tree: FlameTree, children: Int32Array, from: number): number {
  let low = 0;
  let high = children.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (tree.start_us(children[middle]) + tree.total_us(children[middle]) <= from) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The bar under a point, as an index into the columns; -1 = none. */
export function barAt(bars: Bars, row: number, x: number): number {
  for (let i = 0; i < bars.n; i++) {
    if (bars.row[i] === row && x >= bars.x[i] && x < bars.x[i] + bars.width[i]) return i;
  }
  return -1;
}

/** The span after zooming by a factor about a point of it, and moving; inside the whole, and never nothing. */
export function movedSpan(span: Span, whole: Span, factor: number, about: number, shift: number, least: number): Span {
  const size = Math.min(whole[1] - whole[0], Math.max(least, (span[1] - span[0]) * factor));
  const share = span[1] > span[0] ? (about - span[0]) / (span[1] - span[0]) : 0.5;
  const from = Math.min(Math.max(about - share * size + shift, whole[0]), whole[1] - size);
  return [from, from + size];
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
