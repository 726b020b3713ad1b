/** Rows that the report's tables show: errors, statuses, stalls of an interval, the tree of processes, warnings. */
import type { ProcessInfo, ReportData, Stall, TimelineSeries, Warning } from "../contract.ts";

export const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((a, b) => a + b, 0);

/** Most frequent first. */
export const byCount = (counts: Record<string, number>): [string, number][] =>
  Object.entries(counts).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));

export const warningsAbout = (report: ReportData, ...about: Warning["about"][]): Warning[] =>
  report.warnings.filter((warning) => about.includes(warning.about));

/** Stalls that overlap the interval, longest first. */
export function stallsIn(stalls: readonly Stall[], range: readonly [number, number] | null): Stall[] {
  return stalls
    .filter((s) => !range || (s.start_s < range[1] && s.start_s + s.duration_ms / 1000 > range[0]))
    .sort((a, b) => b.duration_ms - a.duration_ms || a.start_s - b.start_s);
}

export const stallTotal_ms = (stalls: readonly Stall[]): number => stalls.reduce((t, s) => t + s.duration_ms, 0);

/** Per interval of the series, its values outside the brush dropped. */
export function seriesIn(series: TimelineSeries, range: readonly [number, number] | null): TimelineSeries {
  if (!range) return series;
  const keep = series.t_s.map((t) => t >= range[0] && t <= range[1]);
  return { ...series, t_s: series.t_s.filter((_, i) => keep[i]), v: series.v.filter((_, i) => keep[i]) };
}

export interface ProcessRow {
  process: ProcessInfo;
  /** Distance from the top of the tree. */
  level: number;
}

/** Parents before their children, in the order given; a process whose parent is unknown stands at the top. */
export function processTree(processes: readonly ProcessInfo[]): ProcessRow[] {
  const pids = new Set(processes.map((p) => p.pid));
  const rows: ProcessRow[] = [];
  const seen = new Set<ProcessInfo>();
  const visit = (process: ProcessInfo, level: number) => {
    // A reused pid could close a circle.
    if (seen.has(process)) return;
    seen.add(process);
    rows.push({ process, level });
    for (const child of processes) if (child.ppid === process.pid) visit(child, level + 1);
  };
  for (const process of processes) if (!pids.has(process.ppid)) visit(process, 0);
  for (const process of processes) visit(process, 0);
  return rows;
}

/** Phases whose own cost is known, in words for one line: name and ratio of throughput. */
export const knownOverheads = (report: ReportData) => report.overhead.filter((o) => o.throughput !== null);
