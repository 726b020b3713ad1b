/** Every place that was waited at: filters, bubbles that open, what is known of the chosen one, and all as a table. */
import type { Context } from "../../context.ts";
import type { AsyncSite, RequestsData, WaitKind } from "../../contract.ts";
import { count } from "../../logic/format.ts";
import { FAMILIES, type Family, familyOf, filterSites, groupSites, PARTIES, type Party } from "../../logic/waits.ts";
import { FAMILY_NAME, PARTY_NAME, S, WAIT_NAME } from "../../strings.ts";
import { fill, h, note } from "../dom.ts";
import { bubbles, type Circle } from "./bubbles.ts";
import { siteDetails } from "./site-details.ts";
import { siteTable } from "./site-table.ts";

const FIRST_ROWS = 15;
const MORE_ROWS = 100;

const groupName = ({ kind, remote }: { kind: WaitKind; remote: string | null }): string =>
  remote === null ? WAIT_NAME[kind] : `${WAIT_NAME[kind]} ${remote}`;

/** Draws itself when it comes into view or is printed: with thousands of places that takes a while. */
export function places(context: Context, data: RequestsData): HTMLElement {
  const frame = h("div", { class: "wait-places" });
  const draw = () => {
    observer.disconnect();
    if (frame.childElementCount === 0) frame.append(...new Places(context, data).parts);
  };
  const observer = new IntersectionObserver((seen) => seen.some((entry) => entry.isIntersecting) && draw(), {
    rootMargin: "400px",
  });
  observer.observe(frame);
  addEventListener("beforeprint", draw);
  return frame;
}

class Places {
  readonly parts: HTMLElement[];
  private readonly families = new Set<Family>(FAMILIES);
  private readonly parties = new Set<Party>(PARTIES);
  private text = "";
  /** Key of the opened group; that of the chosen place, where there is one. */
  private opened: string | null = null;
  private nRows = FIRST_ROWS;
  private readonly crumbs = h("nav", { class: "wait-crumbs", "aria-label": S.way });
  private readonly picture = h("div", { class: "bubble-frame" });
  private readonly details = h("div", { "aria-live": "polite" });
  private readonly rows = h("div", { class: "wide", id: "wait-places" });

  private readonly sites: readonly AsyncSite[];

  constructor(
    private readonly context: Context,
    private readonly data: RequestsData,
  ) {
    this.sites = data.sites;
    this.parts = [
      h("h3", {}, S.waitPlaces),
      this.filters(),
      this.crumbs,
      this.picture,
      note(S.bubblesNote),
      this.details,
      this.rows,
    ];
    this.follow();
    context.store.onChange((before, after) => before.waitSite !== after.waitSite && this.follow());
    let width = 0;
    new ResizeObserver(() => {
      if (this.picture.clientWidth === width) return;
      width = this.picture.clientWidth;
      this.show();
    }).observe(this.picture);
  }

  /** The place that the address names. */
  private get chosen(): number | null {
    const { waitSite } = this.context.store.state;
    return waitSite >= 0 && waitSite < this.sites.length ? waitSite : null;
  }

  private choose(site: number): void {
    this.context.store.step({ waitSite: site });
  }

  private open(key: string | null): void {
    this.opened = key;
    if (this.chosen === null) this.show();
    else this.context.store.step({ waitSite: -1 });
  }

  private follow(): void {
    if (this.chosen !== null) this.opened = groupSites(this.sites, [this.chosen])[0].key;
    this.show();
  }

  private show(): void {
    const { sites } = this;
    const choose = (site: number) => this.choose(site);
    const shown = filterSites(sites, { families: this.families, parties: this.parties, text: this.text });
    const groups = groupSites(sites, shown);
    const group = groups.find(({ key }) => key === this.opened) ?? (groups.length === 1 ? groups[0] : null);
    fill(this.crumbs, ...this.way(group ? groupName(group) : null));
    if (group) {
      const circles = group.sites.map((at) => {
        const { name, call } = sites[at];
        return { ...sites[at], sites: [at], label: call === "" ? name : call, title: name };
      });
      const all = this.withMore(circles, group.kind);
      bubbles(this.picture, sites, all, (at) => choose(all[at].sites[0]));
    } else {
      const circles = groups.map((each) => ({ ...each, label: groupName(each), title: groupName(each) }));
      const all = this.withMore(circles, null);
      bubbles(this.picture, sites, all, (at) => this.open(groupSites(sites, all[at].sites)[0].key));
    }
    fill(this.details, this.chosen === null ? null : siteDetails(this.context, sites, this.chosen, choose));
    const listed = group ? group.sites : shown;
    const cwd = this.context.report.run.cwd;
    fill(this.rows, siteTable(cwd, sites, listed.slice(0, this.nRows), choose), this.more(listed.length));
  }

  /** Adds what is not listed one by one, of one kind or of all; a search finds nothing in it. */
  private withMore(circles: readonly Circle[], kind: WaitKind | null): Circle[] {
    if (this.text.trim() !== "" || PARTIES.some((party) => !this.parties.has(party))) return [...circles];
    const wanted = this.data.more_sites.filter(
      (more) => this.families.has(familyOf(more.kind)) && (kind === null || more.kind === kind),
    );
    const more = wanted.map(({ n, ...sums }) => {
      const title = S.morePlacesOf(count(n), WAIT_NAME[sums.kind]);
      return { ...sums, sites: [], label: `+${count(n)}`, title };
    });
    return [...circles, ...more].sort((a, b) => b.held_up_ms - a.held_up_ms);
  }

  private way(group: string | null): HTMLElement[] {
    const steps: [string, () => void][] = [[S.everything, () => this.open(null)]];
    if (group !== null) steps.push([group, () => this.open(this.opened)]);
    if (this.chosen !== null) steps.push([this.sites[this.chosen].name, () => undefined]);
    return steps.map(([name, onclick], i) =>
      i === steps.length - 1
        ? h("span", { "aria-current": "true" }, name)
        : h("button", { type: "button", class: "link", onclick }, name),
    );
  }

  private more(n: number): HTMLElement | null {
    if (n <= this.nRows) return null;
    const onclick = () => {
      this.nRows += MORE_ROWS;
      this.show();
    };
    return h(
      "button",
      { type: "button", class: "link", onclick },
      S.moreRows(count(Math.min(MORE_ROWS, n - this.nRows))),
    );
  }

  private filters(): HTMLElement {
    const oninput = (event: Event) => {
      this.text = (event.target as HTMLInputElement).value;
      this.show();
    };
    const has = <Id>(of: (site: AsyncSite) => Id, all: readonly Id[]) =>
      all.filter((id) => this.sites.some((site) => of(site) === id));
    const families = has((site) => familyOf(site.kind), FAMILIES);
    const parties = has((site) => site.party, PARTIES);
    return h(
      "div",
      { class: "wait-filters" },
      h("input", { type: "search", placeholder: S.searchPlaces, "aria-label": S.searchPlaces, oninput }),
      ...families.map((id) => this.choice(this.families, id, h("span", { class: `swatch ${id}` }), FAMILY_NAME[id])),
      ...(parties.length > 1 ? parties.map((id) => this.choice(this.parties, id, null, PARTY_NAME[id])) : []),
    );
  }

  private choice<Id>(on: Set<Id>, id: Id, swatch: HTMLElement | null, name: string): HTMLElement {
    const onchange = (event: Event) => {
      if ((event.target as HTMLInputElement).checked) on.add(id);
      else on.delete(id);
      this.show();
    };
    return h("label", {}, h("input", { type: "checkbox", checked: true, onchange }), swatch, name);
  }
}
