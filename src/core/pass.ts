// What a route that nobody checks consists of: who asks, and no model, neither ours nor the caller's.

import { type AllowDeps, withoutKey } from "./allow.ts";
import type { DecisionFacts, PassDecision } from "./decision.ts";
import { identityHeaders } from "./http/header-table.ts";
import type { Operation } from "./http/operations.ts";
import type { Target } from "./http/target.ts";
import type { Snapshot, VirtualKey } from "./permission/snapshot.ts";
import type { AuthzRequest } from "./request.ts";

export type Passed = {
  readonly facts: DecisionFacts;
  readonly key: VirtualKey;
  readonly snapshot: Snapshot;
  readonly request: AuthzRequest;
  readonly operation: Operation;
  readonly target: Target;
};

/** Lets the request through for the route that the operator has listed. */
export function pass(
  { settings, headerRules }: AllowDeps,
  { facts, key, snapshot, request, operation, target }: Passed,
): PassDecision {
  const team = key.team?.name;
  const setHeaders = [
    [identityHeaders.key, key.name] as const,
    ...(team === undefined ? [] : [[identityHeaders.team, team] as const]),
    [identityHeaders.unchecked, operation.name.replace(/^unchecked /, "")] as const,
  ];
  const removal = headerRules.removal(request.headers, setHeaders);
  return {
    ...facts,
    kind: "pass",
    operation: operation.name,
    key: key.name,
    revision: snapshot.revision,
    path: withoutKey(settings, target),
    setHeaders,
    removeHeaders: removal.names,
    droppedHeaders: removal.dropped,
  };
}
