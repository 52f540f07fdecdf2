// The byte edits of a decision, applied to the body that it was made for: new bytes between views of the old ones. What
// splice.lua does in Envoy, where ext_authz decided.

import type { AllowDecision } from "../core/decision.ts";

/**
 * The edited body in pieces that share the memory of `body`. Throws when an edit does not stand where it says: nothing
 * of it may be sent then.
 */
export function spliceBody(
  { bodyBytes, bodyEdits }: Pick<AllowDecision, "bodyBytes" | "bodyEdits">,
  body: Uint8Array,
): readonly Uint8Array[] {
  if (body.length !== bodyBytes) throw new Error("the body has another length");
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const edit of bodyEdits) {
    const old = Buffer.from(edit.old, "utf8");
    const end = edit.offset + old.length;
    if (edit.offset < at || old.length === 0) throw new Error("the edits do not ascend");
    if (!old.equals(body.subarray(edit.offset, end))) {
      throw new Error("other bytes stand where the model was");
    }
    pieces.push(body.subarray(at, edit.offset), Buffer.from(edit.new, "utf8"));
    at = end;
  }
  return [...pieces, body.subarray(at)].filter((piece) => piece.length > 0);
}
