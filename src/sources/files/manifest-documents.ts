// Text of one manifest file -> values, each with a way to find the line and column of a path in it.
// YAML and JSON alike: JSON is read as the YAML that it is, so duplicate keys are mistakes in both.

import type { Document, YAMLError } from "yaml";
import { isMap, isNode, isPair, isSeq, parseAllDocuments } from "yaml";
import { toAscii } from "../../policy/decode/shown-text.ts";
import { createTextPositions, type Position, type TextPositions } from "./text-positions.ts";
import { findStructureMistakes, keyText, startOf } from "./yaml-structure.ts";

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

/** Most documents of one file, and most times that one part of a document may be repeated through YAML aliases. */
export const documentsMax = 50_000;
const repetitionsMax = 100;

/** Most mistakes of one document; a file that is no YAML at all has one for every other character. */
const mistakesMax = 1_000;

/** Broken documents become mistakes, all others values. Never throws. */
export function readManifestText(text: string): ManifestText {
  const positions = createTextPositions(text);
  const mistakes: SyntaxMistake[] = [];
  const documents: ManifestDocument[] = [];
  for (const document of parse(text, mistakes)) {
    const wrong = [...document.errors, ...document.warnings].slice(0, mistakesMax);
    for (const error of wrong) {
      mistakes.push({ ...positions.at(error.pos[0]), message: syntaxMessage(error) });
    }
    if (wrong.length > 0 || document.contents === null) continue;
    const found = toDocument(document, positions);
    if ("value" in found) documents.push(found);
    else mistakes.push(...found.mistakes);
  }
  return { documents, mistakes };
}

function parse(text: string, mistakes: SyntaxMistake[]): readonly Document[] {
  const whole = (message: string): readonly Document[] => {
    mistakes.push({ line: 1, column: 1, message });
    return [];
  };
  try {
    const parsed = parseAllDocuments(text, {
      // Found by findStructureMistakes: the parser compares each key with every other one.
      uniqueKeys: false,
      // 1 and "1" would become one key of a JavaScript object: as texts they are found to be the same.
      stringKeys: true,
      logLevel: "error",
      prettyErrors: false,
      version: "1.2",
      schema: "core",
    });
    const all: readonly Document[] = "empty" in parsed ? [] : parsed;
    if (all.length <= documentsMax) return all;
    return whole(`more than ${documentsMax} documents in one file`);
  } catch (error) {
    const deep = error instanceof RangeError;
    return whole(`cannot be read: ${deep ? "nested too deeply" : "it is no YAML"}`);
  }
}

function toDocument(
  document: Document,
  { at }: TextPositions,
): ManifestDocument | { readonly mistakes: readonly SyntaxMistake[] } {
  const root = document.contents;
  if (!isNode(root)) return { mistakes: [{ ...at(0), message: "cannot be read: it is no YAML" }] };
  const lineOf = (offset: number): number => at(offset).line;
  const mistakes = findStructureMistakes(root, { lineOf, mistakesMax });
  if (mistakes.length > 0) {
    return { mistakes: mistakes.map(({ offset, message }) => ({ ...at(offset), message })) };
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount: repetitionsMax });
    return { value, locate: (path) => at(offsetOf(root, path)) };
  } catch {
    // Every anchor is there, none repeats itself and nothing is deep: what is left are too many repetitions.
    const message = `YAML aliases repeat a part more than ${repetitionsMax} times`;
    return { mistakes: [{ ...at(startOf(root)), message }] };
  }
}

function offsetOf(root: unknown, path: readonly (string | number)[]): number {
  let node = root;
  let offset = startOf(root);
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => keyText(key) === String(step));
      if (pair === undefined) break;
      offset = startOf(pair.key);
      node = pair.value;
    } else if (isSeq(node) && typeof step === "number") {
      const item: unknown = node.items[step];
      if (item === undefined) break;
      offset = startOf(isPair(item) ? item.key : item);
      node = item;
    } else break;
  }
  return offset;
}

/** The parser's sentence without what it quotes from the file, which may be a secret. */
function syntaxMessage({ code, message }: YAMLError): string {
  if (code === "NON_STRING_KEY") return "a key must be plain text";
  const sentence = (message.split("\n")[0] ?? "").replace(/: .*$/, "").replace(/".*"/, "");
  return toAscii(sentence).slice(0, 200);
}
