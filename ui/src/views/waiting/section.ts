/** The section on what requests waited for: their paths, operations under way, and every place as bubbles and a table. */
import type { Context } from "../../context.ts";
import type { RequestsData } from "../../contract.ts";
import { count, milliseconds, percent, significant } from "../../logic/format.ts";
import { functionLabel, keepEnd, place } from "../../logic/place.ts";
import { S } from "../../strings.ts";
import { h, note } from "../dom.ts";
import { inFlight } from "./in-flight.ts";
import { paths } from "./paths.ts";
import { places } from "./places.ts";

const MAX_OWNERS = 8;

/** `null` where it was not recorded. */
export function waitingSection(context: Context): HTMLElement | null {
  const data = context.report.requests;
  if (!data) return null;
  const section = h(
    "section",
    { id: "waiting", class: "part" },
    h("h2", {}, S.waiting),
    note(source(data)),
    paths(data),
    inFlight(context, data.in_flight),
    places(context, data),
    data.n_more_sites > 0 ? note(S.morePlaces(count(data.n_more_sites), percent(data.more_sites_share))) : null,
    poolLine(data),
    owners(context),
  );
  lightUpTogether(section);
  return section;
}

/** How many requests this rests on, and what following them cost. */
function source({ n_followed, n_cut, n_requests, spent_share, hooks }: RequestsData): string {
  const parts = [S.waitingSource(count(n_followed), count(n_requests), percent(spent_share))];
  if (n_cut > 0) parts.push(S.waitingCut(count(n_cut)));
  if (hooks) {
    const { on_share, ratio_on, ratio } = hooks;
    const known = ratio_on !== null && ratio !== null;
    parts.push(
      known
        ? S.waitingHooks(percent(on_share), significant(ratio_on), significant(ratio))
        : S.waitingHooksUnknown(percent(on_share)),
    );
  }
  return parts.join(" · ");
}

function poolLine({ thread_pool: pool, outside_ms }: RequestsData): HTMLElement {
  const use = S.poolText(
    count(pool.n_tasks),
    count(pool.size),
    significant(pool.mean_tasks),
    percent(pool.full_share),
    milliseconds(pool.mean_ms),
    milliseconds(pool.queued_ms),
  );
  return h(
    "ul",
    { class: "wait-facts" },
    h("li", {}, pool.n_tasks > 0 ? use : S.poolNone),
    outside_ms === null ? null : h("li", {}, S.outsideText(milliseconds(outside_ms))),
  );
}

/** Whose busy time is, with that of what was begun before an `await`. */
function owners({ report, showFunction }: Context): HTMLElement | null {
  const owned = report.cpu_owners;
  if (!owned) return null;
  const known = owned.begun.flatMap(({ function_index, share }) => {
    const row = report.functions.find((row) => row.function_index === function_index);
    return row ? [{ row, share }] : [];
  });
  const items = known
    .slice(0, MAX_OWNERS)
    .map(({ row, share }) =>
      h(
        "li",
        {},
        `${percent(share)} `,
        h(
          "button",
          { type: "button", class: "link name", onclick: () => showFunction(row.function_index) },
          functionLabel(row.name),
        ),
        " ",
        h("code", { class: "source" }, keepEnd(place(row.file, row.line, report.run.cwd), 60)),
      ),
    );
  return h(
    "div",
    { class: "cpu-owners" },
    h("h3", {}, S.cpuOwners),
    h("p", {}, S.cpuOwnersText(percent(owned.on_stack_share), percent(owned.owned_share))),
    items.length > 0 ? note(S.cpuOwnersBegun) : null,
    h("ul", {}, ...items),
  );
}

/** What belongs to one place lights up wherever it is drawn. */
function lightUpTogether(section: HTMLElement): void {
  let lit = "";
  const light = (site: string) => {
    if (site === lit) return;
    for (const element of section.querySelectorAll(".lit")) element.classList.remove("lit");
    lit = site;
    if (site === "") return;
    for (const element of section.querySelectorAll(`[data-site="${CSS.escape(site)}"]`)) element.classList.add("lit");
  };
  section.addEventListener("pointerover", (event) => {
    const at = event.target instanceof Element ? event.target.closest("[data-site]") : null;
    light(at?.getAttribute("data-site") ?? "");
  });
  section.addEventListener("pointerleave", () => light(""));
}
