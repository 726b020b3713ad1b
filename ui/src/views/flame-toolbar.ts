/** Controls above the flame graph: direction, thread, search with the share of its matches, the walk of hottest functions. */
import type { Context } from "../context.ts";
import type { CpuSelection } from "../logic/derive.ts";
import { count, percent } from "../logic/format.ts";
import { heatRank, nHot, walkHottest } from "../logic/function-totals.ts";
import { threadKey } from "../logic/selection.ts";
import { S } from "../strings.ts";
import { h } from "./dom.ts";

export interface Toolbar {
  element: HTMLElement;
  search: HTMLInputElement;
  /** Goes to the next (1) or previous (-1) hottest function. */
  walk(step: 1 | -1): void;
}

export function toolbar({ store }: Context, cpu: CpuSelection, goTo: (fn: number) => void): Toolbar {
  const direction = (inverted: boolean, name: string) =>
    h(
      "button",
      { type: "button", class: "choice", "data-inverted": String(inverted), onclick: () => store.step({ inverted }) },
      name,
    );
  const directions = [direction(false, S.topDown), direction(true, S.inverted)];

  const threads = cpu.profile.threads;
  const picker = h(
    "select",
    { "aria-label": S.thread, onchange: () => store.step({ thread: picker.value, zoomStack: -1, zoomPath: [] }) },
    h("option", { value: "" }, S.allThreads),
    ...threads.map((t) =>
      h("option", { value: threadKey(t) }, S.threadOption(t.name, t.pid, `${count(t.nSamples)} ${S.nSamples}`)),
    ),
  );

  const search = h("input", {
    type: "search",
    placeholder: S.search,
    "aria-label": S.search,
    oninput: () => store.adjust({ search: search.value }),
  });
  const found = h("output", { class: "found", "aria-live": "polite" });

  const walk = (step: 1 | -1) => {
    const next = walkHottest(cpu.totals(store.state), store.state.selected, step);
    if (next >= 0) goTo(next);
  };
  const rank = h("output", { class: "rank-now" });
  const hottest = h(
    "span",
    { class: "hottest" },
    h(
      "button",
      { type: "button", class: "choice", title: S.previous, "aria-label": S.previous, onclick: () => walk(-1) },
      "‹",
    ),
    h("span", {}, `${S.hottest} `, rank),
    h("button", { type: "button", class: "choice", title: S.next, "aria-label": S.next, onclick: () => walk(1) }, "›"),
  );

  const show = () => {
    const { state } = store;
    for (const button of directions) {
      button.setAttribute("aria-pressed", String(button.dataset.inverted === String(state.inverted)));
    }
    picker.value = state.thread;
    if (search.value !== state.search) search.value = state.search;
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
        ? S.rankNone(count(nHot(totals)))
        : S.rank(count(at), count(nHot(totals)), percent(totals.self_us[state.selected] / base));
  };
  store.onChange(show);
  show();
  return {
    element: h(
      "div",
      { class: "toolbar" },
      h("span", { class: "choices", role: "group", "aria-label": S.flame }, ...directions),
      threads.length > 1 ? picker : null,
      h("span", { class: "search" }, search, found),
      hottest,
    ),
    search,
    walk,
  };
}
