/** Puts a report and a profile into the built page, exactly as `crates/slowpath-report` does. */
import { gzipSync } from "node:zlib";

export function fillPage(page, report, profile) {
  const json = JSON.stringify(report).replaceAll("<", "\\u003c");
  const packed = gzipSync(JSON.stringify(profile)).toString("base64");
  return page
    .replace("<!--slowpath:report-->", () => `<script type="application/json" id="slowpath-report">${json}</script>`)
    .replace("<!--slowpath:profile-->", () => `<script type="text/plain" id="slowpath-profile">${packed}</script>`);
}
