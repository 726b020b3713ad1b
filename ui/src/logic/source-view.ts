/**
 * A function's source as it is shown: its lines with their own time, what they call, and why V8 gave up on them.
 *
 * The report carries the code around hot lines, so there are gaps. Where a function ends is told by indentation, and
 * which line calls what by the name on it: samples know the function that called, not the line.
 */
import type { Neighbour } from "./function-details.ts";
import type { Profile } from "./profile.ts";

export interface Call {
  fn: number;
  total_us: number;
  /** On how many lines of the function its name is called; the time is that of all. */
  nLines: number;
}

export interface SourceLine {
  line: number;
  text: string;
  /** Own time of the code on this line, in the whole recording. */
  self_us: number;
  /** Of the hottest line shown, or of `WARM` where all are cooler than that. */
  relative: number;
  /** Whether the line belongs to the function. */
  inside: boolean;
  calls: Call[];
  deopts: { reason: string; count: number }[];
  /** What must stay in sight: the beginning, warm lines, calls. */
  marked: boolean;
}

/** Lines that are folded away, or that the report does not carry (`lines` is empty). */
export interface SourceGap {
  from: number;
  to: number;
  lines: SourceLine[];
}

export type SourceRow = SourceLine | SourceGap;

export const isGap = (row: SourceRow): row is SourceGap => "lines" in row;

/** Lines kept around a marked one when the rest is folded. */
const CONTEXT = 4;
/** Fewer lines than this are not worth folding. */
const MIN_FOLD = 6;
/** Share of all line samples that a line needs to look as hot as can be: a cold function has no hot line. */
const WARM = 0.01;
/** Lines shown of a function that cannot be told from what follows. */
const MAX_REGION = 400;

/** Lines of a file by number. */
function linesOf(profile: Profile, file: string): Map<number, string> {
  const lines = new Map<number, string>();
  for (const excerpt of profile.sources.get(file) ?? []) {
    for (let i = 0; i < excerpt.lines.length; i++) lines.set(excerpt.first_line + i, excerpt.lines[i]);
  }
  return lines;
}

const indent = (text: string): number => text.length - text.trimStart().length;

/** Last line of the function that begins at `first`: the next one indented no more, unless it only goes on with it. */
function endOf(lines: Map<number, string>, first: number, lastTick: number): number {
  const base = indent(lines.get(first) ?? "");
  let last = first;
  for (let line = first + 1; line <= first + MAX_REGION; line++) {
    const text = lines.get(line);
    if (text === undefined) {
      // Beyond a gap only its own samples say that it goes on.
      if (line > lastTick) return last;
      continue;
    }
    if (text.trim() === "") continue;
    if (indent(text) <= base && !GOES_ON.test(text)) return ENDS.test(text) ? line : last;
    last = line;
  }
  return last;
}

/** `) {`, `} else {` and `], (x) => {` go on with a function. */
const GOES_ON = /^\s*[)}\]].*[{([]\s*$/;
const ENDS = /^\s*[)}\]]/;

/** Own time by line of a file, whatever function it was counted for. */
function heatOf(profile: Profile, file: string): Map<number, number> {
  const heat = new Map<number, number>();
  const { lines } = profile;
  for (let i = 0; i < lines.function.length; i++) {
    if (profile.file[lines.function[i]] !== file) continue;
    heat.set(lines.line[i], (heat.get(lines.line[i]) ?? 0) + lines.self_us[i]);
  }
  return heat;
}

/** The last line with samples of the function itself. */
function lastTickOf({ lines }: Profile, fn: number): number {
  let last = 0;
  for (let i = 0; i < lines.function.length; i++) {
    if (lines.function[i] === fn && lines.line[i] > last) last = lines.line[i];
  }
  return last;
}

