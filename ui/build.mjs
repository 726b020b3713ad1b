/**
 * Builds `dist/page.html`: one file, styles and script inlined, with the two placeholders that the Rust side fills.
 *
 * The page forbids everything but itself by a content security policy: its one script and one style are allowed by
 * their hashes, so that nothing that came from a target can run or load, even if an escape were missed.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
export const PLACEHOLDERS = ["<!--slowpath:report-->", "<!--slowpath:profile-->"];
/** The page without data must stay small: it is copied into every report. */
const MAX_PAGE_BYTES = 180_000;

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

const script = (await bundle("src/main.ts")).replaceAll("</script", "<\\/script");
const style = await bundle("src/style/page.css");
const policy = `default-src 'none'; script-src ${sha256(script)}; style-src ${sha256(style)}; base-uri 'none'; form-action 'none'`;

const page = readFileSync(here("src/page.html"), "utf8")
  .replace("__POLICY__", () => policy)
  .replace("/*__STYLE__*/", () => style)
  .replace("/*__SCRIPT__*/", () => script);

for (const placeholder of PLACEHOLDERS) {
  const n = page.split(placeholder).length - 1;
  if (n !== 1) throw new Error(`the page holds ${placeholder} ${n} times, must be once`);
}
if (Buffer.byteLength(page) > MAX_PAGE_BYTES) {
  throw new Error(`the page has ${Buffer.byteLength(page)} bytes, more than ${MAX_PAGE_BYTES}`);
}

mkdirSync(here("dist"), { recursive: true });
writeFileSync(here("dist/page.html"), page);
console.log(`ui/dist/page.html: ${Buffer.byteLength(page)} bytes`);
