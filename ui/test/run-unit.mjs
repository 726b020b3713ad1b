/** Bundles the unit tests, which are TypeScript, and runs them with Node's own test runner. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const tests = readdirSync(here("unit")).filter((name) => name.endsWith(".test.ts"));
await build({
  entryPoints: tests.map((name) => here(`unit/${name}`)),
  outdir: here("../dist/unit"),
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  outExtension: { ".js": ".mjs" },
  sourcemap: "inline",
});
const files = tests.map((name) => here(`../dist/unit/${name.replace(/\.ts$/, ".mjs")}`));
process.exitCode = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" }).status ?? 1;
