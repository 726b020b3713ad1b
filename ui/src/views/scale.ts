/** The scale section: what each request costs at a small and at a large load, and which costs grow faster than their input. */
import type { Context } from "../context.ts";
import type { ScaleInput, ScaleLevel, ScaleRow } from "../contract.ts";
import { bytes, count, factor, milliseconds, percent, seconds } from "../logic/format.ts";
import { functionLabel, keepStart } from "../logic/place.ts";
import { exponentText, growth, onAxis } from "../logic/scale.ts";
import { S } from "../strings.ts";
import { absent, h, note, svg, table } from "./dom.ts";

/** Width and height of the picture of an exponent. */
const WIDTH = 128;
const HEIGHT = 16;

/** Exponents with a tick. */
const TICKS: readonly number[] = [0, 1, 2];

export function scaleSection(context: Context): HTMLElement | null {
  const { scale } = context.report;
  if (scale === null) return null;
  return h(
    "section",
    { id: "scale", class: "part" },
    h("h2", {}, S.scale),
    note(S.scaleAbout),
    ...scale.inputs.flatMap((input) => [h("h3", {}, S.scaleInputs[input.input]), ...shown(context, input)]),
  );
}

function shown(context: Context, input: ScaleInput): (HTMLElement | null)[] {
  if (input.not_measured !== null) return [absent(S.scaleNotMeasured(input.not_measured))];
  const faster = input.rows.filter((row) => row.pace === "faster").length;
  return [
    h("p", {}, faster > 0 ? S.scaleFaster(faster) : S.scaleInStep),
    h("div", { class: "wide snug" }, rowTable(context, input)),
    note(input.levels.map((level) => levelText(input, level)).join(" · ")),
  ];
}

const value = (input: ScaleInput, level: ScaleLevel): string =>
  input.input === "connections" ? S.connections(count(level.value)) : bytes(level.value);

const levelText = (input: ScaleInput, level: ScaleLevel): string =>
  S.scaleLevel(
    value(input, level),
    count(level.requests),
    seconds(level.seconds),
    count(level.errors),
    percent(level.utilisation),
  );

function rowTable(context: Context, input: ScaleInput): HTMLElement {
  const columns = [
    { label: S.scaleCost },
    ...input.levels.map((level) => ({ label: value(input, level), class: "figure" })),
    { label: S.scaleGrowth, class: "figure" },
    { label: S.scaleExponent, class: "figure", title: S.scaleExponentHint },
    { label: S.scalePace },
    { label: "", title: S.scalePicture },
  ];
  const rows = input.rows.map((row) =>
    h(
      "tr",
      { class: row.pace === "faster" ? "too-fast" : null },
      h("th", { scope: "row" }, ...name(context, row)),
      ...row.ms_per_request.map((ms) => h("td", { class: "figure" }, milliseconds(ms))),
      h("td", { class: "figure" }, factor(growth(row))),
      h("td", { class: "figure" }, exponent(row)),
      h("td", { class: "pace" }, S.scalePaces[row.pace]),
      h("td", {}, picture(row)),
    ),
  );
  const made = table(S.scaleInputs[input.input], columns, rows);
  made.querySelector("th:last-child")?.append(axis());
  return made;
}

const across = (exponent: number): number => 4 + onAxis(exponent) * (WIDTH - 8);

/** The numbers of the ticks, above them. */
function axis(): SVGElement {
  const numbers = TICKS.map((at) => svg("text", { x: across(at), y: HEIGHT - 4, "text-anchor": "middle" }, String(at)));
  return svg(
    "svg",
    { class: "exponent", width: WIDTH, height: HEIGHT, role: "img", "aria-label": S.scalePicture },
    ...numbers,
  );
}

function name({ showFunction }: Context, row: ScaleRow): (HTMLElement | string)[] {
  if (row.cost !== "function") return [S.scaleCosts[row.cost]];
  const index = row.function_index ?? -1;
  const label = keepStart(functionLabel(row.function ?? ""), 48);
  const place = `${row.file ?? ""}${row.line === null ? "" : `:${row.line}`}`;
  return [
    h("button", { type: "button", class: "link name", onclick: () => showFunction(index) }, label),
    " ",
    h("span", { class: "source" }, place),
  ];
}

function exponent({ exponent: best, low, high }: ScaleRow): string {
  if (best === null || low === null || high === null) return S.scaleTooLittle;
  return `${exponentText(best)} (${exponentText(low)}…${exponentText(high)})`;
}

/** The interval as a line, the estimate as a dot, and a tick at each whole exponent; the one that is in step is taller. */
function picture(row: ScaleRow): SVGElement | null {
  const { exponent: best, low, high } = row;
  if (best === null || low === null || high === null) return null;
  const middle = HEIGHT / 2;
  const ticks = TICKS.map((at) =>
    svg("line", {
      class: at === row.expected ? "in-step" : "tick",
      x1: across(at),
      x2: across(at),
      y1: at === row.expected ? 0 : middle - 3,
      y2: at === row.expected ? HEIGHT : middle + 3,
    }),
  );
  return svg(
    "svg",
    { class: "exponent", width: WIDTH, height: HEIGHT, role: "img", "aria-label": exponent(row) },
    ...ticks,
    svg("line", { class: "interval", x1: across(low), x2: across(high), y1: middle, y2: middle }),
    svg("circle", { class: "estimate", cx: across(best), cy: middle, r: 3.5 }),
  );
}
