// What a reflector asks of objects: their names, and whether two sets of them are the same.

import { KubeError, type KubeObject, recordOf } from "./transport.ts";

/** Throws a KubeError: an object without a name cannot be kept. */
export function nameOf(object: unknown): string {
  const name = recordOf(recordOf(object)["metadata"])["name"];
  if (typeof name !== "string" || name === "") throw new KubeError("an object has no name");
  return name;
}

/** Whether a list says what is known already. */
export function sameVersions(
  old: ReadonlyMap<string, KubeObject>,
  found: ReadonlyMap<string, KubeObject>,
): boolean {
  if (old.size !== found.size) return false;
  for (const [name, { metadata }] of found) {
    const known = old.get(name)?.metadata;
    if (known === undefined || known.resourceVersion === undefined) return false;
    if (known.resourceVersion !== metadata.resourceVersion || known.uid !== metadata.uid) {
      return false;
    }
  }
  return true;
}
