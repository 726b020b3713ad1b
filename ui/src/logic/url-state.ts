/**
 * The part of the page's state that is worth sharing, and its form in the URL's hash.
 *
 * Whatever equals the initial state is left out, so an untouched page has an empty hash. Unknown keys and broken
 * values are ignored: a link from another version still opens.
 */
import { HIDDEN_AT_FIRST } from "./visibility.ts";

export interface ViewState {
  /** Brushed interval in seconds. */
  range: readonly [number, number] | null;
  /** `threadKey`, or "" for all threads. */
  thread: string;
  inverted: boolean;
  /** Zoomed node of the top-down tree, named by one of its stacks; -1 = not zoomed. */
  zoomStack: number;
  /** Zoomed node of the inverted tree, named by its functions from the leaf on. */
  zoomPath: readonly number[];
  focus: number;
  selected: number;
  /** Function whose details are open; -1 = none. */
  details: number;
  search: string;
  hiddenCategories: readonly string[];
  hiddenPackages: readonly string[];
  colourBy: "category" | "package";
  /** Expanded findings, by rank from 0. */
  open: readonly number[];
  theme: "auto" | "light" | "dark";
}

export const INITIAL: ViewState = {
  range: null,
  thread: "",
  inverted: false,
  zoomStack: -1,
  zoomPath: [],
  focus: -1,
  selected: -1,
  details: -1,
  search: "",
  hiddenCategories: HIDDEN_AT_FIRST,
  hiddenPackages: [],
  colourBy: "category",
  open: [],
  theme: "auto",
};

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

const whole = (name: "zoomStack" | "focus" | "selected" | "details"): Key => ({
  write: (state) => (state[name] < 0 ? "" : String(state[name])),
  read: (text) => {
    const n = index(text);
    return n === undefined ? undefined : { [name]: n };
  },
});

const KEYS: Record<string, Key> = {
  t: {
    write: ({ range }) => (range ? `${range[0].toFixed(3)}-${range[1].toFixed(3)}` : ""),
    read: (text) => {
      const parts = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(text);
      const range = parts ? ([Number(parts[1]), Number(parts[2])] as const) : null;
      return range && range[1] > range[0] ? { range } : undefined;
    },
  },
  thread: {
    write: ({ thread }) => thread,
    read: (text) => (/^\d+\.\d+$/.test(text) ? { thread: text } : undefined),
  },
  view: {
    write: ({ inverted }) => (inverted ? "inverted" : ""),
    read: (text) => ({ inverted: text === "inverted" }),
  },
  zoom: whole("zoomStack"),
  izoom: {
    write: ({ zoomPath }) => zoomPath.slice(0, MAX_PATH).join("."),
    read: (text) => ({ zoomPath: indices(text).slice(0, MAX_PATH) }),
  },
  focus: whole("focus"),
  fn: whole("selected"),
  details: whole("details"),
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
  colour: {
    write: ({ colourBy }) => (colourBy === "package" ? "package" : ""),
    read: (text) => ({ colourBy: text === "package" ? "package" : "category" }),
  },
  open: {
    write: ({ open }) => open.join("."),
    read: (text) => ({ open: indices(text) }),
  },
  theme: {
    write: ({ theme }) => (theme === "auto" ? "" : theme),
    read: (text) => (text === "light" || text === "dark" ? { theme: text } : undefined),
  },
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
