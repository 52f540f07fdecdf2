// A policy document whose index and shards belong together -> what is in force by it. The same on the loop, where a small
// document takes less than its way to another thread, and in the thread that loads the large ones.

import { compilePolicy } from "../../policy/compile/compile.ts";
import { type DecodedShards, decodeShards } from "../../policy/document/document.ts";
import type { DocumentAnswer, DocumentRequest } from "./load-messages.ts";
import type { ListedSnapshot } from "./snapshot-parts.ts";

export type DocumentLoad =
  | (Extract<DocumentAnswer, { kind: "loaded" }> & {
      readonly snapshot: ListedSnapshot;
      readonly shards: DecodedShards;
    })
  | (Extract<DocumentAnswer, { kind: "unchanged" }> & { readonly shards: DecodedShards })
  | Extract<DocumentAnswer, { kind: "refused" }>;

/** Never throws. `known`: the shards of the document before; one of them need not have a text. */
export function loadDocument(request: DocumentRequest, known?: DecodedShards): DocumentLoad {
  const { revision, catalogue, nowMs, inForce } = request;
  const decoded = decodeShards(request, known);
  if (!decoded.ok) return { kind: "refused", message: decoded.message };
  const { resources, leftOut, shards } = decoded;
  if (revision === inForce) return { kind: "unchanged", shards };
  const { snapshot, counts } = compilePolicy(resources, { nowMs, catalogue });
  // The controller's own word for it, so that both speak of one revision.
  return { kind: "loaded", snapshot: { ...snapshot, revision }, counts, leftOut, shards };
}
