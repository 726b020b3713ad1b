/** Writes a sample report of each kind, and a load of each kind, to `dist/samples/`. Run after `npm run build`. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { adversarial, healthy, huge, longNames, mixed, nothing, small } from "./edge-cases.mjs";
import { fillPage } from "./fill-page.mjs";
import { gatewayReport } from "./gateway-report.mjs";
import * as loads from "./load-page.mjs";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const page = readFileSync(`${dist}page.html`, "utf8");
mkdirSync(`${dist}samples`, { recursive: true });

const SAMPLES = { usual: gatewayReport, small, huge, healthy, mixed, nothing, "long-names": longNames, adversarial };
for (const [name, make] of Object.entries(SAMPLES)) {
  const { report, profile } = make();
  const html = fillPage(page, report, profile);
  writeFileSync(`${dist}samples/${name}.html`, html);
  console.log(`ui/dist/samples/${name}.html: ${html.length} bytes`);
}

const loadPage = readFileSync(`${dist}load.html`, "utf8");
for (const [name, make] of Object.entries(loads)) {
  const html = fillPage(loadPage, make(), null);
  writeFileSync(`${dist}samples/load-${name}.html`, html);
  console.log(`ui/dist/samples/load-${name}.html: ${html.length} bytes`);
}
