/** Controls above the picture: which one, threads, search with the share of its matches, the walk of the hottest. */
import type { Context } from "../context.ts";
import type { CpuSelection } from "../logic/derive.ts";
import { count, percent } from "../logic/format.ts";
import { heatRank, walkHottest } from "../logic/function-totals.ts";
import type { ThreadSamples } from "../logic/profile.ts";
import { threadKey } from "../logic/selection.ts";
import { NOT_ZOOMED, VIEWS, type View, type ViewState } from "../logic/url-state.ts";
import { S, VIEW_HINT, VIEW_NAME } from "../strings.ts";
import { h } from "./dom.ts";
import { Dropdown } from "./dropdown.ts";
import { laterIf } from "./later.ts";

export interface Toolbar {
  element: HTMLElement;
  search: HTMLInputElement;
  /** Goes to the next (1) or previous (-1) hottest function, or to the hottest (0). */
  walk(step: 1 | 0 | -1): void;
}

/** What changes when a picture is chosen: the sandwich is filled with what is selected. */
export const viewStep = (state: ViewState, view: View): Partial<ViewState> =>
  view === "sandwich" ? { view, sandwich: state.selected } : { view };

export function toolbar({ store }: Context, cpu: CpuSelection, goTo: (fn: number) => void): Toolbar {
  const choice = (name: string, title: string, run: () => void) =>
    h("button", { type: "button", class: "choice", title, onclick: run }, name);
  const views = VIEWS.map((view) => ({
    view,
    button: choice(VIEW_NAME[view], VIEW_HINT[view], () => store.step(viewStep(store.state, view))),
  }));
  const recorders = (["cpu", "native"] as const).map((recorder) => ({
    recorder,
    button: choice(S.recorderName[recorder], S.recorderHint[recorder], () =>
      store.step({ recorder, threads: [], ...NOT_ZOOMED }),
    ),
  }));
  const recorderGroup = recorders.every((r) => cpu.profile.threads.some((thread) => thread.recorder === r.recorder))
    ? h("span", { class: "choices", role: "group", "aria-label": S.samplesOf }, ...recorders.map((r) => r.button))
    : null;
  const search = h("input", {
    type: "search",
    placeholder: S.search,
    "aria-label": S.search,
    oninput: () => store.adjust({ search: search.value }),
  });
  const found = h("output", { class: "found", "aria-live": "polite" });

  const walk = (step: 1 | 0 | -1) => {
    const next = walkHottest(cpu.totals(store.state), step === 0 ? -1 : store.state.selected, step === 0 ? 1 : step);
    if (next >= 0) goTo(next);
  };
  const rank = h("output", { class: "rank-now" });
  const step = (name: string, text: string, by: 1 | -1) =>
    h("button", { type: "button", class: "choice", title: name, "aria-label": name, onclick: () => walk(by) }, text);
  const hottest = h(
    "span",
    { class: "hottest" },
    step(S.previous, "‹", -1),
    h("button", { type: "button", class: "plain", title: S.first, onclick: () => walk(0) }, S.hottest),
    rank,
    step(S.next, "›", 1),
  );
  const threads = threadPicker(store, cpu);

  const show = () => {
    const { state } = store;
    for (const { view, button } of views) button.setAttribute("aria-pressed", String(view === state.view));
    const { recorder: shown } = cpu.pool(state)[0];
    for (const { recorder, button } of recorders) button.setAttribute("aria-pressed", String(recorder === shown));
    threads?.show(threadsText(state, cpu));
    if (search.value !== state.search) search.value = state.search;
    showNumbers();
  };
  const showNumbers = laterIf(cpu.profile.stackParent.length, () => {
    const { state } = store;
    const share = cpu.matchShare(state);
    found.textContent = !share
      ? ""
      : share.nFunctions === 0
        ? S.noMatch
        : S.matches(count(share.nFunctions), percent(share.share), cpu.weight(share.total_us));
    const totals = cpu.totals(state);
    const at = heatRank(totals, state.selected);
    const base = cpu.topDown(state).total;
    rank.textContent =
      at === 0
        ? S.rankNone(count(totals.nHot))
        : S.rank(count(at), count(totals.nHot), percent(totals.self_us[state.selected] / base));
  });
  store.onChange(show);
  show();
  return {
    element: h(
      "div",
      { class: "toolbar" },
      h("span", { class: "choices", role: "group", "aria-label": S.picture }, ...views.map((v) => v.button)),
      recorderGroup,
      threads?.element,
      h("span", { class: "search" }, search, found),
      hottest,
    ),
    search,
    walk,
  };
}

function threadsText(state: ViewState, cpu: CpuSelection): string {
  const chosen = cpu.threads(state);
  const nThreads = cpu.pool(state).length;
  if (state.threads.length === 0 || chosen.length === nThreads) return S.allThreads;
  const one = chosen[0];
  return chosen.length === 1 ? S.laneName(one.name, one.pid) : S.someThreads(chosen.length, nThreads);
}

/** `null` where there is nothing to choose. */
function threadPicker(store: Context["store"], cpu: CpuSelection): Dropdown | null {
  if (cpu.profile.threads.length < 2) return null;
  const pool = () => cpu.pool(store.state);
  const keysOf = (threads: readonly ThreadSamples[]) => threads.map(threadKey);
  const choose = (chosen: readonly string[]) =>
    store.step({ threads: chosen.length === pool().length ? [] : chosen, ...NOT_ZOOMED });
  const isOn = (key: string) => store.state.threads.length === 0 || store.state.threads.includes(key);
  const switches = () =>
    pool().map((thread, i, threads) => ({
      id: threadKey(thread),
      on: isOn(threadKey(thread)),
      name: thread.name,
      note: `${count(thread.nSamples)} ${S.nSamples}`,
      ...(threads[i - 1]?.pid === thread.pid ? {} : { heading: S.processHeading(thread.pid) }),
    }));
  const flip = (id: string, on: boolean) => {
    const chosen = keysOf(pool()).filter((key) => (key === id ? on : isOn(key)));
    // Nothing at all would be no picture: the last switch that goes off brings all back.
    choose(chosen);
  };
  const isMain = (thread: ThreadSamples) =>
    thread.recorder === "native" ? thread.thread === thread.pid : thread.thread === 0;
  const nMains = cpu.profile.threads.filter(isMain).length;
  return new Dropdown(S.threads, switches, flip, [
    { name: S.allThreads, run: () => choose(keysOf(pool())) },
    ...(nMains > 0 && nMains < cpu.profile.threads.length
      ? [{ name: S.mainThreads, run: () => choose(keysOf(pool().filter(isMain))) }]
      : []),
  ]);
}
