// Whether the fields of a body are admitted, given what serves the models that can run: the rule "known or refused", with
// what the operator has added to either side.

import type { DenyDetail } from "../denials.ts";
import type { CatalogueModel } from "../permission/snapshot.ts";
import { isHarmlessName } from "./draft.ts";
import { foldKey } from "./field-table.ts";
import type { BodyReading } from "./reading.ts";

type Reading = Extract<BodyReading, { readonly ok: true }>;

export type FieldSettings = {
  readonly bodyFields: ReadonlySet<string>;
  readonly refusedFields: ReadonlySet<string>;
};

/**
 * The first field that one of these models may not be sent, and what would admit it. A model that nobody described
 * (undefined) is served by a router, for all we know.
 */
export function refusedField(
  reading: Reading,
  settings: FieldSettings,
  models: ReadonlySet<CatalogueModel | undefined>,
): DenyDetail | undefined {
  const forbidden = forbiddenField(reading, settings.refusedFields);
  if (forbidden !== undefined) return { name: forbidden, setting: "refusedFields" };
  for (const model of models) {
    const name = model === undefined ? undefined : forbiddenField(reading, model.refusedFields);
    if (name !== undefined) return { name, setting: "refusedFields" };
  }
  for (const { path, ownPath, refusedFor, offset } of reading.fields) {
    if (isAdmitted(settings.bodyFields, path, ownPath)) continue;
    for (const model of models) {
      const isLeaf = model?.backend === "leaf";
      if (isLeaf && refusedFor === "router") continue;
      if (model === undefined || !isAdmitted(model.bodyFields, path, ownPath)) {
        return { name: ownPath, offset, setting: "bodyFields" };
      }
    }
  }
  return undefined;
}

/** By its own name, by that of its row, or by a prefix. */
function isAdmitted(names: ReadonlySet<string>, path: string, ownPath: string): boolean {
  if (names.size === 0) return false;
  if (names.has(ownPath) || names.has(path)) return true;
  return prefixesOf(names).some((prefix) => ownPath.startsWith(prefix));
}

/** Of each set of settings and of a snapshot, made once. */
const prefixLists = new WeakMap<ReadonlySet<string>, readonly string[]>();

function prefixesOf(names: ReadonlySet<string>): readonly string[] {
  const kept = prefixLists.get(names);
  if (kept !== undefined) return kept;
  const prefixes = [...names].filter((name) => name.endsWith("*")).map((name) => name.slice(0, -1));
  prefixLists.set(names, prefixes);
  return prefixes;
}

/** A field that the operator refuses although it is known, however it is spelled; null is none. */
function forbiddenField(
  { names, toolTypes }: Reading,
  refused: ReadonlySet<string>,
): string | undefined {
  if (refused.size === 0) return undefined;
  const folded = foldedNames(refused);
  for (const { key, kind } of names) {
    if (kind !== "null" && folded.has(foldKey(key))) {
      return isHarmlessName(key) ? key : "a refused field";
    }
  }
  for (const type of toolTypes) {
    const found = forbiddenType(type, refused);
    if (found !== undefined) return found;
  }
  return undefined;
}

const foldedSets = new WeakMap<ReadonlySet<string>, ReadonlySet<string>>();

function foldedNames(names: ReadonlySet<string>): ReadonlySet<string> {
  const kept = foldedSets.get(names);
  if (kept !== undefined) return kept;
  const folded = new Set([...names].map(foldKey));
  foldedSets.set(names, folded);
  return folded;
}

/** `tools[].type=mcp` stands for `mcp_toolset` too, `web_search` for `web_search_20250305`. */
function forbiddenType(type: string, refused: ReadonlySet<string>): string | undefined {
  const words = type.slice(0, 64).split("_");
  let name = "tools[].type=";
  for (const word of words) {
    name += word;
    if (refused.has(name)) return name;
    name += "_";
  }
  return undefined;
}
