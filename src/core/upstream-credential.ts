// The backend's own credential in place of the caller's key. Its value is put into the headers of an allow and nowhere
// else: no policy, log or metric ever holds it.

import type { Decider } from "./decide.ts";
import { type AllowDecision, type Decision, denyDecision, type PassDecision } from "./decision.ts";
import type { DecisionSettings } from "./decision-settings.ts";
import {
  keyCarriers as allCarriers,
  credentialCarriers,
  type KeyCarrier,
} from "./http/credential.ts";
import { keyParameter, queryKey } from "./http/query-rules.ts";
import { editTarget, splitTarget } from "./http/target.ts";
import type { UpstreamCredential } from "./permission/snapshot.ts";

/** The credential's value by its name; undefined where there is none now. */
export type CredentialLookup = (name: string) => string | undefined;

/** What every model gets that names no credential of its own, and every unchecked route, where there is one so named. */
export const defaultCredential: UpstreamCredential = { name: "default", header: "authorization" };

/** A model whose credential is not there is refused: the backend would refuse it, or serve it as somebody else. */
export function withUpstreamCredentials(
  decider: Decider,
  lookup: CredentialLookup,
  settings: Pick<DecisionSettings, "keepCredentials" | "keyCarriers">,
): Decider {
  const { keepCredentials, keyCarriers } = settings;
  const removed = new Set<KeyCarrier>(
    allCarriers.filter((carrier) => !(keepCredentials && keyCarriers.includes(carrier))),
  );
  return {
    decide: (...parameters) =>
      provide(decider.decide(...parameters), { lookup, removed, path: parameters[1].path }),
    decideHeaders(...parameters) {
      const decision = decider.decideHeaders(...parameters);
      return decision && provide(decision, { lookup, removed, path: parameters[1].path });
    },
  };
}

type Provision = {
  readonly lookup: CredentialLookup;
  /** Carriers that do not reach the backend beside the credential. */
  readonly removed: ReadonlySet<KeyCarrier>;
  /** The target as it came. */
  readonly path: string;
};

function provide(decision: Decision, provision: Provision): Decision {
  const { lookup } = provision;
  if (decision.kind === "pass") {
    const value = lookup(defaultCredential.name);
    return value === undefined
      ? decision
      : withHeader(decision, { header: defaultCredential.header, value }, provision);
  }
  if (decision.kind !== "allow") return decision;
  const own = decision.upstreamCredential;
  const { name, header } = own ?? defaultCredential;
  const value = lookup(name);
  if (value !== undefined) return withHeader(decision, { header, value }, provision);
  if (own === undefined) return decision;
  const { dialect, operation, key, team, requestedModel, revision } = decision;
  const facts = { dialect, operation, key, team, requestedModel, revision };
  return denyDecision(facts, "upstream_credential_missing");
}

/**
 * Beside it no other credential reaches the backend, not even one in a carrier that is not ours: LiteLLM believes
 * `x-litellm-api-key` before `authorization`, and the caller would choose the account; a key that the setting keeps stays. Envoy removes headers after it has
 * set them, so the header may not stand in both lists.
 */
function withHeader<D extends AllowDecision | PassDecision>(
  decision: D,
  { header, value }: { readonly header: string; readonly value: string },
  { removed, path }: Provision,
): D {
  const text = header === "authorization" && !value.includes(" ") ? `Bearer ${value}` : value;
  const target = splitTarget(decision.path ?? path);
  const holdsKey = removed.has(keyParameter) && queryKey(target.query) !== undefined;
  return {
    ...decision,
    path: holdsKey ? editTarget(target, { remove: theKey }) : decision.path,
    setHeaders: [...decision.setHeaders, [header, text]],
    removeHeaders: [
      ...new Set([
        ...decision.removeHeaders,
        ...credentialCarriers.filter((each) => removed.has(each)),
      ]),
    ].filter((name) => name !== header),
  };
}

const theKey: ReadonlySet<string> = new Set([keyParameter]);
