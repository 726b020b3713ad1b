/** The built page in a real browser, on the samples: what a reader does must work, and nothing hostile may happen. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, openReport } from "./browser.mjs";

const sample = (name) => fileURLToPath(new URL(`../dist/samples/${name}.html`, import.meta.url));
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** Opens a sample, runs the check, and asserts that nothing went wrong meanwhile. */
async function reading(name, check, options) {
  const { page, context, troubles, requests } = await openReport(browser, sample(name), options);
  await check(page);
  assert.deepEqual(troubles, []);
  assert.deepEqual(requests, []);
  await context.close();
}

const hash = (page) => page.evaluate(() => location.hash);
const firstFunction = (page) => page.locator("#functions tbody tr .name").first().textContent();
const drag = async (page, from, to) => {
  const box = await page.locator(".stage").boundingBox();
  await page.mouse.move(box.x + from, box.y + 150);
  await page.mouse.down();
  await page.mouse.move(box.x + (from + to) / 2, box.y + 150);
  await page.mouse.move(box.x + to, box.y + 150);
  await page.mouse.up();
};

test("the first screen answers at 1440 × 900 without scrolling", () =>
  reading("usual", async (page) => {
    assert.match(await page.locator("#verdict").textContent(), /renderRules/);
    assert.equal(await page.locator("tr.finding").count(), 3);
    const labels = await page.locator(".split .labels b").allTextContents();
    const sum = labels.map((t) => Number.parseInt(t.replace("<1", "0"), 10)).reduce((a, b) => a + b, 0);
    assert.equal(sum, 100);
    const bottom = await page.evaluate(() => document.querySelector(".answer").getBoundingClientRect().bottom);
    assert.ok(bottom <= 900, `the answer ends at ${bottom} px`);
  }));

test("a finding opens to its evidence and leads to its function in the flame graph", () =>
  reading("usual", async (page) => {
    await page.locator("tr.finding .expand").first().click();
    await page.getByText("the arguments repeat").waitFor();
    assert.match(await hash(page), /open=0/);
    await page.locator("#finding-0").getByText("show in flame graph").click();
    assert.match(await hash(page), /zoom=\d+/);
    assert.match(await page.locator(".crumbs [aria-current]").textContent(), /renderRules/);
  }));

test("a brushed interval filters flame graph, functions and stalls, and Escape shows all again", () =>
  reading("usual", async (page) => {
    const stalls = await page.locator("#stalls tbody tr").count();
    await drag(page, 420, 470);
    assert.match(await hash(page), /t=\d/);
    assert.ok((await page.locator("#stalls tbody tr").count()) < stalls);
    const base = await page.locator(".functions h3").textContent();
    assert.match(base, /100 % = (\d+ ms|[0-9.]+\u00a0s)/);
    await page.locator(".stage").focus();
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("#stalls tbody tr").count(), stalls);
    assert.notEqual(await page.locator(".functions h3").textContent(), base);
  }));

test("an interval without samples says where samples are", () =>
  reading(
    "usual",
    async (page) => {
      await page.getByText("Samples cover 15.0–36.8").waitFor();
      assert.equal(await page.locator(".flame").isVisible(), false);
    },
    { hash: "#t=2.000-4.000" },
  ));

test("the timeline is selected by keyboard", () =>
  reading("usual", async (page) => {
    await page.locator(".stage").focus();
    for (let i = 0; i < 30; i++) await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    assert.match(await hash(page), /t=15\.000-30\.000/);
    await page.keyboard.press("Shift+ArrowRight");
    await page.keyboard.press("Shift+ArrowRight");
    assert.match(await hash(page), /t=18\.000-19\.200/);
  }));

test("a click zooms, the back button returns", () =>
  reading("usual", async (page) => {
    const flame = page.locator(".flame");
    await flame.scrollIntoViewIfNeeded();
    const box = await flame.boundingBox();
    await page.mouse.click(box.x + 100, box.y + 9 * 18);
    assert.match(await hash(page), /zoom=/);
    assert.match(await page.locator(".crumbs").textContent(), /handleChat/);
    await page.goBack();
    assert.doesNotMatch(await hash(page), /zoom=/);
    assert.equal(await page.locator(".crumbs").isVisible(), false);
  }));

