// The backend's own credential in place of the caller's key. Its value is put into the headers of an allow and nowhere
// else: no policy, log or metric ever holds it.

import type { Decider } from "./decide.ts";
import { type AllowDecision, type Decision, denyDecision, type PassDecision } from "./decision.ts";
import type { UpstreamCredential } from "./permission/snapshot.ts";

/** The credential's value by its name; undefined where there is none now. */
export type CredentialLookup = (name: string) => string | undefined;

/** What every model gets that names no credential of its own, and every unchecked route, where there is one so named. */
export const defaultCredential: UpstreamCredential = { name: "default", header: "authorization" };

/** A model whose credential is not there is refused: the backend would refuse it, or serve it as somebody else. */
export function withUpstreamCredentials(decider: Decider, lookup: CredentialLookup): Decider {
  return {
    decide: (...parameters) => provide(decider.decide(...parameters), lookup),
    decideHeaders(...parameters) {
      const decision = decider.decideHeaders(...parameters);
      return decision && provide(decision, lookup);
    },
  };
}

function provide(decision: Decision, lookup: CredentialLookup): Decision {
  if (decision.kind === "pass") {
    const value = lookup(defaultCredential.name);
    return value === undefined ? decision : withHeader(decision, defaultCredential.header, value);
  }
  if (decision.kind !== "allow") return decision;
  const own = decision.upstreamCredential;
  const { name, header } = own ?? defaultCredential;
  const value = lookup(name);
  if (value !== undefined) return withHeader(decision, header, value);
  if (own === undefined) return decision;
  const { dialect, operation, key, team, requestedModel, revision } = decision;
  const facts = { dialect, operation, key, team, requestedModel, revision };
  return denyDecision(facts, "upstream_credential_missing");
}

/** Envoy removes headers after it has set them, so the header may not stand in both lists. */
function withHeader<D extends AllowDecision | PassDecision>(
  decision: D,
  header: string,
  value: string,
): D {
  const text = header === "authorization" && !value.includes(" ") ? `Bearer ${value}` : value;
  return {
    ...decision,
    setHeaders: [...decision.setHeaders, [header, text]],
    removeHeaders: decision.removeHeaders.filter((name) => name !== header),
  };
}
