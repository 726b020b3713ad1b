/**
 * The part of the page's state that is worth sharing, and its form in the URL's hash.
 *
 * Whatever equals the initial state is left out, so an untouched page has an empty hash. Unknown keys and broken
 * values are ignored: a link from another version still opens.
 */
import type { Recorder } from "./profile.ts";
import { readTransforms, type Transform, writeTransforms } from "./transforms.ts";
import { HIDDEN_AT_FIRST } from "./visibility.ts";

/** flame: callers above, merged. inverted: leaves above. chart: in the order of time. sandwich: around one function. */
export type View = "flame" | "inverted" | "chart" | "sandwich";
export const VIEWS: readonly View[] = ["flame", "inverted", "chart", "sandwich"];

/** What the page's own words are in. */
export type Language = "en" | "zh";

export interface ViewState {
  lang: Language;
  /** Brushed interval in seconds. */
  range: readonly [number, number] | null;
  /** Whose samples are shown, where there are those of both. */
  recorder: Recorder;
  /** `threadKey` of the chosen threads; none = all. */
  threads: readonly string[];
  view: View;
  /** Siblings heaviest first, or by name, so that a frame keeps its place whatever is selected. */
  order: "time" | "name";
  /** Whether frames that V8 ran differently (interpreter, TurboFan, …) stay apart. */
  tiers: "merged" | "split";
  /** Zoomed node of the top-down tree, named by one of its stacks; -1 = not zoomed. */
  zoomStack: number;
  /** Zoomed node of the inverted tree, named by its functions from the leaf on. */
  zoomPath: readonly number[];
  /** Zoomed node in the sandwich, named by its functions from the middle on. */
  zoomCallers: readonly number[];
  zoomCallees: readonly number[];
  transforms: readonly Transform[];
  /** Function in the middle of the sandwich; -1 = the hottest. */
  sandwich: number;
  selected: number;
  /** Whether the selected function's details and source are shown. */
  details: "open" | "closed";
  search: string;
  /** Place of waiting that is looked at; -1 = none. */
  waitSite: number;
  hiddenCategories: readonly string[];
  hiddenPackages: readonly string[];
  colourBy: "category" | "package";
  /** Expanded findings, by rank from 0. */
  open: readonly number[];
  theme: "auto" | "light" | "dark";
  /** Axis of latencies on the page of a load. */
  latencyScale: "log" | "linear";
}

export const INITIAL: ViewState = {
  lang: "en",
  range: null,
  recorder: "cpu",
  threads: [],
  view: "flame",
  order: "time",
  tiers: "merged",
  zoomStack: -1,
  zoomPath: [],
  zoomCallers: [],
  zoomCallees: [],
  transforms: [],
  sandwich: -1,
  selected: -1,
  details: "open",
  search: "",
  waitSite: -1,
  hiddenCategories: HIDDEN_AT_FIRST,
  hiddenPackages: [],
  colourBy: "category",
  open: [],
  theme: "auto",
  latencyScale: "log",
};

/** Part of the state that shows the whole tree. */
export const NOT_ZOOMED = { zoomStack: -1, zoomPath: [], zoomCallers: [], zoomCallees: [] } as const;

/** A deeper path is cut: a URL is no place for a recursion of 5,000 frames. */
const MAX_PATH = 200;

const index = (text: string): number | undefined => (/^\d{1,9}$/.test(text) ? Number(text) : undefined);
const indices = (text: string): number[] =>
  text
    .split(".")
    .map(index)
    .filter((n) => n !== undefined);
const words = (text: string): string[] => (text === "" ? [] : text.split(",").map(decodeURIComponent));
const join = (list: readonly string[]): string => list.map(encodeURIComponent).join(",");

interface Key {
  write(state: ViewState): string;
  read(text: string): Partial<ViewState> | undefined;
}

const whole = (name: "zoomStack" | "sandwich" | "selected" | "waitSite"): Key => ({
  write: (state) => (state[name] < 0 ? "" : String(state[name])),
  read: (text) => {
    const n = index(text);
    return n === undefined ? undefined : { [name]: n };
  },
});

