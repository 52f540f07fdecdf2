// One hash of everything that a policy's files hold: of what was just read, or read in small pieces so that no check
// waits for it. Both ways give the same hash for the same bytes.

import { createHash, hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type ManifestListing, readFault } from "./manifest-listing.ts";

/** Name and SHA-256 of each file's bytes, and what cannot be read. Rejects never. */
export async function hashManifestFiles({ entries, problems }: ManifestListing): Promise<string> {
  const files: HashedFile[] = [];
  for (const { file, path } of entries) files.push({ file, content: await hashOf(path) });
  return contentHashOf(files, problems);
}

async function hashOf(path: string): Promise<string> {
  try {
    const digest = createHash("sha256");
    for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer);
    return digest.digest("hex");
  } catch (error) {
    return readFault(error);
  }
}

/** `content`: the SHA-256 of a file's bytes, or why it cannot be read. */
export type HashedFile = { readonly file: string; readonly content: string };

export function contentHashOf(
  files: readonly HashedFile[],
  problems: ManifestListing["problems"],
): string {
  const parts = files.map(({ file, content }) => [file, content]);
  return hash("sha256", JSON.stringify([parts, problems]), "hex");
}
