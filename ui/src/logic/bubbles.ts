/** Places circles in a box so that none overlap and areas stand in the ratio of their weights, heaviest in the middle. */

export interface Bubble {
  /** Index into the weights. */
  at: number;
  x: number;
  y: number;
  r: number;
}

/** Room between two circles, in pixels. */
const GAP = 6;
/** Share of the box that circles fill: above, some find no place. */
const FILL = 0.45;
/** No circle is smaller: it could not be pointed at. */
const MIN_RADIUS = 4;

/**
 * Lays out the circles from the heaviest on, each where it touches two that lie already, as near to the middle as it
 * finds room; a wide box makes a wide heap. Circles that find none are left out. 150 circles take a few milliseconds.
 */
export function packBubbles(weights: readonly number[], width: number, height: number): Bubble[] {
  const order = weights.map((_, at) => at).sort((a, b) => weights[b] - weights[a] || a - b);
  const sum = weights.reduce((total, weight) => total + Math.max(0, weight), 0);
  if (sum === 0 || width <= 0 || height <= 0) return [];
  const largest = Math.min(width, height) / 2 - GAP;
  const perWeight = (width * height * FILL) / sum;
  const placed: Bubble[] = [];
  for (const at of order) {
    const r = Math.min(largest, Math.max(MIN_RADIUS, Math.sqrt((Math.max(0, weights[at]) * perWeight) / Math.PI)));
    const spot = findSpot(placed, r, width, height);
    if (spot) placed.push({ at, r, x: spot[0], y: spot[1] });
  }
  return placed;
}

type Spot = readonly [x: number, y: number];

/** The free spot nearest to the middle, distances measured in widths and heights of the box. */
function findSpot(placed: readonly Bubble[], r: number, width: number, height: number): Spot | null {
  const distance = ([x, y]: Spot) => ((x - width / 2) / width) ** 2 + ((y - height / 2) / height) ** 2;
  const isFree = ([x, y]: Spot) =>
    x >= r &&
    x <= width - r &&
    y >= r &&
    y <= height - r &&
    placed.every((other) => (other.x - x) ** 2 + (other.y - y) ** 2 >= (other.r + r + GAP) ** 2 - 1e-6);
  let best: Spot | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const spot of spotsBeside(placed, r, width, height)) {
    const away = distance(spot);
    if (away >= least || !isFree(spot)) continue;
    best = spot;
    least = away;
  }
  return best;
}

/** Spots where a circle touches one that lies already on an axis, or two; the middle where none lies. */
function* spotsBeside(placed: readonly Bubble[], r: number, width: number, height: number): Generator<Spot> {
  if (placed.length === 0) yield [width / 2, height / 2];
  for (const [i, a] of placed.entries()) {
    const reachA = a.r + r + GAP;
    yield [a.x + reachA, a.y];
    yield [a.x - reachA, a.y];
    yield [a.x, a.y + reachA];
    yield [a.x, a.y - reachA];
    for (let j = 0; j < i; j++) {
      const b = placed[j];
      const reachB = b.r + r + GAP;
      const [dx, dy] = [b.x - a.x, b.y - a.y];
      const apart = Math.hypot(dx, dy);
      if (apart >= reachA + reachB || apart === 0) continue;
      // The two points at these distances from the two middles.
      const along = (reachA ** 2 - reachB ** 2 + apart ** 2) / (2 * apart);
      const aside = Math.sqrt(Math.max(0, reachA ** 2 - along ** 2));
      const [x, y] = [a.x + (dx / apart) * along, a.y + (dy / apart) * along];
      yield [x - (dy / apart) * aside, y + (dx / apart) * aside];
      yield [x + (dy / apart) * aside, y - (dx / apart) * aside];
    }
  }
}
