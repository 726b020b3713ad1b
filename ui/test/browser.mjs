/** Opens report files in Chromium and watches for what must never happen: console errors, exceptions, requests. */
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });

/** The page once its profile is drawn; `troubles` grows with whatever goes wrong, `requests` with whatever it fetches. */
export async function openReport(browser, file, { hash = "", width = 1440, height = 900, colorScheme = "light" } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  const troubles = [];
  const requests = [];
  page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
  page.on("pageerror", (error) => troubles.push(String(error.stack ?? error)));
  page.on("request", (request) => request.url().startsWith("file:") || requests.push(request.url()));
  const url = pathToFileURL(file).href + hash;
  page.on("request", (request) => request.url().split("#")[0] !== url.split("#")[0] && requests.push(request.url()));
  await page.goto(url);
  await page.waitForSelector("html[data-ready]", { state: "attached" });
  return { page, context, troubles, requests };
}
