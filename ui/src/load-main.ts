/** The page of a load: reads the data that Rust put into it and draws it, the answer first. */
import type { LoadPage } from "./load-contract.ts";
import { L } from "./load-strings.ts";
import { Store } from "./store.ts";
import { S } from "./strings.ts";
import { absent, h } from "./views/dom.ts";
import { helpIsOpen, openKeys } from "./views/help.ts";
import { header, numbers, verdict } from "./views/load-page/answer.ts";
import { answersSection, ratesSection } from "./views/load-page/answers.ts";
import { latencySection, sweepChart, timeChart } from "./views/load-page/latency.ts";
import { measuredSection } from "./views/load-page/measured.ts";
import { steps } from "./views/load-page/steps.ts";
import { sectionLink } from "./views/section-link.ts";

const SECTIONS: readonly [string, string][] = [
  ["steps", L.sweep],
  ["latency", L.latencySection],
  ["rates", L.rates],
  ["answers", L.answers],
  ["measured", L.measured],
];

function start(root: HTMLElement): void {
  let page: LoadPage;
  try {
    page = JSON.parse(document.getElementById("slowpath-report")?.textContent ?? "") as LoadPage;
  } catch (error) {
    root.append(absent(L.broken(String(error))));
    return;
  }
  document.title = `${page.run.title}: ${page.verdict.sentence}`;
  const store = new Store();
  const over = timeChart(page, store);
  const curve = sweepChart(page, store);
  const parts = [
    steps(page),
    latencySection(page, store),
    curve ? over : null,
    ratesSection(page),
    answersSection(page),
    measuredSection(page),
  ].filter((part) => part !== null);
  root.append(
    header(page, store),
    h(
      "main",
      {},
      h("div", { class: "answer" }, verdict(page), numbers(page), curve ?? over),
      sections(parts),
      ...parts,
    ),
  );
  listenToKeys(store);
  requestAnimationFrame(() => {
    document.documentElement.dataset.ready = "true";
  });
}

function sections(parts: readonly HTMLElement[]): HTMLElement {
  const shown = SECTIONS.filter(([id]) => parts.some((part) => part.id === id));
  const links = shown.map(([id, name]) => sectionLink(id, name));
  return h("nav", { class: "sections", "aria-label": S.sections }, ...links);
}

function listenToKeys(store: Store): void {
  const actions: Record<string, () => void> = {
    "?": () => openKeys(L.keys),
    l: () => store.adjust({ latencyScale: store.state.latencyScale === "log" ? "linear" : "log" }),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || helpIsOpen()) return;
    if (!Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]();
  });
}

const root = document.getElementById("page");
if (root) start(root);