test("the wheel with Ctrl zooms about the pointer, a drag pans, Escape shows all again", () =>
  reading("usual", async (page) => {
    const flame = page.locator(".flame");
    await flame.scrollIntoViewIfNeeded();
    const box = await flame.boundingBox();
    const tooltip = page.locator(".tooltip .name");
    const at = async (x) => {
      await page.mouse.move(box.x + x, box.y + 10);
      await page.mouse.move(box.x + x, box.y + 27);
      return tooltip.textContent();
    };
    assert.equal(await at(1100), "processTicksAndRejections");
    await page.keyboard.down("Control");
    await page.mouse.wheel(0, -600);
    await page.keyboard.up("Control");
    await page.waitForTimeout(400);
    assert.equal(await at(1100), "processTicksAndRejections");
    assert.equal(await at(10), "processTicksAndRejections");
    await page.mouse.down();
    await page.mouse.move(box.x + 1300, box.y + 27, { steps: 4 });
    await page.mouse.up();
    await page.waitForTimeout(400);
    assert.equal(await at(10), "parserOnHeadersComplete");
    assert.equal(await hash(page), "");
    await page.keyboard.press("Escape");
    assert.equal(await at(1100), "processTicksAndRejections");
    assert.equal(await hash(page), "");
  }));

test("search tells the share of its matches, each sample counted once", () =>
  reading("usual", async (page) => {
    await page.keyboard.press("/");
    await page.keyboard.type("rules.js");
    assert.match(await page.locator(".found").textContent(), /^2 functions · 5\d\u00a0% · /);
    assert.equal(await page.locator("#functions tbody tr").count(), 2);
    await page.keyboard.press("Escape");
    assert.equal(await page.locator(".found").textContent(), "");
  }));

test("keys walk the hottest functions, choose the picture, open details and step back", () =>
  reading("usual", async (page) => {
    const rank = () => page.locator(".rank-now").textContent();
    await page.keyboard.press("n");
    assert.match(await rank(), /^1 of \d+ · /);
    await page.keyboard.press("n");
    assert.match(await rank(), /^2 of/);
    await page.keyboard.press("N");
    assert.match(await rank(), /^1 of/);
    await page.keyboard.press("n");
    await page.keyboard.press("h");
    assert.match(await rank(), /^1 of/);
    await page.keyboard.press("i");
    assert.match(await hash(page), /view=inverted/);
    for (const [key, view] of [
      ["3", "chart"],
      ["4", "sandwich"],
      ["2", "inverted"],
    ]) {
      await page.keyboard.press(key);
      assert.match(await hash(page), new RegExp(`view=${view}`));
      assert.ok(await page.locator(".flame").first().isVisible());
    }
    await page.keyboard.press("1");
    await page.locator(".flame").focus();
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowUp");
    assert.equal(await page.locator(".details h3").textContent(), "renderRules");
    await page.keyboard.press("Enter");
    assert.equal(await page.locator(".details").isVisible(), false);
    await page.keyboard.press("Enter");
    assert.equal(await page.locator(".details").isVisible(), true);
    await page.keyboard.press("Escape");
    assert.equal(await page.locator(".details").isVisible(), false);
    await page.keyboard.press("?");
    assert.equal(await page.locator("dialog").isVisible(), true);
  }));

test("steps by key, undone and redone, removed one by one, and in the hash", () =>
  reading("usual", async (page) => {
    const way = () => page.locator(".way .transform .link").allTextContents();
    const total = () => page.locator(".functions h3").textContent();
    const whole = await total();
    await page.keyboard.press("n");
    await page.keyboard.press("f");
    assert.deepEqual(await way(), ["only RegExp"]);
    assert.notEqual(await total(), whole);
    await page.keyboard.press("f");
    assert.deepEqual(await way(), []);
    await page.locator("#functions .name", { hasText: /^renderRules$/ }).click();
    await page.keyboard.press("d");
    assert.deepEqual(await way(), ["without renderRules"]);
    assert.equal(await page.locator("#functions .name", { hasText: /^renderRules$/ }).count(), 0);
    await page.getByRole("button", { name: "total" }).click();
    await page.locator("#functions .name", { hasText: /^emit$/ }).click();
    await page.keyboard.press("C");
    assert.deepEqual(await way(), ["without renderRules", "Node core as one"]);
    assert.match(await hash(page), /do=drop-\d+,package-%3Anode/);
    await page.keyboard.press("u");
    assert.deepEqual(await way(), ["without renderRules"]);
    await page.keyboard.press("Control+Shift+Z");
    assert.deepEqual(await way(), ["without renderRules", "Node core as one"]);
    await page.getByLabel("Remove “without renderRules”").click();
    assert.deepEqual(await way(), ["Node core as one"]);
    await page.goBack();
    assert.deepEqual(await way(), ["without renderRules", "Node core as one"]);
    await page.reload();
    await page.waitForSelector("html[data-ready]", { state: "attached" });
    assert.deepEqual(await way(), ["without renderRules", "Node core as one"]);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    assert.equal(await total(), whole);
  }));

