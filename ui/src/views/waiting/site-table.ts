/** Places that were waited at, as a table. */
import type { AsyncSite } from "../../contract.ts";
import { count, milliseconds } from "../../logic/format.ts";
import { keepEnd, place } from "../../logic/place.ts";
import { familyOf } from "../../logic/waits.ts";
import { S, WAIT_NAME } from "../../strings.ts";
import { absent, h, table } from "../dom.ts";

export function siteTable(
  cwd: string,
  sites: readonly AsyncSite[],
  shown: readonly number[],
  choose: (site: number) => void,
): HTMLElement {
  if (shown.length === 0) return absent(S.noMatch);
  const figure = (text: string, more = "") => h("td", { class: `figure ${more}` }, text);
  const rows = shown.map((at) => {
    const site = sites[at];
    const held = site.blocked_ms > 0;
    return h(
      "tr",
      { "data-site": at },
      h(
        "td",
        {},
        h("span", { class: `swatch ${familyOf(site.kind)}`, title: WAIT_NAME[site.kind] }),
        h("button", { type: "button", class: "link", onclick: () => choose(at) }, site.name),
      ),
      h("td", { class: "where", title: site.file }, h("code", {}, keepEnd(place(site.file, site.line, cwd), 40))),
      figure(milliseconds(site.held_up_ms)),
      figure(milliseconds(site.n > 0 ? site.waited_ms / site.n : null)),
      figure(milliseconds(site.longest_ms)),
      figure(count(site.n)),
      figure(count(site.max_in_series)),
      figure(held ? milliseconds(site.blocked_ms) : "–", held ? "stall-time" : ""),
    );
  });
  const columns = [
    { label: S.waitingFor },
    { label: S.place, class: "where" },
    { label: S.heldUp, class: "figure", title: S.heldUpHint },
    { label: S.meanWait, class: "figure" },
    { label: S.longest, class: "figure" },
    { label: S.waits, class: "figure" },
    { label: S.inSeries, class: "figure", title: S.inSeriesHint },
    { label: S.heldLoop, class: "figure", title: S.heldLoopHint },
  ];
  return table(S.waitPlaces, columns, rows);
}
