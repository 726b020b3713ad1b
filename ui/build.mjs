/**
 * Builds `dist/page.html` (a report) and `dist/load.html` (a load): one file each, styles and script inlined, with the
 * placeholders that the Rust side fills.
 *
 * A page forbids everything but itself by a content security policy: its one script and one style are allowed by
 * their hashes, so that nothing that came from a target can run or load, even if an escape were missed.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
export const PLACEHOLDERS = ["<!--slowpath:report-->", "<!--slowpath:profile-->"];
/** The page without data must stay small: it is copied into every report. Both languages are in it. */
const MAX_PAGE_BYTES = 230_000;

async function bundle(entry) {
  const result = await build({
    entryPoints: [here(entry)],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
  });
  return result.outputFiles[0].text.trim();
}

const sha256 = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** Writes `dist/NAME`, a page of one script and one style with a place for each of `places`. */
async function buildPage(name, { entry, sheet, places, noscript }) {
  const script = (await bundle(entry)).replaceAll("</script", "<\\/script");
  const style = await bundle(sheet);
  const policy = `default-src 'none'; script-src ${sha256(script)}; style-src ${sha256(style)}; base-uri 'none'; form-action 'none'`;
  const page = readFileSync(here("src/page.html"), "utf8")
    .replace("__POLICY__", () => policy)
    .replace("__NOSCRIPT__", () => noscript)
    .replace("__PLACES__", () => places.join("\n"))
    .replace("/*__STYLE__*/", () => style)
    .replace("/*__SCRIPT__*/", () => script);
  for (const place of places) {
    const n = page.split(place).length - 1;
    if (n !== 1) throw new Error(`${name} holds ${place} ${n} times, must be once`);
  }
  if (Buffer.byteLength(page) > MAX_PAGE_BYTES) {
    throw new Error(`${name} has ${Buffer.byteLength(page)} bytes, more than ${MAX_PAGE_BYTES}`);
  }
  mkdirSync(here("dist"), { recursive: true });
  writeFileSync(here(`dist/${name}`), page);
  console.log(`ui/dist/${name}: ${Buffer.byteLength(page)} bytes`);
}

await buildPage("page.html", {
  entry: "src/main.ts",
  sheet: "src/style/page.css",
  places: PLACEHOLDERS,
  noscript: "This report draws itself with JavaScript; the same findings are in report.md beside it.",
});
await buildPage("load.html", {
  entry: "src/load-main.ts",
  sheet: "src/style/load-page.css",
  places: PLACEHOLDERS.slice(0, 1),
  noscript: "This page draws itself with JavaScript; slowpath load prints the same numbers as tables.",
});