test("the menu of a frame, by the right button and by the keyboard", () =>
  reading("usual", async (page) => {
    const flame = page.locator(".flame");
    await flame.scrollIntoViewIfNeeded();
    const box = await flame.boundingBox();
    await page.mouse.click(box.x + 100, box.y + 9 * 18, { button: "right" });
    const menu = page.getByRole("menu");
    assert.match(await menu.locator(".menu-title").textContent(), /handleChat/);
    await page.getByRole("menuitem", { name: "Merge into its callers" }).click();
    assert.deepEqual(await page.locator(".way .transform .link").allTextContents(), ["handleChat merged"]);
    await flame.focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press(".");
    assert.match(await menu.locator(".menu-title").textContent(), /parserOnIncoming/);
    await page.keyboard.press("ArrowDown");
    assert.match(await page.evaluate(() => document.activeElement.textContent), /sandwich/);
    await page.keyboard.press("Escape");
    assert.equal(await menu.isVisible(), false);
    assert.ok(await flame.evaluate((frame) => frame === document.activeElement));
    await page.keyboard.press("Shift+F10");
    await page.keyboard.press("s");
    assert.match(await hash(page), /view=sandwich/);
    assert.match(await page.locator(".sandwich-picture .note").textContent(), /^parserOnIncoming: 100 % = /);
  }));

test("the flame chart shows the brushed interval and brushes it", () =>
  reading("usual", async (page) => {
    await page.keyboard.press("3");
    const flame = page.locator(".flame");
    await flame.scrollIntoViewIfNeeded();
    const box = await flame.boundingBox();
    await page.mouse.move(box.x + 600, box.y + 100);
    await page.waitForFunction(() => /^2\d\.\d\d s$/.test(document.querySelector(".stage .hair-time").textContent));
    // One event each: on a slow machine, several are several gestures, each with its own step back.
    await page.keyboard.down("Control");
    await page.mouse.wheel(0, -2000);
    await page.keyboard.up("Control");
    await page.waitForFunction(() => /t=2\d\.\d+-2\d\.\d+/.test(location.hash));
    await page.getByText("showing").waitFor();
    const zoomed = await hash(page);
    await page.mouse.down();
    await page.mouse.move(box.x + 400, box.y + 100);
    await page.mouse.up();
    await page.waitForFunction((before) => location.hash !== before, zoomed);
    await page.goBack();
    assert.equal(await hash(page), "#view=chart", "gestures in a row are one step");
    await flame.focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Space");
    assert.match(await hash(page), /t=/);
  }));

test("one, several or all threads", () =>
  reading("usual", async (page) => {
    const total = () => page.locator(".functions h3").textContent();
    const all = await total();
    await page.getByRole("button", { name: "threads: all threads" }).click();
    await page.getByLabel(/embed worker/).uncheck();
    assert.match(await hash(page), /thread=41877\.0$/);
    assert.notEqual(await total(), all);
    await page.getByLabel(/embed worker/).check();
    assert.equal(await total(), all);
    await page.keyboard.press("Escape");
    assert.equal(await page.getByLabel(/embed worker/).isVisible(), false);
  }));

test("frames that V8 ran differently are one, or apart", () =>
  reading("mixed", async (page) => {
    const tip = async (x, row) => {
      const box = await page.locator(".flame").boundingBox();
      await page.mouse.move(box.x + x, box.y + row * 18 + 5);
      await page.mouse.move(box.x + x, box.y + row * 18 + 9);
      return page.locator(".tooltip").textContent();
    };
    await page.locator(".flame").scrollIntoViewIfNeeded();
    assert.doesNotMatch(await tip(40, 5), /ran as/);
    await page.getByText("JIT tiers: merged").click();
    assert.match(await tip(40, 5), /renderRules.*ran as TurboFan/);
    assert.match(await hash(page), /tiers=split/);
    await page.keyboard.press("t");
    assert.doesNotMatch(await hash(page), /tiers=/);
  }));

test("only the application, or without some packages", () =>
  reading("usual", async (page) => {
    await page.getByText("only application").click();
    const kinds = await page.locator("#functions .kind").allTextContents();
    assert.deepEqual([...new Set(kinds)], ["application"]);
    await page.getByText("show everything").click();
    await page.getByRole("button", { name: /Packages: 9 packages/ }).click();
    await page.getByLabel(/^zod/).uncheck();
    assert.equal(await page.locator("#functions .kind", { hasText: "zod" }).count(), 0);
    assert.match(await hash(page), /hidepkg=zod/);
  }));

