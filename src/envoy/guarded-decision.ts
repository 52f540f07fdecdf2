// The only try/catch around a decision, for both of Envoy's protocols: whatever goes wrong is a refusal inside a healthy
// RPC, because a failed RPC is decided by Envoy's failure_mode_allow and not by us. And the one observation of each check.

import type { Decide } from "../core/decide.ts";
import type { Decision, DenyDecision } from "../core/decision.ts";
import type { DenyReason } from "../core/denials.ts";
import { dialectOfPath } from "../core/http/routes.ts";
import type { CheckObservation } from "../core/observation.ts";
import type { Snapshot } from "../core/permission/snapshot.ts";
import type { AuthzRequest, DecisionContext } from "../core/request.ts";

export type CheckDeps = {
  readonly decide: Decide;
  readonly holder: { current(): Snapshot | undefined };
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  /** Microseconds of a clock that never goes back. */
  readonly monotonicUs: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Called once for each check. What it throws is reported and changes nothing. */
  readonly observe: (observation: CheckObservation) => void;
  /** A bug in our own code. */
  readonly reportBug: (error: unknown) => void;
};

export type Encoded<Wire> = { readonly decision: Decision; readonly wire: Wire };

export type Run<Decided extends Decision | undefined> = (
  snapshot: Snapshot | undefined,
  context: DecisionContext,
) => Decided;

/**
 * Decides and encodes. What either of them throws becomes an `internal` refusal, which must be encodable; no decision yet
 * is given back as such.
 */
export function guarded<Wire>(
  deps: CheckDeps,
  path: string,
  run: Run<Decision>,
  encode: (decision: Decision) => Wire,
): Encoded<Wire>;
export function guarded<Wire>(
  deps: CheckDeps,
  path: string,
  run: Run<Decision | undefined>,
  encode: (decision: Decision) => Wire,
): Encoded<Wire> | undefined;
export function guarded<Wire>(
  deps: CheckDeps,
  path: string,
  run: Run<Decision | undefined>,
  encode: (decision: Decision) => Wire,
): Encoded<Wire> | undefined {
  try {
    const context = { nowMs: deps.nowMs(), draw: deps.random() };
    const decision = run(deps.holder.current(), context);
    return decision === undefined ? undefined : { decision, wire: encode(decision) };
  } catch (error) {
    deps.reportBug(error);
    const decision = refusal("internal", path);
    return { decision, wire: encode(decision) };
  }
}

/** A refusal of which nothing is known but the path, for the caller's dialect. */
export function refusal(reason: DenyReason, path: string | undefined): DenyDecision {
  return {
    kind: "deny",
    reason,
    detail: {},
    trace: undefined,
    dialect: dialectOfPath(path ?? "/"),
    operation: undefined,
    key: undefined,
    team: undefined,
    requestedModel: undefined,
    revision: undefined,
  };
}

export function observeSafely(deps: CheckDeps, observation: CheckObservation): void {
  try {
    deps.observe(observation);
  } catch (error) {
    deps.reportBug(error);
  }
}

export function bodyBytes({ body }: AuthzRequest): number {
  if (body.kind === "none") return 0;
  return body.kind === "bytes" ? body.bytes.length : Buffer.byteLength(body.text);
}
