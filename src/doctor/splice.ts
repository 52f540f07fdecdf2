// The Lua script that puts the model into the body behind ext_authz: found among the filters, and compared with ours.

import { hash } from "node:crypto";
import { at, field, type Node, nodeOf, text, typed, typeOf } from "./tree.ts";

/**
 * SHA-256 of deploy/envoy/splice.lua without its comments, its white space and the line that may differ; a test holds it
 * to the file.
 */
export const spliceDigest = "0147882c1418ccbfeda9afa57e1e38b1646fdb9b19ef89774d88fb32136215d7";

/** What every version of the script holds. */
const mark = "/aliasguard-rewrite-pending";

export type Splice = { readonly index: number; readonly state: "same" | "differs" | "unseen" };

/** The first script that is a splice, or may be one. */
export function findSplice(filters: readonly Node[]): Splice | undefined {
  const scripts: Splice[] = [];
  for (const [index, filter] of filters.entries()) {
    const config = typed(filter);
    if (typeOf(config) !== "Lua" || config === undefined) continue;
    const source = sourceOf(config);
    if (source === undefined) scripts.push({ index, state: "unseen" });
    else if (source.includes(mark)) {
      scripts.push({ index, state: digestOf(source) === spliceDigest ? "same" : "differs" });
    }
  }
  return scripts.find(({ state }) => state !== "unseen") ?? scripts[0];
}

/** undefined: it stands in a file. */
function sourceOf(config: Node): string | undefined {
  const inline = text(config, "inline_code");
  if (inline !== undefined) return inline;
  const source = at(config, "default_source_code");
  const found = text(source, "inline_string");
  if (found !== undefined) return found;
  const bytes = text(source, "inline_bytes");
  if (bytes !== undefined) return Buffer.from(bytes, "base64").toString("utf8");
  return nodeOf(field(config, "source_codes")) === undefined && source === undefined
    ? ""
    : undefined;
}

export function digestOf(source: string): string {
  const code = source
    .replaceAll(/--[^\n]*/g, "")
    .replaceAll(/local MODEL_HEADERS = \{[^}]*\}/g, "")
    .replaceAll(/\s+/g, " ")
    .trim();
  return hash("sha256", code, "hex");
}
