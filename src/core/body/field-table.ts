// The field table as the readers of bodies use it: for each dialect a tree of the places that may hold listed fields,
// built once; and the class of any name, for docs, settings and the harvest.

import type { Dialect } from "../denials.ts";
import { type FieldRow, type FieldRule, fieldPath, fieldRows } from "./fields.ts";
import { knownFields, knownFormFields } from "./known-fields.ts";

/** One place that may hold listed fields: an object with its members, an array with its elements. */
export type FieldNode = {
  readonly members: readonly FieldMember[];
  readonly families: readonly FieldFamily[];
  readonly elements: FieldNode | undefined;
  /** Looked through for strings that name models: as an array of tools, or as an object. */
  readonly look: "tools" | "config" | undefined;
};

export type FieldMember = {
  readonly key: string;
  readonly folded: string;
  /** From the top, for refusals: `input[].tools`. */
  readonly path: string;
  /** Whether another spelling is refused: not in places whose readers compare keys as they stand. */
  readonly isGuarded: boolean;
  /** The one that the row is for by itself; undefined: a place on the way to others. */
  readonly row: FieldRow | undefined;
  readonly node: FieldNode | undefined;
};

export type FieldFamily = {
  readonly prefix: string;
  readonly folded: string;
  readonly row: FieldRow;
};

/** Folded to what sloppy parsers compare: lower case, without "_" and "-". Go also takes U+017F for s, U+212A for k. */
export function foldKey(key: string): string {
  return key.replaceAll(/[_-]/g, "").toLowerCase().replaceAll("\u017f", "s");
}

/** The fields of the top level and what is nested in them, for one dialect. */
export type FieldTable = {
  readonly member: (key: string) => FieldMember | undefined;
  readonly family: (key: string) => FieldFamily | undefined;
  /** The name that a sloppy parser takes `key` for although it is spelled otherwise; undefined when there is none. */
  readonly misspelled: (key: string) => string | undefined;
};

/** Places that are read by Python or Rust alone, which compare keys as they stand; honest metadata has any names. */
const unguardedPlaces: ReadonlySet<string> = new Set(["metadata", "parameters"]);
/** Families that more than LiteLLM's Python reads, or that were ever spelled otherwise. The others are too short to fold. */
const guardedFamilies: ReadonlySet<string> = new Set(["langfuse_", "aws_", "vertex_", "mock_"]);

function toFieldTable(dialect: Dialect): FieldTable {
  const split = fieldRows
    .filter((row) => row.dialect === undefined || row.dialect === dialect)
    .map((row) => ({ row, rest: fieldPath(row) }));
  const top = toNode(split, "");
  const members = new Map(top.members.map((member) => [member.key, member]));
  const guarded = top.members.filter(({ isGuarded }) => isGuarded);
  const folded = new Map<string, string>(guarded.map((each) => [each.folded, each.path]));
  folded.set("model", "model");
  const families = top.families.filter(({ prefix }) => guardedFamilies.has(prefix));
  return {
    member: (key) => members.get(key),
    family: (key) => top.families.find(({ prefix }) => key.startsWith(prefix)),
    misspelled: (key) => {
      // Proto-JSON takes two spellings of one name: both are listed.
      if (members.has(key)) return undefined;
      const text = foldKey(key);
      const exact = folded.get(text);
      if (exact !== undefined) return exact === key ? undefined : exact;
      const family = families.find((each) => text.startsWith(each.folded));
      return family === undefined || key.startsWith(family.prefix)
        ? undefined
        : fieldPath(family.row);
    },
  };
}

type Unplaced = { readonly row: FieldRow; readonly rest: string };