/** What a call of a function looks like; `null` for names that cannot stand before a parenthesis. */
function callPattern(name: string): RegExp | null {
  const word = name.split(/[ .]/).pop() ?? "";
  if (!/^[#\w$]+$/.test(word)) return null;
  return new RegExp(`(^|[^\\w$])${word.replace(/\$/g, "\\$")}\\s*(\\?\\.)?\\(`);
}

interface Region {
  lines: Map<number, string>;
  first: number;
  last: number;
}

/** Which lines a function has; `null` when the report does not carry its beginning. */
function regionOf(profile: Profile, fn: number): Region | null {
  const first = profile.line[fn];
  const lines = linesOf(profile, profile.file[fn]);
  if (first <= 0 || !lines.has(first)) return null;
  return { lines, first, last: endOf(lines, first, lastTickOf(profile, fn)) };
}

/** Lines of a region on which a function is called by its name; a definition is no call. */
function callLines(profile: Profile, region: Region, caller: number, callee: number): number[] {
  const pattern = callPattern(profile.name[callee]);
  if (!pattern) return [];
  const found: number[] = [];
  for (let line = region.first; line <= region.last; line++) {
    const text = region.lines.get(line);
    if (text === undefined || !pattern.test(text)) continue;
    const isDefinition = profile.file[callee] === profile.file[caller] && profile.line[callee] === line;
    if (!isDefinition) found.push(line);
  }
  return found;
}

/** Where a caller calls a function, as far as its code is known. */
export function callSites(profile: Profile, caller: number, callee: number): { line: number; text: string }[] {
  if (caller < 0) return [];
  const region = regionOf(profile, caller);
  if (!region) return [];
  return callLines(profile, region, caller, callee).map((line) => ({
    line,
    text: (region.lines.get(line) ?? "").trim(),
  }));
}

/** The function's source, cold stretches folded; `null` when the report does not carry it. */
export function sourceRows(profile: Profile, fn: number, callees: readonly Neighbour[]): SourceRow[] | null {
  const region = regionOf(profile, fn);
  if (!region) return null;
  const heat = heatOf(profile, profile.file[fn]);
  const calls = new Map<number, Call[]>();
  for (const callee of callees) {
    if (callee.fn < 0 || callee.fn === fn) continue;
    const found = callLines(profile, region, fn, callee.fn);
    for (const line of found) {
      calls.set(line, [...(calls.get(line) ?? []), { ...callee, nLines: found.length }]);
    }
  }
  const rows: SourceLine[] = [];
  let hottest = 0;
  for (let line = region.first - 2; line <= region.last + 1; line++) {
    const text = region.lines.get(line);
    if (text === undefined) continue;
    const self_us = heat.get(line) ?? 0;
    hottest = Math.max(hottest, self_us);
    const deopts = profile.deopts.get(fn)?.filter((deopt) => deopt.line === line) ?? [];
    const mine = calls.get(line) ?? [];
    const marked = line === region.first || self_us > 0 || mine.length > 0 || deopts.length > 0;
    const inside = line >= region.first && line <= region.last;
    rows.push({ line, text, self_us, relative: 0, inside, calls: mine, deopts, marked });
  }
  const full = Math.max(hottest, WARM * profile.lines.self_us.reduce((sum, self_us) => sum + self_us, 0));
  for (const row of rows) row.relative = full > 0 ? row.self_us / full : 0;
  return withGaps(rows);
}

/** Folds what is far from every marked line, and says where lines are missing. */
function withGaps(rows: readonly SourceLine[]): SourceRow[] {
  const marked = rows.filter((row) => row.marked).map((row) => row.line);
  const isFar = (row: SourceLine) => marked.every((line) => Math.abs(line - row.line) > CONTEXT);
  const shown: SourceRow[] = [];
  let before = rows[0]?.line ?? 0;
  for (let i = 0; i < rows.length; ) {
    const { line } = rows[i];
    if (line > before + 1) shown.push({ from: before + 1, to: line - 1, lines: [] });
    let end = i;
    while (end < rows.length && isFar(rows[end]) && rows[end].line === line + end - i) end++;
    if (end - i >= MIN_FOLD) {
      shown.push({ from: line, to: rows[end - 1].line, lines: rows.slice(i, end) });
      before = rows[end - 1].line;
      i = end;
    } else {
      shown.push(rows[i]);
      before = line;
      i += 1;
    }
  }
  return shown;
}
