/** Places circles in a box so that none overlap and areas stand in the ratio of their weights, heaviest in the middle. */

export interface Bubble {
  /** Index into the weights. */
  at: number;
  x: number;
  y: number;
  r: number;
}

/** Room between two circles, in pixels, and how far apart places are that are tried. */
const GAP = 6;
const STEP = 4;
/** Share of the box that circles fill: above, none may be found that fit. */
const FILL = 0.45;
/** No circle is smaller: it could not be pointed at. */
const MIN_RADIUS = 4;

/**
 * Lays out the circles from the heaviest on, along an ellipse that grows from the middle as the box is wide and high.
 * Circles that find no place are left out. Cost: circles² × places tried; 200 take some 10 ms.
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
    if (spot) placed.push({ at, r, ...spot });
  }
  return placed;
}

function findSpot(
  placed: readonly Bubble[],
  r: number,
  width: number,
  height: number,
): { x: number; y: number } | null {
  const [middleX, middleY] = [width / 2, height / 2];
  for (let ring = 0; ring <= Math.max(middleX, middleY); ring += STEP) {
    const [a, b] = [(ring * width) / Math.max(width, height), (ring * height) / Math.max(width, height)];
    const n = Math.max(1, Math.ceil((2 * Math.PI * ring) / STEP));
    for (let i = 0; i < n; i++) {
      const angle = (2 * Math.PI * i) / n;
      const x = middleX + a * Math.cos(angle);
      const y = middleY + b * Math.sin(angle);
      if (x < r || x > width - r || y < r || y > height - r) continue;
      if (placed.every((other) => Math.hypot(other.x - x, other.y - y) >= other.r + r + GAP)) return { x, y };
    }
  }
  return null;
}
