// The class of a harvested name: what the product's own tables say of it, or why it was looked at and left unknown. The
// only place of the harvest that knows those tables.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fieldRows } from "../../src/core/body/fields.ts";
import { namesModel } from "../../src/core/body/hosted-tools.ts";
import { knownFields, knownFormFields } from "../../src/core/body/known-fields.ts";
import type { Dialect } from "../../src/core/denials.ts";
import { credentialCarriers } from "../../src/core/http/credential.ts";
import { createHeaderLookup, headerRows } from "../../src/core/http/header-table.ts";
import type { Place } from "./rules.ts";

/** `from`: the file of the package that names it. */
export type HarvestedName = { readonly name: string; readonly place: Place; readonly from: string };

export type SnapshotPart = {
  readonly backend: string;
  readonly package: string;
  readonly version: string;
  readonly names: readonly HarvestedName[];
};

/** `left unknown`: looked at, in no table on purpose; refused or removed as everything unknown is. */
export type NameClass = "known" | "listed" | "left unknown";

export const snapshotFile = join(import.meta.dirname, "snapshot.json");
export const leftUnknownFile = join(import.meta.dirname, "left-unknown.json");

export function readSnapshot(): readonly SnapshotPart[] {
  if (!existsSync(snapshotFile)) return [];
  return JSON.parse(readFileSync(snapshotFile, "utf8")) as readonly SnapshotPart[];
}

/** One reason, and the names that it holds for; a name that ends in `*` is a family. */
export type LeftUnknown = {
  readonly place: Place;
  readonly reason: string;
  readonly names: readonly string[];
};

export function readLeftUnknown(): readonly LeftUnknown[] {
  if (!existsSync(leftUnknownFile)) return [];
  return JSON.parse(readFileSync(leftUnknownFile, "utf8")) as readonly LeftUnknown[];
}

/** As the file has it: one name a line. */
export function leftUnknownText(rows: readonly LeftUnknown[]): string {
  const texts = rows.map(({ place, reason, names }) => {
    const head = JSON.stringify({ place, reason }).slice(0, -1);
    return `${head},"names":[\n${names.map((name) => JSON.stringify(name)).join(",\n")}]}`;
  });
  return `[\n${texts.join(",\n")}\n]\n`;
}

const leftUnknown = readLeftUnknown();

/** What the tables or the list of left-unknown names say; undefined when nobody has looked at the name. */
export function classOf(
  { name, place }: Pick<HarvestedName, "name" | "place">,
  left: readonly LeftUnknown[] = leftUnknown,
): NameClass | undefined {
  const inTables = place === "header" ? headerClass(name) : fieldClass(name, place);
  if (inTables !== undefined) return inTables;
  const isLeft = left.some(
    (row) => row.place === place && row.names.some((each) => fits(name, each)),
  );
  return isLeft ? "left unknown" : undefined;
}

/** What has no class: what a test fails on. */
export function unclassified(
  snapshot: readonly SnapshotPart[],
  left?: readonly LeftUnknown[],
): readonly string[] {
  return snapshot.flatMap(({ backend, names }) =>
    names
      .filter((each) => classOf(each, left) === undefined)
      .map(({ name, place }) => `${backend}: ${name} (${place})`),
  );
}

const dialects: readonly Dialect[] = ["openai", "anthropic", "gemini", "azure", "ollama"];

function fieldClass(name: string, place: Place): NameClass | undefined {
  if (place === "tool") return toolClass(name);
  const rows = fieldRows.filter((row) => row.place === (place === "form" ? "top" : place));
  if (rows.some((row) => fits(name, row.name))) return "listed";
  if (place === "metadata") return undefined;
  const known = place === "form" ? knownFormFields : knownFields;
  return dialects.some((dialect) => known(dialect).has(name)) ? "known" : undefined;
}

/** Hosted tools may hold what they like but models; only what sounds like one is to be looked at. */
function toolClass(name: string): NameClass | undefined {
  if (namesModel(name)) return "listed";
  return /model|deployment|fallback|engine|agent|preset|router/i.test(name) ? undefined : "known";
}

const headers = createHeaderLookup(headerRows);
const carriers: readonly string[] = credentialCarriers;

function headerClass(name: string): NameClass | undefined {
  if (carriers.includes(name)) return "listed";
  const row = headers.of(name);
  if (row === undefined) return undefined;
  return row.rule === "forwarded" ? "known" : "listed";
}

function fits(name: string, pattern: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
