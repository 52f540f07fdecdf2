// Parts of a form may say their own length (okhttp, Spring, Guzzle): aiohttp and Python's cgi read as many bytes as that.
// An edited model in such a part needs an edited length, or a longer name would be cut to another one.

import type { BodyEdit } from "../../decision.ts";
import type { ModelToken, PartLength } from "../reading.ts";

/** The edits of tokens, and with them those of the lengths that change by them; ascending by offset. */
export function withPartLengths(
  edits: readonly BodyEdit[],
  tokens: readonly ModelToken[],
): readonly BodyEdit[] {
  const partOf = new Map(tokens.map(({ offset, partLength }) => [offset, partLength]));
  const grown = new Map<PartLength, number>();
  for (const edit of edits) {
    const part = partOf.get(edit.offset);
    if (part === undefined) continue;
    const delta = Buffer.byteLength(edit.new) - Buffer.byteLength(edit.old);
    grown.set(part, (grown.get(part) ?? 0) + delta);
  }
  const lengths = [...grown]
    .filter(([, delta]) => delta !== 0)
    .map(([{ offset, bytes }, delta]): BodyEdit => {
      return { offset, old: String(bytes), new: String(bytes + delta) };
    });
  return [...edits, ...lengths].sort((a, b) => a.offset - b.offset);
}
