/** Frames as text to paste elsewhere, and the place of Node's own code on the web. */
import { functionLabel } from "./place.ts";
import type { Profile } from "./profile.ts";

/** "src/rules.js:88:21"; "" for native code. */
export function fullPlace(profile: Profile, fn: number): string {
  const { file, line, column } = profile;
  if (file[fn] === "" || line[fn] <= 0) return file[fn];
  return column[fn] > 0 ? `${file[fn]}:${line[fn]}:${column[fn]}` : `${file[fn]}:${line[fn]}`;
}

/** A stack as an error prints it, innermost frame first. */
export const stackText = (profile: Profile, functions: readonly number[]): string =>
  functions
    .map((fn) => {
      const place = fullPlace(profile, fn);
      return `    at ${functionLabel(profile.name[fn])}${place === "" ? "" : ` (${place})`}`;
    })
    .join("\n");

/** Page of a line of Node's own JavaScript in the version that ran; `null` for other files or an unknown version. */
export function nodeSourceLink(file: string, line: number, version: string | null): string | null {
  const path = /^node:([\w/-]+)$/.exec(file)?.[1];
  const release = /^v?(\d+\.\d+\.\d+)$/.exec(version ?? "")?.[1];
  if (!path || !release) return null;
  return `https://github.com/nodejs/node/blob/v${release}/lib/${path}.js${line > 0 ? `#L${line}` : ""}`;
}
