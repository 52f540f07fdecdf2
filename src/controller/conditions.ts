// What the status of an object says: whether it was accepted, whether what it names exists, and whether it is in force.
// The words are those of the Gateway API (GEP-713).

import type { CompileProblem, ProblemCause } from "../policy/compile/context.ts";
import type { Problem } from "../policy/problem.ts";
import type {
  Condition,
  ConditionType,
  DesiredCondition,
  DesiredStatus,
  ObjectStatus,
  PolicyObject,
} from "./objects.ts";

/** Characters of a condition's message; the CRD takes 4,096. */
const messageLengthMax = 1024;

/** Reasons of conditions: a closed list, which docs/reference/conditions.md prints. */
export const conditionReasonRows = [
  ["Accepted", "The object can be read and is not in another's way."],
  ["Invalid", "The object cannot be read; the message names the field."],
  ["Conflicted", "An older object has the same name or key; the message names it."],
  ["ResolvedRefs", "Everything that the object names exists."],
  ["TargetNotFound", "An alias leads to a model that is not in the catalogue."],
  ["TeamNotFound", "There is no such Team."],
  ["GroupNotFound", "There is no such AccessGroup; the grant is smaller by it."],
  ["SecretNotFound", "There is no such Secret or entry, or what it holds is no key."],
  ["Cycle", "The alias leads back to itself."],
  ["ChainTooLong", "The alias passes more than 8 aliases."],
  ["Programmed", "The object is in the policy that the authorizers get."],
  ["Unusable", "The object is left out of the policy."],
  ["Pending", "Not decided yet."],
] as const;
type Reason = (typeof conditionReasonRows)[number][0];

const refReasons: Readonly<Record<Exclude<ProblemCause, "conflict">, Reason>> = {
  cycle: "Cycle",
  chain_too_long: "ChainTooLong",
  target_not_found: "TargetNotFound",
  team_not_found: "TeamNotFound",
  group_not_found: "GroupNotFound",
  secret_not_found: "SecretNotFound",
};

/** What keeps an object from being used at all; a missing group only makes a grant smaller. */
const disabling: ReadonlySet<ProblemCause> = new Set([
  "cycle",
  "chain_too_long",
  "target_not_found",
  "team_not_found",
  "secret_not_found",
]);

export type Findings = {
  /** Of the decoder: the object cannot be read. */
  readonly invalid: readonly Problem[];
  /** Of the compiler, those of severity `disabled` only. */
  readonly disabled: readonly CompileProblem[];
  /** Whether the policy that holds the object has been written. */
  readonly isWritten: boolean;
};

/** The conditions of an object, for its generation as it was read. */
export function conditionsOf(
  { metadata }: PolicyObject,
  { invalid, disabled, isWritten }: Findings,
): readonly DesiredCondition[] {
  const condition = (
    type: ConditionType,
    status: Condition["status"],
    reason: Reason,
    message: string,
  ): DesiredCondition => ({
    type,
    status,
    observedGeneration: metadata.generation,
    reason,
    message: message.slice(0, messageLengthMax),
  });
  if (invalid.length > 0) {
    const message = invalid.map(problemText).join("; ");
    return [
      condition("Accepted", "False", "Invalid", message),
      condition("ResolvedRefs", "Unknown", "Pending", "The object cannot be read."),
    ];
  }
  const conflicts = disabled.filter(({ cause }) => cause === "conflict");
  const refs = disabled.filter(({ cause }) => cause !== "conflict");
  const [firstRef] = refs;
  const resolved =
    firstRef === undefined
      ? condition("ResolvedRefs", "True", "ResolvedRefs", "Everything it names exists.")
      : condition("ResolvedRefs", "False", refReason(firstRef), refs.map(problemText).join("; "));
  if (conflicts.length > 0) {
    const message = conflicts.map(problemText).join("; ");
    return [condition("Accepted", "False", "Conflicted", message), resolved];
  }
  const accepted = condition("Accepted", "True", "Accepted", "The object is well-formed.");
  const isUnusable = refs.some(({ cause }) => cause !== undefined && disabling.has(cause));
  if (isUnusable) {
    const message = "It cannot be used: see ResolvedRefs.";
    return [accepted, resolved, condition("Programmed", "False", "Unusable", message)];
  }
  const programmed = isWritten
    ? condition("Programmed", "True", "Programmed", "The authorizers' policy holds it.")
    : condition("Programmed", "False", "Pending", "The authorizers' policy is not written yet.");
  return [accepted, resolved, programmed];
}

function refReason({ cause }: CompileProblem): Reason {
  return cause === undefined || cause === "conflict" ? "TargetNotFound" : refReasons[cause];
}

function problemText({ path, message }: Problem): string {
  return path.length === 0 ? message : `${path.join(".")}: ${message}`;
}

/**
 * The status to write, or undefined when the one that is there says the same. A transition time stays as long as its
 * condition's status does.
 */
export function statusToWrite(
  current: ObjectStatus | undefined,
  desired: DesiredStatus,
  nowMs: number,
): ObjectStatus | undefined {
  const now = new Date(nowMs).toISOString().replace(/\.\d{3}Z$/, "Z");
  const before = new Map(current?.conditions?.map((condition) => [condition.type, condition]));
  const conditions = desired.conditions.map((condition): Condition => {
    const was = before.get(condition.type);
    const kept = was?.status === condition.status ? was.lastTransitionTime : undefined;
    return { ...condition, lastTransitionTime: kept ?? now };
  });
  const status: ObjectStatus = { ...desired, conditions };
  return isSameStatus(current, status) ? undefined : status;
}

/** Whether two statuses say the same, whenever it became so. */
export function isSameStatus(current: ObjectStatus | undefined, wanted: ObjectStatus): boolean {
  if (current === undefined) return false;
  const text = ({ conditions = [], resolvesTo, keys, usableByKeys }: ObjectStatus): string =>
    JSON.stringify([
      [...conditions]
        .sort((a, b) => (a.type < b.type ? -1 : 1))
        .map((each) => [
          each.type,
          each.status,
          each.observedGeneration,
          each.reason,
          each.message,
        ]),
      resolvesTo,
      keys,
      usableByKeys,
    ]);
  return text(current) === text(wanted);
}

/** What became of a condition that others should hear of. */
export type Transition = {
  readonly type: ConditionType;
  readonly from: Condition["status"] | undefined;
  readonly to: Condition;
};

/** Conditions whose status another than before; those that are fine on first sight are no news. */
export function transitionsOf(
  current: ObjectStatus | undefined,
  written: ObjectStatus,
): readonly Transition[] {
  const before = new Map(current?.conditions?.map(({ type, status }) => [type, status]));
  const transitions: Transition[] = [];
  for (const to of written.conditions ?? []) {
    const from = before.get(to.type);
    if (from === to.status || (from === undefined && to.status !== "False")) continue;
    transitions.push({ type: to.type, from, to });
  }
  return transitions;
}