const path = (name: "zoomPath" | "zoomCallers" | "zoomCallees"): Key => ({
  write: (state) => state[name].slice(0, MAX_PATH).join("."),
  read: (text) => ({ [name]: indices(text).slice(0, MAX_PATH) }),
});

/** One word of two or more; the first is the initial one and is not written. */
const choice = <
  Name extends "recorder" | "view" | "order" | "tiers" | "details" | "colourBy" | "theme" | "latencyScale" | "lang",
>(
  name: Name,
  options: readonly ViewState[Name][],
): Key => ({
  write: (state) => (state[name] === options[0] ? "" : state[name]),
  read: (text) => {
    const found = options.find((option) => option === text);
    return found && { [name]: found };
  },
});

/** Milliseconds, or microseconds where they count. */
const time = (seconds: number): string => {
  const fine = seconds.toFixed(6);
  return fine.endsWith("000") ? seconds.toFixed(3) : fine;
};

const KEYS: Record<string, Key> = {
  t: {
    write: ({ range }) => (range ? `${time(range[0])}-${time(range[1])}` : ""),
    read: (text) => {
      const parts = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(text);
      const range = parts ? ([Number(parts[1]), Number(parts[2])] as const) : null;
      return range && range[1] > range[0] ? { range } : undefined;
    },
  },
  recorder: choice("recorder", ["cpu", "native"]),
  thread: {
    write: ({ threads }) => threads.join(","),
    read: (text) => ({ threads: text.split(",").filter((key) => /^\d+\.\d+$/.test(key)) }),
  },
  view: choice("view", VIEWS),
  order: choice("order", ["time", "name"]),
  tiers: choice("tiers", ["merged", "split"]),
  zoom: whole("zoomStack"),
  izoom: path("zoomPath"),
  callers: path("zoomCallers"),
  callees: path("zoomCallees"),
  do: {
    write: ({ transforms }) => writeTransforms(transforms),
    read: (text) => ({ transforms: readTransforms(text) }),
  },
  of: whole("sandwich"),
  fn: whole("selected"),
  details: choice("details", ["open", "closed"]),
  wait: whole("waitSite"),
  q: {
    write: ({ search }) => encodeURIComponent(search),
    read: (text) => ({ search: decodeURIComponent(text) }),
  },
  hide: {
    write: ({ hiddenCategories }) =>
      hiddenCategories.join() === HIDDEN_AT_FIRST.join()
        ? ""
        : hiddenCategories.length === 0
          ? "none"
          : join(hiddenCategories),
    read: (text) => ({ hiddenCategories: text === "none" ? [] : words(text) }),
  },
  hidepkg: {
    write: ({ hiddenPackages }) => join(hiddenPackages),
    read: (text) => ({ hiddenPackages: words(text) }),
  },
  colour: choice("colourBy", ["category", "package"]),
  open: {
    write: ({ open }) => open.join("."),
    read: (text) => ({ open: indices(text) }),
  },
  theme: choice("theme", ["auto", "light", "dark"]),
  scale: choice("latencyScale", ["log", "linear"]),
  lang: choice("lang", ["en", "zh"]),
};

/** Without the "#"; "" for the initial state. */
export function writeHash(state: ViewState): string {
  return Object.entries(KEYS)
    .map(([key, { write }]) => [key, write(state)])
    .filter(([, text]) => text !== "")
    .map(([key, text]) => `${key}=${text}`)
    .join("&");
}

export function readHash(hash: string): ViewState {
  let state = INITIAL;
  for (const pair of hash.replace(/^#/, "").split("&")) {
    const at = pair.indexOf("=");
    const key = at > 0 ? KEYS[pair.slice(0, at)] : undefined;
    if (!key) continue;
    try {
      state = { ...state, ...key.read(pair.slice(at + 1)) };
    } catch {
      // A broken percent escape: the value is ignored as any other that makes no sense.
    }
  }
  return state;
}
