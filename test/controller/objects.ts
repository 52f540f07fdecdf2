// Objects as the API server would give them, for the tests of the controller.

import type { PolicyObject } from "../../src/controller/objects.ts";

let made = 0;

export function object(
  kind: PolicyObject["kind"],
  name: string,
  spec: unknown,
  more: Partial<PolicyObject["metadata"]> = {},
): PolicyObject {
  made += 1;
  const metadata = {
    name,
    namespace: "default",
    uid: `uid-${made}`,
    resourceVersion: String(made),
    generation: 1,
    creationTimestamp: "2026-01-01T00:00:00Z",
    ...more,
  };
  return { apiVersion: "aliasguard.dev/v1alpha1", kind, metadata, spec };
}

export const hash = (letter: string): string => `sha256:${letter.repeat(64)}`;
