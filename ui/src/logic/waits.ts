/** What requests waited for, as the page shows it: families of kinds, parts of a path, groups of places. */
import type { AsyncSite, RequestComposition, RequestsData, WaitKind } from "../contract.ts";

/** Kinds that a person looks at together; each has a colour and a pattern of its own. */
export const FAMILIES = ["upstream", "connection", "pool", "clock", "others", "unknown"] as const;
export type Family = (typeof FAMILIES)[number];

const FAMILY: Record<WaitKind, Family> = {
  http: "upstream",
  redis: "upstream",
  postgres: "upstream",
  mysql: "upstream",
  mongo: "upstream",
  net: "upstream",
  backpressure: "connection",
  connect: "connection",
  dns: "connection",
  "socket-pool": "connection",
  fs: "pool",
  crypto: "pool",
  zlib: "pool",
  timer: "clock",
  immediate: "clock",
  lock: "others",
  worker: "others",
  client: "others",
  other: "unknown",
};
export const familyOf = (kind: WaitKind): Family => FAMILY[kind] ?? "unknown";

/** Whose code waits. */
export type Party = AsyncSite["party"];
export const PARTIES: readonly Party[] = ["app", "dependency", "unknown"];

export type AsyncRow = RequestComposition["rows"][number];

const OWN = ["running", "queued", "sending", "rest"] as const;
export type OwnKind = (typeof OWN)[number];
/** What is no wait: null for waits. */
export const ownKind = (row: AsyncRow): OwnKind | null => OWN.find((kind) => kind === row.kind) ?? null;

/** Style of a row: what it is, or the family of what was waited for. */
export const rowStyle = ({ kind }: AsyncRow): string =>
  kind === "rest" ? "unknown" : kind === "running" || kind === "queued" || kind === "sending" ? kind : familyOf(kind);

export interface PathPart {
  row: AsyncRow;
  /** Where it begins and how long it is, ms. */
  start: number;
  length: number;
}

/** Rows of one group laid end to end: what was waited for first, largest first, then running, queued, sending. */
export function pathParts(path: RequestComposition, group: "typical" | "slow"): PathPart[] {
  const rank = (row: AsyncRow) => ["rest", "queued", "running", "sending"].indexOf(row.kind);
  const rows = [...path.rows].sort((a, b) => rank(a) - rank(b) || b.slow_ms - a.slow_ms);
  let start = 0;
  return rows.map((row) => {
    const part = { row, start, length: group === "slow" ? row.slow_ms : row.typical_ms };
    start += part.length;
    return part;
  });
}

/** Rows by what slow requests have more of than typical ones, most first. */
export const byDifference = (path: RequestComposition): { row: AsyncRow; more_ms: number }[] =>
  path.rows
    .map((row) => ({ row, more_ms: row.slow_ms - row.typical_ms }))
    .sort((a, b) => b.more_ms - a.more_ms || b.row.slow_ms - a.row.slow_ms);

export interface SiteFilter {
  families: ReadonlySet<Family>;
  parties: ReadonlySet<Party>;
  text: string;
}

/** Indices of the places that a filter keeps, those where nothing waited left out; every word of the text must occur in what names them. */
export function filterSites(sites: readonly AsyncSite[], filter: SiteFilter): number[] {
  const wanted = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return sites
    .map((_, at) => at)
    .filter((at) => {
      const site = sites[at];
      if (site.n === 0 && site.blocked_ms === 0) return false;
      if (!filter.families.has(familyOf(site.kind)) || !filter.parties.has(site.party)) return false;
      const text = `${site.name} ${site.kind} ${site.remote ?? ""} ${site.file} ${site.package ?? ""}`.toLowerCase();
      return wanted.every((word) => text.includes(word));
    });
}

/** Places that wait for the same thing, as a bubble that opens. */
export interface SiteGroup {
  /** Kind, and host where there is one: "redis 127.0.0.1:6379". */
  key: string;
  kind: WaitKind;
  remote: string | null;
  sites: number[];
  held_up_ms: number;
  blocked_ms: number;
}

/** Groups by what is waited for, most time first. */
export function groupSites(sites: readonly AsyncSite[], shown: readonly number[]): SiteGroup[] {
  const groups = new Map<string, SiteGroup>();
  for (const at of shown) {
    const { kind, remote, held_up_ms, blocked_ms } = sites[at];
    const key = remote === null ? kind : `${kind} ${remote}`;
    let group = groups.get(key);
    if (!group) {
      group = { key, kind, remote, sites: [], held_up_ms: 0, blocked_ms: 0 };
      groups.set(key, group);
    }
    group.sites.push(at);
    group.held_up_ms += held_up_ms;
    group.blocked_ms += blocked_ms;
  }
  return [...groups.values()].sort((a, b) => b.held_up_ms - a.held_up_ms || a.key.localeCompare(b.key));
}

/** How often groups began each other: `[from, to, times]`, as indices into `groups`; within one group is left out. */
export function groupLinks(
  sites: readonly AsyncSite[],
  groups: readonly { sites: number[] }[],
): [number, number, number][] {
  const groupOf = new Map<number, number>();
  for (const [index, group] of groups.entries()) for (const at of group.sites) groupOf.set(at, index);
  const times = new Map<number, number>();
  for (const [to, group] of groups.entries()) {
    for (const at of group.sites) {
      for (const [begunBy, n] of sites[at].begun_by) {
        const from = groupOf.get(begunBy);
        if (from === undefined || from === to) continue;
        const key = from * groups.length + to;
        times.set(key, (times.get(key) ?? 0) + n);
      }
    }
  }
  return [...times].map(([key, n]) => [Math.floor(key / groups.length), key % groups.length, n]);
}

/** The way that led to a place: who began it most often, then who began that; outermost first, without the place. */
export function wayTo(sites: readonly AsyncSite[], site: number): number[] {
  const way: number[] = [];
  for (let at = sites[site].begun_by[0]?.[0]; at !== undefined && at !== site && !way.includes(at); ) {
    way.unshift(at);
    at = sites[at]?.begun_by[0]?.[0];
  }
  return way;
}

/** Operations under way, stacked: for each kind the lower and upper edge at every step, largest kinds at the bottom. */
export function stackInFlight(data: RequestsData["in_flight"]): {
  top: number;
  /** `rank` counts within a family from 0, so that its kinds can look different. */
  layers: { kind: WaitKind; rank: number; mean: readonly number[]; lower: number[]; upper: number[] }[];
} {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const series = [...data.series].sort((a, b) => sum(b.mean) - sum(a.mean));
  let lower = new Array<number>(series[0]?.mean.length ?? 0).fill(0);
  const layers = series.map(({ kind, mean }, at) => {
    const rank = series.slice(0, at).filter((before) => familyOf(before.kind) === familyOf(kind)).length;
    const upper = lower.map((low, i) => low + (mean[i] ?? 0));
    const layer = { kind, rank, mean, lower, upper };
    lower = upper;
    return layer;
  });
  return { top: Math.max(0, ...lower), layers };
}
