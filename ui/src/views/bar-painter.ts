/**
 * Paints the bodies of bars: as rectangles, or where there are very many as pixels, since a canvas takes longer over ten
 * thousand rectangles than the screen has between two pictures.
 */
import { type Chrome, FADED, fromHex, pixel } from "../logic/colour.ts";
import type { Bars } from "../logic/flame-layout.ts";

export const ROW = 18;
/** Narrower bars have no gap to their neighbour. */
export const GAP_MIN = 3;
const GAP = 0.7;
/** No bar is thinner, in pixels. */
const THIN = 0.6;
/** More bars than this are painted as pixels. */
const MANY = 3000;

/** How functions look: each has a style, each style a colour. */
export interface Look {
  styleOf: Uint16Array;
  fills: readonly string[];
  /** Colours as pixels: of each style, then of each style faded. */
  pixels: Uint32Array;
  lightText: readonly boolean[];
  hatched: readonly boolean[];
}

interface Styled {
  fn(node: number): number;
  look: Look;
  matches: Uint8Array | null;
  chrome: Chrome;
}

export class BarPainter {
  private image: ImageData | null = null;

  /** `y` is the upper edge of a bar, in pixels of the page. */
  paint(context: CanvasRenderingContext2D, bars: Bars, y: (bar: number) => number, styled: Styled): void {
    if (bars.n > MANY) this.asPixels(context, bars, y, styled);
    else asRectangles(context, bars, y, styled);
  }

  private asPixels(context: CanvasRenderingContext2D, bars: Bars, y: (bar: number) => number, styled: Styled): void {
    const { width, height } = context.canvas;
    if (this.image?.width !== width || this.image.height !== height)
      this.image = context.createImageData(width, height);
    const image = this.image;
    const pixels = new Uint32Array(image.data.buffer).fill(0);
    const { look, chrome } = styled;
    const narrow = pixel(fromHex(chrome.narrow), 1);
    const root = pixel(fromHex(chrome.root), 1);
    const nStyles = look.fills.length;
    const ratio = context.getTransform().a;
    for (let bar = 0; bar < bars.n; bar++) {
      const style = styleOf(bars, bar, styled);
      const colour = style === NARROW ? narrow : style === ROOT ? root : look.pixels[style % (2 * nStyles)];
      const left = Math.max(0, Math.round(bars.x[bar] * ratio));
      const right = Math.min(width, Math.max(left + 1, Math.round((bars.x[bar] + drawn(bars.width[bar])) * ratio)));
      const top = Math.max(0, Math.round(y(bar) * ratio));
      const bottom = Math.min(height, Math.round((y(bar) + ROW - 1) * ratio));
      for (let row = top * width; row < bottom * width; row += width) {
        for (let at = row + left; at < row + right; at++) pixels[at] = colour;
      }
    }
    context.putImageData(image, 0, 0);
  }
}

const NARROW = -2;
const ROOT = -1;

/** A style, or behind all styles a faded one. */
function styleOf(bars: Bars, bar: number, { fn, look, matches }: Styled): number {
  if (bars.node[bar] < 0) return NARROW;
  const f = fn(bars.node[bar]);
  if (f < 0) return ROOT;
  return look.styleOf[f] + (matches?.[f] === 0 ? look.fills.length : 0);
}

const drawn = (width: number): number => Math.max(THIN, width - (width > GAP_MIN ? GAP : 0));

/** Style by style: changing the colour costs more than a rectangle. */
function asRectangles(context: CanvasRenderingContext2D, bars: Bars, y: (bar: number) => number, styled: Styled): void {
  const { look, chrome } = styled;
  const nStyles = look.fills.length;
  const byStyle = new Map<number, number[]>();
  for (let bar = 0; bar < bars.n; bar++) {
    const style = styleOf(bars, bar, styled);
    const list = byStyle.get(style);
    if (list) list.push(bar);
    else byStyle.set(style, [bar]);
  }
  for (const [style, list] of byStyle) {
    context.globalAlpha = style >= nStyles ? FADED : 1;
    context.fillStyle = style === NARROW ? chrome.narrow : style === ROOT ? chrome.root : look.fills[style % nStyles];
    for (const bar of list) context.fillRect(bars.x[bar], y(bar), drawn(bars.width[bar]), ROW - 1);
  }
  context.globalAlpha = 1;
}
