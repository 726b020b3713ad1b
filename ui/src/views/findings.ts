/** The findings, most important first; each row opens to its evidence, advice and links. */
import type { Context } from "../context.ts";
import type { Finding } from "../contract.ts";
import { count, factor, interval, percent } from "../logic/format.ts";
import { functionLabel, keepEnd, place, shortenWords } from "../logic/place.ts";
import { S } from "../strings.ts";
import { absent, fill, h, note, table } from "./dom.ts";

/** More links than this to single intervals would bury the rest. */
const MAX_INTERVAL_LINKS = 4;
/** Less than this a load test cannot tell. */
const LEAST_GAIN = 1.05;
/** The timeline below must stay on the first screen. `answer.css` counts with it: two rows each. */
const FIRST_FINDINGS = 5;

export function findings(context: Context): HTMLElement {
  const { report } = context;
  const list = report.findings;
  const sentences = S.sentencesLanguage === "" ? null : note(S.sentencesLanguage);
  const refuted =
    report.refuted.length > 0
      ? h("p", { class: "refuted" }, h("span", {}, `${S.refuted} `), report.refuted.join(" · "))
      : null;
  if (list.length === 0) {
    const answer = report.verdict.class;
    const text =
      answer === "healthy" ? S.noFindingsHealthy : answer === "not-enough-data" ? S.noFindingsNoData : S.noFindings;
    return h("section", { class: "findings" }, h("h2", {}, S.findings), absent(text), refuted, sentences);
  }
  const rows = list.flatMap((finding, rank) => findingRows(context, finding, rank));
  const rest = list.length - FIRST_FINDINGS;
  const section = h("section", { class: "findings", id: "findings" });
  const more = h("button", { type: "button", class: "link", id: "more-findings" }, S.moreRows(count(rest)));
  const showRest = () => {
    section.classList.remove("brief");
    more.remove();
  };
  more.addEventListener("click", showRest);
  section.classList.toggle("brief", rest > 0 && !context.store.state.open.some((rank) => rank >= FIRST_FINDINGS));
  fill(
    section,
    table(
      S.findings,
      [
        { label: S.findings, class: "title" },
        { label: S.place, class: "where" },
        { label: S.share, class: "figure" },
        { label: S.gainIfFixed, class: "figure" },
        { label: S.confidence },
      ],
      rows,
    ),
    section.classList.contains("brief") ? more : null,
    report.gain_of_all !== null && report.gain_of_all >= LEAST_GAIN
      ? h("p", { class: "of-all" }, S.gainOfAll(factor(report.gain_of_all), report.load !== null))
      : null,
    refuted,
    sentences,
  );
  return section;
}

function findingRows(context: Context, finding: Finding, rank: number): HTMLTableRowElement[] {
  const { store, report } = context;
  const { where, function_index: fn } = finding;
  const id = `finding-${rank}`;
  const toggle = h(
    "button",
    { type: "button", class: "expand", "aria-controls": id },
    h("span", { class: "rank" }, rank + 1),
    h("span", { class: `severity ${finding.severity}`, role: "img", "aria-label": S.severity[finding.severity] }),
    h("span", { title: finding.title }, shortenWords(finding.title, 48)),
  );
  const flip = () => {
    const { open } = store.state;
    store.adjust({
      open: open.includes(rank) ? open.filter((r) => r !== rank) : [...open, rank].sort((a, b) => a - b),
    });
  };
  const location = where ? place(where.file, where.line, report.run.cwd, where.column) : "";
  const row = h(
    "tr",
    {
      class: "finding",
      onclick: flip,
      onmouseenter: () => fn !== null && store.hover(fn),
      onmouseleave: () => store.hover(-1),
    },
    h("td", { class: "title" }, toggle),
    h("td", { class: "where", title: where?.file }, h("code", {}, keepEnd(location, 44))),
    h("td", { class: "figure", title: S.shareOf(finding.share_of) }, percent(finding.share)),
    h("td", { class: "figure" }, finding.predicted_gain ? factor(finding.predicted_gain.throughput) : "–"),
    h("td", {}, S.confidenceName[finding.confidence]),
  );
  const body = h("td", { colspan: 5 });
  const detail = h("tr", { class: "finding-detail", id }, body);
  const show = () => {
    const open = store.state.open.includes(rank);
    toggle.setAttribute("aria-expanded", String(open));
    detail.hidden = !open;
    if (open) build();
  };
  const build = () => {
    if (!body.hasChildNodes()) body.append(findingBody(context, finding));
  };
  // On paper nobody can click.
  addEventListener("beforeprint", () => {
    build();
    detail.hidden = false;
  });
  addEventListener("afterprint", show);
  const light = () => row.classList.toggle("lit", fn !== null && store.hovered === fn);
  store.onChange(show);
  store.onHover(light);
  show();
  return [row, detail];
}

function findingBody({ report, showFunction, showInterval }: Context, finding: Finding): HTMLElement {
  const { where, function_index: fn, intervals } = finding;
  const evidence = finding.evidence.map((piece) => {
    const facts = [piece.n_samples === null ? null : S.samples(count(piece.n_samples)), piece.recorder].filter(
      (fact) => fact !== null && fact !== "",
    );
    return h("li", {}, piece.text, " ", h("span", { class: "source" }, facts.join(" · ")));
  });
  const links: Node[] = [];
  if (fn !== null) {
    links.push(h("button", { type: "button", class: "link", onclick: () => showFunction(fn) }, S.showInFlame));
  }
  for (const range of intervals.slice(0, MAX_INTERVAL_LINKS)) {
    links.push(
      h(
        "button",
        { type: "button", class: "link", onclick: () => showInterval(range) },
        S.showInterval(interval(range)),
      ),
    );
  }
  if (intervals.length > MAX_INTERVAL_LINKS) {
    links.push(h("span", { class: "source" }, S.moreIntervals(count(intervals.length - MAX_INTERVAL_LINKS))));
  }
  return h(
    "div",
    { class: "finding-body" },
    h(
      "div",
      {},
      h("h3", {}, S.advice),
      h("p", {}, finding.advice),
      where
        ? h(
            "p",
            {},
            h("code", {}, functionLabel(where.function)),
            " ",
            h("code", { class: "place" }, place(where.file, where.line, report.run.cwd, where.column)),
          )
        : null,
      links.length > 0 ? h("p", { class: "links" }, ...links) : null,
    ),
    h(
      "div",
      {},
      h("h3", {}, S.evidence),
      h("ul", { class: "evidence" }, ...evidence),
      h("p", { class: "source" }, `${S.why} ${finding.confidence}: ${finding.confidence_why}`),
      finding.share === null ? null : h("p", { class: "source" }, S.shareIs(percent(finding.share), finding.share_of)),
    ),
  );
}