test("a finding opens its function's source, with time by line, calls and deoptimisations", () =>
  reading("usual", async (page) => {
    await page.locator("tr.finding .expand").first().click();
    await page.locator("#finding-0").getByText("show in flame graph").click();
    const line = (n) => page.locator(".code tr", { has: page.locator(`td.number:text-is("${n}")`) });
    assert.match(await line(104).textContent(), /1\.66\u00a0s104 .*deoptimised 14×: wrong map/);
    assert.match(
      await line(95).textContent(),
      /const compiled = compileRule\(rule, tenant\);→ compileRule 9\.4\d\u00a0s/,
    );
    assert.match(await page.locator(".site").first().textContent(), /^28const prompt = renderRules\(body, tenant\);$/);
    await line(95).locator(".call").click();
    assert.equal(await page.locator(".details h3").textContent(), "compileRule");
    await page.locator(".site").first().click();
    assert.equal(await page.locator(".details h3").textContent(), "renderRules");
  }));

test("without sources the page says what is missing and which option keeps it", () =>
  reading("long-names", async (page) => {
    await page.locator("#functions .name", { hasText: "step1" }).first().click();
    await page.locator(".listing").getByText("--no-sources").waitFor();
  }));

test("the walkthrough explains the picture by its own numbers, by keyboard, and only when asked", () =>
  reading("usual", async (page) => {
    const card = page.locator(".walkthrough");
    assert.equal(await card.isVisible(), false);
    await page.keyboard.press("w");
    assert.match(await card.textContent(), /1\/7 Width is time.*handleChat spans 60\u00a0% of it/);
    await page.keyboard.press("Enter");
    await page.keyboard.press("ArrowRight");
    assert.match(await card.textContent(), /3\/7 .*RegExp has most: 24\u00a0% of all time is its own/);
    await page.keyboard.press("ArrowLeft");
    assert.match(await card.textContent(), /2\/7/);
    await page.keyboard.press("Escape");
    assert.equal(await card.isVisible(), false);
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "how to read this");
    assert.equal(await hash(page), "");
  }));

test("the page speaks Chinese when asked, keeps its state, and says what stays English", () =>
  reading("usual", async (page) => {
    await page.keyboard.press("i");
    await page.getByRole("button", { name: "中文" }).click();
    await page.waitForSelector("html[lang=zh-Hans][data-ready]", { state: "attached" });
    assert.match(await hash(page), /view=inverted.*lang=zh/);
    const headings = await page.locator("h2").allTextContents();
    assert.deepEqual(
      headings.filter((text) => !/[\u4e00-\u9fff]/.test(text)),
      ["CPU"],
    );
    await page.getByText("只有英文").waitFor();
    await page.getByRole("button", { name: "EN", exact: true }).click();
    await page.waitForSelector("html[lang=en][data-ready]", { state: "attached" });
    assert.equal(await page.getByText("只有英文").count(), 0);
    assert.equal(await page.locator("h2").first().textContent(), "Main thread");
  }));

test("a request's time is told by path, over time, and by place, from bubbles down to one place and back", () =>
  reading("usual", async (page) => {
    const waiting = page.locator("#waiting");
    await waiting.scrollIntoViewIfNeeded();
    assert.match(
      await page.locator(".path-answer").textContent(),
      /^Slow requests take 637\u00a0ms longer .*acquire in withQuota .*383\u00a0ms/,
    );
    assert.equal(await page.locator(".path-part[data-site]").count(), 11);
    await waiting.getByLabel("Route").selectOption({ index: 2 });
    assert.match(
      await page.locator(".path-answer").textContent(),
      /most more of: ready, but other callbacks run, .49\u00a0ms/,
    );
    const group = page.locator(".bubble", { hasText: "Redis 127.0.0.1:6379" });
    await group.focus();
    await page.keyboard.press("Enter");
    assert.equal(await page.locator(".bubble").count(), 2);
    assert.equal(await page.locator("#wait-places tbody tr").count(), 2);
    await page.locator("#wait-places").getByText("await get to 127.0.0.1:6379").click();
    await page.locator(".wait-details").getByText("1,236 waits").waitFor();
    assert.match(await hash(page), /wait=2/);
    await page.goBack();
    assert.equal(await page.locator(".wait-details").count(), 0);
    await page.goForward();
    await page.locator(".wait-details").waitFor();
    await page.locator(".wait-crumbs").getByRole("button", { name: "all" }).click();
    await page.getByLabel("search places, hosts, packages").fill("readFile");
    assert.equal(await page.locator("#wait-places tbody tr").count(), 1);
    assert.match(await page.locator(".bubble").getAttribute("aria-label"), /held the loop 1\.84\u00a0s/);
    const chart = page.locator(".in-flight svg");
    await chart.scrollIntoViewIfNeeded();
    const box = await chart.boundingBox();
    await page.mouse.move(box.x + 400, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + 700, box.y + 40);
    await page.mouse.up();
    assert.match(await hash(page), /t=3\d\.\d+-3\d\.\d+/);
  }));

