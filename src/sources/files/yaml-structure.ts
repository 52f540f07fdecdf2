// What the YAML parser leaves to us: keys that stand twice, anchors that are not there, nesting without end. One walk
// over the nodes, linear in their number and without recursion.

import { isAlias, isMap, isNode, isScalar, isSeq, type Node } from "yaml";
import { quoted } from "../../policy/decode/shown-text.ts";

/** Deepest nesting of maps and lists; a resource needs 6. */
export const nestingMax = 64;

/** Most anchors, and most YAML aliases, of one document: the parser looks every alias up among all anchors. */
export const yamlAliasesMax = 1_000;

export type StructureMistake = { readonly offset: number; readonly message: string };

export type StructureOptions = {
  readonly lineOf: (offset: number) => number;
  /** More mistakes than this of one document are not looked for. */
  readonly mistakesMax: number;
};

type Step =
  | { readonly kind: "enter"; readonly node: Node; readonly depth: number }
  | { readonly kind: "leave"; readonly anchor: string };

/** Everything wrong with the nodes of one document, in their order. */
export function findStructureMistakes(
  root: Node,
  { lineOf, mistakesMax }: StructureOptions,
): readonly StructureMistake[] {
  const mistakes: StructureMistake[] = [];
  const anchors: Anchors = new Map();
  const count = { aliases: 0, anchors: 0 };
  const stack: Step[] = [{ kind: "enter", node: root, depth: 1 }];
  for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
    if (mistakes.length >= mistakesMax) break;
    if (step.kind === "leave") {
      anchors.set(step.anchor, "whole");
      continue;
    }
    const { node, depth } = step;
    const message = faultOf(node, depth, anchors);
    if (message !== undefined) mistakes.push({ offset: startOf(node), message });
    if (isAlias(node)) count.aliases++;
    if ("anchor" in node && typeof node.anchor === "string") count.anchors++;
    if (Math.max(count.aliases, count.anchors) > yamlAliasesMax) {
      const many = `more than ${yamlAliasesMax} YAML anchors or aliases in one document`;
      mistakes.push({ offset: startOf(node), message: many });
      break;
    }
    if (message !== undefined || isAlias(node)) continue;
    if ("anchor" in node && typeof node.anchor === "string") {
      anchors.set(node.anchor, "open");
      stack.push({ kind: "leave", anchor: node.anchor });
    }
    if (isMap(node)) {
      mistakes.push(...repeatedKeys(node.items, lineOf).slice(0, mistakesMax - mistakes.length));
    }
    for (const child of childrenOf(node).reverse()) {
      if (isNode(child)) stack.push({ kind: "enter", node: child, depth: depth + 1 });
    }
  }
  return mistakes;
}

/** Of the last node with each anchor: whether the walk is still inside it. */
type Anchors = Map<string, "open" | "whole">;

function faultOf(node: Node, depth: number, anchors: Anchors): string | undefined {
  if (isAlias(node)) {
    const anchor = anchors.get(node.source);
    if (anchor === undefined) return `no &${quoted(node.source)} stands before this YAML alias`;
    return anchor === "open" ? "this YAML alias repeats a part within itself" : undefined;
  }
  const nested = isMap(node) || isSeq(node);
  if (!nested || depth <= nestingMax) return undefined;
  return `more than ${nestingMax} maps and lists in one another`;
}

function childrenOf(node: Node): unknown[] {
  if (isMap(node)) return node.items.flatMap(({ key, value }): unknown[] => [key, value]);
  return isSeq(node) ? [...node.items] : [];
}

/** Parsers differ in which of two equal keys they take, so that neither can be meant. */
function repeatedKeys(
  pairs: readonly { readonly key: unknown }[],
  lineOf: (offset: number) => number,
): StructureMistake[] {
  const first = new Map<string, number>();
  const mistakes: StructureMistake[] = [];
  for (const { key } of pairs) {
    const text = keyText(key);
    if (text === undefined) continue;
    const offset = startOf(key);
    const earlier = first.get(text);
    if (earlier === undefined) first.set(text, offset);
    else {
      const message = `the key ${quoted(text)} stands twice: first on line ${lineOf(earlier)}`;
      mistakes.push({ offset, message });
    }
  }
  return mistakes;
}

/** The key as the text that it becomes; undefined where it is a map, a list or a YAML alias. */
export function keyText(key: unknown): string | undefined {
  return isScalar(key) ? String(key.value) : undefined;
}

/** Where a node begins, in UTF-16 units from the beginning of the text. */
export function startOf(node: unknown): number {
  return (isNode(node) ? node.range?.[0] : undefined) ?? 0;
}
