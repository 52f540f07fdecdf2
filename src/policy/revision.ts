// The revision of a policy: a hash of its meaning, the same on every replica that holds the same policy.

import { hash } from "node:crypto";
import type { Resource } from "./resources.ts";

/** One text per object: fields stand in the decoder's order, maps are sorted, absent fields are dropped. */
export function canonicalText(resource: object): string {
  return JSON.stringify(resource, (_key, value: unknown) =>
    value instanceof Map ? [...value].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)) : value,
  );
}

/** First 16 hex characters of a SHA-256. `facts`: what else decides, such as who lost where. */
export function revisionOf(resources: readonly Resource[], facts: readonly string[]): string {
  // Creation time and namespace decide conflicts only, and the outcome of those is among the facts.
  const texts = resources.map((resource) =>
    canonicalText({
      ...resource,
      createdAtMs: undefined,
      namespace: undefined,
      ...unused(resource),
    }),
  );
  return hash("sha256", JSON.stringify([texts.sort(), [...facts].sort()]), "hex").slice(0, 16);
}

/** Fields that came later than others and say nothing: a policy that does without them keeps its revision in an upgrade. */
function unused(resource: Resource): object {
  return resource.kind === "Team" && !resource.disabled ? { disabled: undefined } : {};
}