test("ten thousand places are filtered and drawn", () =>
  reading("huge", async (page) => {
    await page.locator("#waiting").scrollIntoViewIfNeeded();
    await page.locator(".wait-places").getByText("show 100 more").waitFor();
    const more = page.locator(".bubble.more");
    assert.deepEqual(await more.allTextContents(), [
      "5,200 more places: timer: held up 18.4\u00a0s+5,20018.4\u00a0s",
      "3,800 more places: HTTP: held up 9.10\u00a0s, held the loop 2.30\u00a0s",
    ]);
    assert.equal(await more.first().getAttribute("tabindex"), null);
    await page.getByText(/9,000 further places, 3\.2\s%/).waitFor();
    await page.getByLabel("search places, hosts, packages").fill("step77 ");
    assert.ok((await page.locator("#wait-places tbody tr").count()) > 0);
    assert.equal(await more.count(), 0);
  }));

test("a hidden category melts into its callers", () =>
  reading("usual", async (page) => {
    const before = await firstFunction(page);
    assert.equal(before, "RegExp");
    const total = await page.locator(".functions h3").textContent();
    await page.locator('.legend [data-id="native"]').click();
    assert.equal(await firstFunction(page), "compileRule");
    assert.equal(await page.locator(".functions h3").textContent(), total);
  }));

test("one function lights up everywhere", () =>
  reading("usual", async (page) => {
    await page.locator("#functions tbody tr", { hasText: "renderRules" }).hover();
    assert.equal(await page.locator("tr.finding.lit").count(), 1);
  }));

test("the hash brings everything back after a reload", () =>
  reading("usual", async (page) => {
    await page.keyboard.press("n");
    await page.locator('.legend [data-id="gc"]').click();
    await drag(page, 400, 600);
    await page.keyboard.press("/");
    await page.keyboard.type("json");
    await page.getByText("theme: system").click();
    const state = async () => [
      await hash(page),
      await page.locator("#functions").textContent(),
      await page.locator(".crumbs").textContent(),
      await page.locator(".found").textContent(),
      await page.evaluate(() => document.documentElement.dataset.theme),
    ];
    const before = await state();
    await page.reload();
    await page.waitForSelector("html[data-ready]", { state: "attached" });
    assert.deepEqual(await state(), before);
  }));

test("hostile names are text", () =>
  reading("adversarial", async (page) => {
    assert.match(await page.locator("#verdict").textContent(), /<img src=x/);
    for (const button of await page.locator(".expand").all()) await button.click();
    await page.keyboard.press("n");
    await page.locator(".flame").hover({ position: { x: 60, y: 45 } });
    assert.equal(await page.locator("img").count(), 0);
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.equal(await page.locator("script").count(), 3);
  }));

test("a recording of nothing says so everywhere", () =>
  reading("nothing", async (page) => {
    await page.getByText("No CPU samples were recorded").waitFor();
    await page.getByText("Nothing was recorded over time").waitFor();
    assert.equal(await page.locator(".flame").count(), 0);
  }));

test("a healthy service gets a clean bill", () =>
  reading("healthy", async (page) => {
    await page.getByText("Nothing to fix was found").waitFor();
    assert.equal(await page.locator("tr.finding").count(), 0);
  }));

test("names of 200 characters and a recursion of 5,000 frames neither break nor widen the page", () =>
  reading("long-names", async (page) => {
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 1440);
    const rows = await page.evaluate(() => document.querySelector(".flame-rows").offsetHeight / 18);
    assert.ok(rows > 4990, `${rows} rows`);
    await page.keyboard.press("n");
    await page.getByText(/^1 of 30\d/).waitFor();
    await page.keyboard.press("i");
    await page.evaluate(() => document.querySelector(".flame").scrollTo(0, 80_000));
    await page.locator(".flame").hover();
  }));

test("nothing is wider than a narrow window", () =>
  reading(
    "usual",
    async (page) => {
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 800);
    },
    { width: 800, height: 1100 },
  ));
