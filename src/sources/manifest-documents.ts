// Text of one manifest file -> values, each with a way to find the line and column of a path in it.
// YAML and JSON alike: JSON is read as the YAML that it is, so duplicate keys are mistakes in both.

import type { Document } from "yaml";
import { isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseAllDocuments } from "yaml";

export type Position = { readonly line: number; readonly column: number };

export type ManifestDocument = {
  readonly value: unknown;
  /** Position of the deepest part of the path that is there. */
  readonly locate: (path: readonly (string | number)[]) => Position;
};

export type SyntaxMistake = Position & { readonly message: string };

export type ManifestText = {
  readonly documents: readonly ManifestDocument[];
  readonly mistakes: readonly SyntaxMistake[];
};

/** Most documents of one file, and most times that one file may repeat a part through YAML aliases. */
export const documentsMax = 50_000;
const yamlAliasesMax = 100;

/** Broken documents become mistakes, all others values. Never throws. */
export function readManifestText(text: string): ManifestText {
  const lines = new LineCounter();
  const mistakes: SyntaxMistake[] = [];
  const documents: ManifestDocument[] = [];
  const at = (offset: number | undefined): Position => {
    const { line, col } = lines.linePos(offset ?? 0);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  try {
    const parsed = parseAllDocuments(text, {
      lineCounter: lines,
      uniqueKeys: true,
      // 1 and "1" would become one key of a JavaScript object: as texts they are found to be the same.
      stringKeys: true,
      logLevel: "error",
      prettyErrors: false,
      version: "1.2",
      schema: "core",
    });
    const all: readonly Document[] = "empty" in parsed ? [] : parsed;
    if (all.length > documentsMax) {
      const message = `more than ${documentsMax} documents in one file`;
      return { documents, mistakes: [{ line: 1, column: 1, message }] };
    }
    for (const document of all) {
      for (const { pos, message } of [...document.errors, ...document.warnings]) {
        mistakes.push({ ...at(pos[0]), message: firstLine(message) });
      }
      if (document.errors.length + document.warnings.length > 0) continue;
      if (document.contents === null) continue;
      const found = toDocument(document, at);
      if ("message" in found) mistakes.push(found);
      else documents.push(found);
    }
  } catch (error) {
    mistakes.push({ line: 1, column: 1, message: `cannot be read: ${firstLine(String(error))}` });
  }
  return { documents, mistakes };
}

function toDocument(
  document: Document,
  at: (offset: number | undefined) => Position,
): ManifestDocument | SyntaxMistake {
  const root: unknown = document.contents;
  try {
    const value: unknown = document.toJS({ maxAliasCount: yamlAliasesMax });
    return { value, locate: (path) => at(offsetOf(root, path)) };
  } catch (error) {
    return { ...at(offsetOf(root, [])), message: firstLine(String(error)) };
  }
}

function offsetOf(root: unknown, path: readonly (string | number)[]): number | undefined {
  let node = root;
  let offset = startOf(root);
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => keyText(key) === String(step));
      if (pair === undefined) break;
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof step === "number") {
      const item: unknown = node.items[step];
      if (item === undefined) break;
      offset = startOf(item) ?? offset;
      node = item;
    } else break;
  }
  return offset;
}

function keyText(key: unknown): string | undefined {
  if (isScalar(key)) return String(key.value);
  return typeof key === "string" ? key : undefined;
}

function startOf(node: unknown): number | undefined {
  if (isNode(node)) return node.range?.[0];
  return isPair(node) ? startOf(node.key) : undefined;
}

function firstLine(text: string): string {
  return (text.split("\n")[0] ?? "").slice(0, 300);
}
