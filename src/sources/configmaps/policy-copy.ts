// A copy of the policy's ConfigMaps in a folder, as a projected volume mounts it: index.json, and policy.json or
// policy-1.json and so on. Read once; whether it is whole is for whoever decodes it.

import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import type { DocumentReader } from "../../policy/document/document.ts";
import { configMapBytesMax } from "../../policy/document/shards.ts";

const fileName = /^(?:index|policy(?:-([1-9]\d{0,3}))?)\.json$/;

/** A folder that is not there is a copy without an index. Rejects when it cannot be read. */
export async function readPolicyCopy(folder: string): Promise<DocumentReader> {
  const texts = new Map<string, string>();
  const place = await currentOf(folder);
  for (const name of await namesIn(place)) {
    if (!fileName.test(name)) continue;
    const path = join(place, name);
    const { size } = await stat(path);
    if (size > configMapBytesMax) throw new Error(`${name} is larger than a ConfigMap can be`);
    texts.set(name, await readFile(path, "utf8"));
  }
  return {
    index: texts.get("index.json"),
    shard: (number) => texts.get(number === 0 ? "policy.json" : `policy-${number}.json`),
  };
}

/** The kubelet writes a new folder and points `..data` at it: what is read belongs together only within one of them. */
async function currentOf(folder: string): Promise<string> {
  try {
    return await realpath(join(folder, "..data"));
  } catch (error) {
    if (isMissing(error)) return folder;
    throw error;
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
