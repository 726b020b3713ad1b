/** The order of names, for flame graphs in which a frame keeps its place. */
import type { FunctionTable } from "./groups.ts";

/** Place of each function when sorted by name, then file. */
export function rankNames(table: FunctionTable): Int32Array {
  const { name, file } = table;
  const order = Int32Array.from(name, (_, fn) => fn).sort((a, b) => {
    if (name[a] !== name[b]) return name[a] < name[b] ? -1 : 1;
    return file[a] === file[b] ? a - b : file[a] < file[b] ? -1 : 1;
  });
  const rank = new Int32Array(name.length);
  for (let i = 0; i < order.length; i++) rank[order[i]] = i;
  return rank;
}
