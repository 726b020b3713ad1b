/** Circles whose area is waiting time, ringed by kind; red inside is time that held the loop; wedges say who began whom. */
import type { AsyncSite, WaitKind } from "../../contract.ts";
import { type Bubble, packBubbles } from "../../logic/bubbles.ts";
import { count, milliseconds } from "../../logic/format.ts";
import { keepStart } from "../../logic/place.ts";
import { familyOf, groupLinks } from "../../logic/waits.ts";
import { S } from "../../strings.ts";
import { absent, fill, note, svg } from "../dom.ts";

const HEIGHT = 360;
/** More are in the table below only. */
const MAX_BUBBLES = 150;
/** Links drawn, those most often taken. */
const MAX_LINKS = 40;
/** A smaller circle has no words; a letter is about so wide. */
const MIN_LABEL = 26;
const LETTER = 6.1;

export interface Circle {
  kind: WaitKind;
  /** None: places that are not listed one by one, which cannot be opened. */
  sites: number[];
  held_up_ms: number;
  blocked_ms: number;
  label: string;
  title: string;
}

const weightOf = (circle: Circle): number => circle.held_up_ms + circle.blocked_ms;

/** Replaces what is in `frame`; `onOpen` is given the index of the circle. Circles come heaviest first. */
export function bubbles(
  frame: HTMLElement,
  sites: readonly AsyncSite[],
  circles: readonly Circle[],
  onOpen: (at: number) => void,
): void {
  const shown = circles.slice(0, MAX_BUBBLES);
  const width = frame.clientWidth;
  const placed = packBubbles(shown.map(weightOf), width, HEIGHT);
  const bubbleOf = new Map(placed.map((bubble) => [bubble.at, bubble]));
  const links = groupLinks(sites, shown).sort((a, b) => b[2] - a[2]);
  const most = links[0]?.[2] ?? 1;
  const drawing = svg(
    "svg",
    { class: "bubbles", viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "group", "aria-label": S.waitPlaces },
    ...links.slice(0, MAX_LINKS).map(([from, to, n]) => drawLink(bubbleOf.get(from), bubbleOf.get(to), n / most)),
    ...placed.map((bubble) => drawBubble(bubble, shown[bubble.at], () => onOpen(bubble.at))),
  );
  const missing = circles.length - placed.length;
  if (placed.length === 0 && width > 0) fill(frame, absent(S.noWaits));
  else fill(frame, drawing, missing > 0 && width > 0 ? note(S.bubblesMissing(count(missing))) : null);
}

/** A wedge that is thick where the later one is. */
function drawLink(from: Bubble | undefined, to: Bubble | undefined, share: number): SVGElement | null {
  if (!from || !to) return null;
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  const [ux, uy] = [dx / length, dy / length];
  const half = 1.5 + 3.5 * Math.sqrt(share);
  const corner = (side: number) =>
    `${(to.x - ux * to.r - uy * half * side).toFixed(1)} ${(to.y - uy * to.r + ux * half * side).toFixed(1)}`;
  const start = `${(from.x + ux * from.r).toFixed(1)} ${(from.y + uy * from.r).toFixed(1)}`;
  return svg("path", { class: "bubble-link", d: `M${start}L${corner(1)}L${corner(-1)}Z` });
}

function drawBubble({ x, y, r }: Bubble, circle: Circle, open: () => void): SVGElement {
  const time = milliseconds(circle.held_up_ms);
  const held = circle.blocked_ms > 0 ? `, ${S.heldLoop} ${milliseconds(circle.blocked_ms)}` : "";
  const title = `${circle.title}: ${S.heldUp} ${time}${held}`;
  const onkeydown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    open();
  };
  const red = r * Math.sqrt(circle.blocked_ms / (weightOf(circle) || 1));
  const words = (text: string, dy: number, kind: string) =>
    r < MIN_LABEL ? null : svg("text", { class: kind, x, y: y + dy, "text-anchor": "middle" }, text);
  const opens = { tabindex: 0, role: "button", onclick: open, onkeydown };
  return svg(
    "g",
    {
      class: `bubble ${familyOf(circle.kind)}${circle.sites.length === 0 ? " more" : ""}`,
      "aria-label": title,
      "data-site": circle.sites.length === 1 ? circle.sites[0] : null,
      ...(circle.sites.length > 0 ? opens : { role: "img" }),
    },
    svg("title", {}, title),
    svg("circle", { cx: x, cy: y, r: r - 1.5 }),
    red > 0 ? svg("circle", { class: "held", cx: x, cy: y, r: Math.max(2, red - 3) }) : null,
    words(keepStart(circle.label, Math.floor((2 * r - 8) / LETTER)), -2, "name"),
    words(time, 14, "time"),
  );
}
