// What the status of an object says: whether it was accepted, whether what it names exists, and whether it is in force.
// The words are those of the Gateway API (GEP-713).

import { unknownFieldWords } from "../policy/decode/field-reader.ts";
import type { Problem } from "../policy/problem.ts";
import type {
  Condition,
  ConditionType,
  DesiredCondition,
  DesiredStatus,
  ObjectStatus,
  PolicyObject,
} from "./objects.ts";
import { type ClusterCause, harmless, type Reason, refReasons } from "./reasons.ts";
import type { Validity } from "./validity.ts";

/** Characters of a condition's message; the CRD takes 4,096. */
const messageLengthMax = 1024;

/** What is wrong with an object in its policy; `cause` says what keeps it from being in force as written. */
export type ClusterProblem = Problem & { readonly cause: ClusterCause | undefined };

export type Findings = {
  /** Of the decoder: the object cannot be read. */
  readonly invalid: readonly Problem[];
  /** Of the compiler, those of severity `disabled` only. */
  readonly disabled: readonly ClusterProblem[];
  /** Of the compiler, those of severity `advice`. */
  readonly advice: readonly Problem[];
  /** Why there is no room for it in the policy. */
  readonly leftOut: { readonly reason: Reason; readonly message: string } | undefined;
  /** What an object that is in force says of itself: switched off, over, empty. */
  readonly validity: Validity | undefined;
  /** Whether the policy that holds the object has been written. */
  readonly isWritten: boolean;
};

type Make = (
  type: ConditionType,
  status: Condition["status"],
  reason: Reason,
  message: string,
) => DesiredCondition;

/**
 * The conditions of an object, for its generation as it was read. `Ready` sums up the others for who reads one only: Helm,
 * Flux, `kubectl wait` and the printed columns.
 */
export function conditionsOf(
  { metadata }: PolicyObject,
  findings: Findings,
): readonly DesiredCondition[] {
  const condition: Make = (type, status, reason, message) => ({
    type,
    status,
    observedGeneration: metadata.generation,
    reason,
    message: message.slice(0, messageLengthMax),
  });
  const found = findingsAsConditions(findings, condition);
  const { advice } = findings;
  const advised =
    advice.length === 0
      ? []
      : [condition("Advice", "True", "Advice", advice.map(problemText).join("; "))];
  return [...found, readyOf(found, findings, condition), ...advised];
}

function findingsAsConditions(
  { invalid, disabled, leftOut, isWritten }: Findings,
  condition: Make,
): readonly DesiredCondition[] {
  if (invalid.length > 0) {
    const isUnknown = invalid.every(({ message }) => message.startsWith(unknownFieldWords));
    const texts = invalid.map(problemText).join("; ");
    const hint = "this controller is older than the definition, or the field is misspelt";
    return [
      isUnknown
        ? condition("Accepted", "False", "UnknownField", `${texts}; ${hint}`)
        : condition("Accepted", "False", "Invalid", texts),
      condition("ResolvedRefs", "Unknown", "Pending", "The object cannot be read."),
    ];
  }
  const conflicts = disabled.filter(({ cause }) => cause === "conflict");
  const refs = disabled.filter(({ cause }) => cause !== "conflict");
  const [firstRef] = refs.toSorted((a, b) => Number(isHarmless(a)) - Number(isHarmless(b)));
  const resolved =
    firstRef === undefined
      ? condition("ResolvedRefs", "True", "ResolvedRefs", "Everything it names exists.")
      : condition("ResolvedRefs", "False", refReason(firstRef), refs.map(problemText).join("; "));
  if (conflicts.length > 0) {
    const message = conflicts.map(problemText).join("; ");
    return [condition("Accepted", "False", "Conflicted", message), resolved];
  }
  const accepted = condition("Accepted", "True", "Accepted", "The object is well-formed.");
  if (leftOut !== undefined) {
    const { reason, message } = leftOut;
    return [accepted, resolved, condition("Programmed", "False", reason, message)];
  }
  if (refs.some((ref) => !isHarmless(ref))) {
    const message = "It cannot be used: see ResolvedRefs.";
    return [accepted, resolved, condition("Programmed", "False", "Unusable", message)];
  }
  const programmed = isWritten
    ? condition("Programmed", "True", "Programmed", "The authorizers' policy holds it.")
    : condition("Programmed", "False", "Pending", "The authorizers' policy is not written yet.");
  return [accepted, resolved, programmed];
}

/** False with the words of the first condition that is not True; else what the object says of itself, or an advice. */
function readyOf(
  conditions: readonly DesiredCondition[],
  { validity, advice }: Findings,
  condition: Make,
): DesiredCondition {
  const bad = conditions.find(({ status }) => status !== "True");
  if (bad !== undefined) return condition("Ready", "False", bad.reason as Reason, bad.message);
  if (validity !== undefined) {
    const { isReady, reason, message } = validity;
    return condition("Ready", isReady ? "True" : "False", reason, message);
  }
  if (advice.length === 0) return condition("Ready", "True", "Ready", "In force.");
  return condition("Ready", "True", "Advice", advice.map(problemText).join("; "));
}

/** The key stays in force without its previous secret, as a grant does without a group. */
function isHarmless({ cause, path }: ClusterProblem): boolean {
  return cause === undefined || harmless.has(cause) || path[1] === "previous";
}

function refReason({ cause }: ClusterProblem): Reason {
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
  return current !== undefined && statusText(current) === statusText(wanted);
}

function statusText({ conditions = [], ...fields }: ObjectStatus): string {
  const told = [...conditions]
    .sort((a, b) => (a.type < b.type ? -1 : 1))
    .map((each) => [each.type, each.status, each.observedGeneration, each.reason, each.message]);
  return JSON.stringify([told, Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** What became of a condition that others should hear of. */
export type Transition = {
  readonly type: ConditionType;
  readonly from: Condition["status"] | undefined;
  readonly to: Condition;
};

/**
 * What others should hear of: that an object is no longer ready, or is so again, or is not for another reason. An object
 * that is fine on first sight is no news.
 */
export function transitionsOf(
  current: ObjectStatus | undefined,
  written: ObjectStatus,
): readonly Transition[] {
  const was = current?.conditions?.find(({ type }) => type === "Ready");
  const to = written.conditions?.find(({ type }) => type === "Ready");
  if (to === undefined) return [];
  const isBad = to.status !== "True";
  const isNews = isBad ? was?.status !== to.status || was.reason !== to.reason : wasBad(was);
  return isNews ? [{ type: to.type, from: was?.status, to }] : [];
}

/** Not a wait for the first policy, which every object begins with where that is slow. */
function wasBad(was: Condition | undefined): boolean {
  return was !== undefined && was.status !== "True" && was.reason !== "Pending";
}
