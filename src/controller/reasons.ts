// The reasons of conditions: one closed list, which the reference in docs prints.

import type { ProblemCause } from "../policy/compile/context.ts";

export const conditionReasonRows = [
  ["Accepted", "The object can be read and is not in another's way."],
  ["Invalid", "The object cannot be read; the message names the field."],
  [
    "UnknownField",
    "The object has a field that this controller does not know, as after definitions newer than the controller: it is left out, for the field may narrow what it grants.",
  ],
  ["Conflicted", "An older object has the same name or key; the message names it."],
  ["ResolvedRefs", "Everything that the object names exists."],
  ["TargetNotFound", "An alias leads to a model that is not in the catalogue."],
  ["TeamNotFound", "There is no such Team."],
  ["GroupNotFound", "There is no such AccessGroup; the grant is smaller by it."],
  ["SecretNotFound", "There is no such Secret or entry: the key is off."],
  ["SecretForbidden", "The controller may not read the Secret: the key is off."],
  [
    "SecretUnavailable",
    "The API server has not given the Secret for 5 minutes, or never did: the key is off. Until then it counts as it was read last.",
  ],
  ["SecretInvalid", "What the entry of the Secret holds is no key: the key is off."],
  ["Cycle", "The alias leads back to itself."],
  ["ChainTooLong", "The alias passes more than 8 aliases."],
  ["Programmed", "The object is in the policy that the authorizers get."],
  ["Unusable", "The object is left out of the policy."],
  ["TooLarge", "The object takes more room than a ConfigMap of the policy has: it is left out."],
  [
    "PolicyFull",
    "All objects together take more ConfigMaps than the controller may write: the youngest are left out.",
  ],
  ["Pending", "Not decided yet."],
  ["Ready", "The object is in force, as it is written."],
  ["Disabled", "In force as it is written: switched off."],
  ["TeamDisabled", "In force as it is written: the key's Team is switched off."],
  ["NotYetValid", "In force as it is written: the key's time has not begun."],
  ["Expired", "The key's time is over."],
  ["PreviousExpired", "In force; the secret before the rotation is over, and previous can go."],
  ["GrantsNothing", "In force, but nothing can be used with it."],
  ["Advice", "In force, but perhaps not as meant; the message says what lint says."],
] as const;
export type Reason = (typeof conditionReasonRows)[number][0];

/** What only the controller can tell of a Secret, in place of `secret_not_found`. */
export type SecretCause =
  | "secret_invalid"
  | "secret_forbidden"
  | "secret_unavailable"
  | "secret_unread";

export type ClusterCause = ProblemCause | SecretCause;

export const refReasons: Readonly<Record<Exclude<ClusterCause, "conflict">, Reason>> = {
  cycle: "Cycle",
  chain_too_long: "ChainTooLong",
  target_not_found: "TargetNotFound",
  team_not_found: "TeamNotFound",
  group_not_found: "GroupNotFound",
  secret_not_found: "SecretNotFound",
  secret_invalid: "SecretInvalid",
  secret_forbidden: "SecretForbidden",
  secret_unavailable: "SecretUnavailable",
  secret_unread: "Pending",
};

/** What an object can do without; anything else that is missing turns it off. */
export const harmless: ReadonlySet<ClusterCause> = new Set(["group_not_found"]);
