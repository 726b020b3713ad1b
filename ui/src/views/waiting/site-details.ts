/** What is known of one place: its times, who began it, and the way that led there. */
import type { Context } from "../../context.ts";
import type { AsyncSite } from "../../contract.ts";
import { count, milliseconds } from "../../logic/format.ts";
import { place } from "../../logic/place.ts";
import { wayTo } from "../../logic/waits.ts";
import { S } from "../../strings.ts";
import { h } from "../dom.ts";

const MAX_BEGUN_BY = 5;

export function siteDetails(
  { report }: Context,
  sites: readonly AsyncSite[],
  at: number,
  choose: (site: number) => void,
): HTMLElement {
  const site = sites[at];
  const facts: [string, string][] = [
    [S.heldUp, milliseconds(site.held_up_ms)],
    [S.waited, S.waitedText(milliseconds(site.waited_ms), count(site.n), milliseconds(site.longest_ms))],
    [S.inSeries, S.inSeriesText(count(site.max_in_series), count(site.n_requests))],
    [S.ranAfter, milliseconds(site.ran_ms)],
  ];
  if (site.blocked_ms > 0) facts.push([S.heldLoop, milliseconds(site.blocked_ms)]);
  if (site.n_wakers > 0) facts.push([S.wakers, count(site.n_wakers)]);
  const step = (to: number, text: string) =>
    h("li", {}, h("button", { type: "button", class: "link", onclick: () => choose(to) }, sites[to].name), text);
  const begun = site.begun_by.slice(0, MAX_BEGUN_BY);
  const way = wayTo(sites, at);
  return h(
    "div",
    { class: "wait-details" },
    h("h4", {}, site.name),
    site.file === "" ? null : h("code", { title: site.file }, place(site.file, site.line, report.run.cwd, site.column)),
    h("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    begun.length > 0 ? h("p", { class: "source" }, S.begunBy) : null,
    begun.length > 0 ? h("ul", {}, ...begun.map(([from, n]) => step(from, ` ${S.times(count(n))}`))) : null,
    way.length > 1 ? h("p", { class: "source" }, S.wayThere) : null,
    way.length > 1 ? h("ol", {}, ...way.map((from) => step(from, ""))) : null,
  );
}
