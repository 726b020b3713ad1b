/** Shortens file paths and function names for display. Full text stays available to the caller. */

/** Drops the working directory, `file://`, and everything up to the last `node_modules/`. */
export function shortFile(file: string, cwd: string): string {
  let path = file.startsWith("file://") ? file.slice(7) : file;
  const modules = path.lastIndexOf("node_modules/");
  if (modules >= 0) return path.slice(modules + "node_modules/".length);
  const base = cwd.endsWith("/") ? cwd : `${cwd}/`;
  if (cwd !== "" && path.startsWith(base)) path = path.slice(base.length);
  return path;
}

/** In a line that goes on past this column (minified code) the line alone says nothing. */
const LONG_LINE = 200;

/** "src/rules.js:88"; with the column in minified code, without a line when it is not known, "" without a file. */
export function place(file: string, line: number | null, cwd: string, column: number | null = null): string {
  if (file === "") return "";
  const short = shortFile(file, cwd);
  if (line === null || line <= 0) return short;
  return column !== null && column > LONG_LINE ? `${short}:${line}:${column}` : `${short}:${line}`;
}

/** Keeps the end of a path, which says most: "…/prompt/rules.js:88". Cuts at a slash when one is near. */
export function keepEnd(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const tail = text.slice(text.length - maxChars + 1);
  const slash = tail.indexOf("/");
  return `…${slash >= 0 && slash < tail.length / 2 ? tail.slice(slash) : tail}`;
}

/** Keeps the start of a name. */
export function keepStart(text: string, maxChars: number): string {
  return text.length <= maxChars ? text : `${text.slice(0, Math.max(1, maxChars - 1))}…`;
}

/** Elides the middle of words that would fill a line by themselves, so that a sentence stays one. */
export const shortenWords = (sentence: string, maxChars: number): string =>
  sentence.replace(/[^\s()]+/g, (word) =>
    word.length <= maxChars
      ? word
      : `${word.slice(0, Math.ceil(maxChars / 2))}…${word.slice(-Math.floor(maxChars / 2))}`,
  );

/** The name that a frame shows: V8 leaves anonymous functions empty. */
export const functionLabel = (name: string): string => (name === "" ? "(anonymous)" : name);
