/**
 * Stand-ins for whole packages and categories: functions of their own at the end of the table, so that a collapsed
 * package is drawn, named, coloured and found like any frame.
 */
import type { Category } from "../contract.ts";

/** Frames of these are no code that could be collapsed. */
const SINGLE: readonly Category[] = ["gc", "program", "idle"];

export interface FunctionTable {
  name: string[];
  file: string[];
  category: Category[];
  package: (string | null)[];
  kind: (string | null)[];
}

export interface Groups {
  /** Package name, or ":" and a category, → its stand-in. */
  groups: Map<string, number>;
  /** Stand-in of each function; -1 = none. */
  groupOf: Int32Array;
}

/** Key of a function's group: its package, else its category; "" = none. */
export const groupKey = (table: FunctionTable, fn: number): string =>
  table.package[fn] ?? (SINGLE.includes(table.category[fn]) ? "" : `:${table.category[fn]}`);

/** Appends a stand-in per group to the table. */
export function addGroups(table: FunctionTable): Groups {
  const nReal = table.name.length;
  const groups = new Map<string, number>();
  const groupOf: number[] = [];
  for (let fn = 0; fn < nReal; fn++) {
    const key = groupKey(table, fn);
    let group = key === "" ? -1 : groups.get(key);
    if (group === undefined) {
      group = table.name.push(`[${key.replace(/^:/, "")}]`) - 1;
      groups.set(key, group);
      table.file.push("");
      table.category.push(table.category[fn]);
      table.package.push(table.package[fn]);
      table.kind.push(null);
    }
    groupOf.push(group);
  }
  while (groupOf.length < table.name.length) groupOf.push(groupOf.length);
  return { groups, groupOf: Int32Array.from(groupOf) };
}