/** Builds one place out of the rows that stand in or below it, each with what is left of its name. */
function toNode(
  unplaced: readonly Unplaced[],
  path: string,
  look: FieldNode["look"] = undefined,
): FieldNode {
  const byKey = new Map<string, Unplaced[]>();
  const families: FieldFamily[] = [];
  const elements: Unplaced[] = [];
  for (const { row, rest } of unplaced) {
    if (rest.startsWith("[]")) {
      elements.push({ row, rest: rest.slice(rest[2] === "." ? 3 : 2) });
      continue;
    }
    const key = /^[^.[]+/.exec(rest)?.[0] ?? rest;
    if (key.endsWith("*")) {
      const prefix = key.slice(0, -1);
      families.push({ prefix, folded: foldKey(prefix), row });
      continue;
    }
    const left = rest.slice(key.length);
    const others = byKey.get(key) ?? [];
    byKey.set(key, [...others, { row, rest: left.startsWith(".") ? left.slice(1) : left }]);
  }
  const prefix = path === "" ? "" : `${path}.`;
  const isGuarded = !unguardedPlaces.has(path);
  const members = [...byKey].map(([key, all]) => toMember(key, all, prefix + key, isGuarded));
  const below = elements.length === 0 ? undefined : toNode(elements, `${path}[]`);
  return { members, families, elements: below, look };
}

function toMember(
  key: string,
  all: readonly Unplaced[],
  path: string,
  isGuarded: boolean,
): FieldMember {
  const row = all.find(({ rest }) => rest === "")?.row;
  const below = all.filter(({ rest }) => rest !== "");
  const look = row?.rule === "tools" || row?.rule === "config" ? row.rule : undefined;
  return {
    key,
    folded: foldKey(key),
    path,
    isGuarded: isGuarded && !unguardedPlaces.has(path),
    row,
    node: below.length === 0 && look === undefined ? undefined : toNode(below, path, look),
  };
}

const tables: Readonly<Record<Dialect, FieldTable>> = {
  openai: toFieldTable("openai"),
  anthropic: toFieldTable("anthropic"),
  gemini: toFieldTable("gemini"),
  azure: toFieldTable("azure"),
  ollama: toFieldTable("ollama"),
};

export function fieldTableOf(dialect: Dialect): FieldTable {
  return tables[dialect];
}

/** `known`: harmless. `unknown`: in no class, so refused where a router backend serves a model that can run. */
export type FieldClass = FieldRule | "known" | "unknown";

/** The class of a name of the top level, or of a member of `metadata`, where every name is known that is not listed. */
export function fieldClass(
  dialect: Dialect,
  place: "body" | "form" | "metadata",
  name: string,
): FieldClass {
  if (place === "metadata") {
    const node = tables[dialect].member("metadata")?.node;
    const found = node?.members.find(({ key }) => key === name)?.row;
    const family = node?.families.find(({ prefix }) => name.startsWith(prefix))?.row;
    return (found ?? family)?.rule ?? "known";
  }
  if (name === "model") return "model";
  const known = place === "form" ? knownFormFields(dialect) : knownFields(dialect);
  const row = tables[dialect].member(name)?.row;
  const isLookedThrough = row?.rule === "tools" || row?.rule === "config";
  if (row !== undefined && (known.has(name) || !isLookedThrough)) return row.rule;
  if (known.has(name)) return "known";
  return tables[dialect].family(name)?.row.rule ?? "unknown";
}

/** A field to admit, as settings and Models write it: a name, a path of the table, or all with a prefix: `x_*`. */
export const bodyFieldPattern = "^[A-Za-z0-9_$-][A-Za-z0-9_.$-]{0,78}([_-]\\*)?$";
/** A field to refuse: a name of the top level, or a type of tools. */
export const refusedFieldPattern =
  "^([A-Za-z0-9_$-][A-Za-z0-9_.$-]{0,63}|tools\\[\\]\\.type=[A-Za-z0-9_.:-]{1,64})$";
/** What any parser takes for the model: never admitted or refused by name. */
export const modelKeyPattern = "^[_-]*[mM][_-]*[oO][_-]*[dD][_-]*[eE][_-]*[lL][_-]*$";

const bodyField = new RegExp(bodyFieldPattern);
const refusableField = new RegExp(refusedFieldPattern);
const modelKey = new RegExp(modelKeyPattern);

/** Whether a setting or a Model may admit it. */
export function isBodyField(name: string): boolean {
  return bodyField.test(name) && !modelKey.test(name);
}

/** Whether a setting or a Model may refuse it beyond the rule. */
export function isRefusableField(name: string): boolean {
  return refusableField.test(name) && !modelKey.test(name);
}
