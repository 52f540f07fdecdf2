// Answers -> what is whole, what is missing, what could not be seen. Pure; never throws on any answer.

import { denials } from "../../core/denials.ts";
import { saysSameModel } from "../../core/response/model.ts";
import type { ProbeFinding, ProbeUnseen } from "./findings.ts";
import type { ProbeRequest, ProbeStep, Wanted } from "./requests.ts";

export type ProbeAnswer =
  | {
      readonly kind: "answer";
      readonly status: number;
      /** The code in the envelope of an error; undefined: none, or not read. */
      readonly code: string | undefined;
      /** The model that the answer names. */
      readonly model: string | undefined;
      readonly isEmpty: boolean;
    }
  /** `timeout`: nothing came. `failed`: the connection broke. `not_spoken`: HTTP/2 is not. */
  | { readonly kind: "timeout" | "failed" | "not_spoken"; readonly why: string };

export type StepVerdict = {
  readonly step: ProbeStep;
  readonly outcome: "ok" | "failed" | "unseen";
  readonly findings: readonly ProbeFinding[];
  readonly answer: ProbeAnswer;
};

export type Verdict = {
  readonly steps: readonly StepVerdict[];
  /** Each once, in the order of the steps. */
  readonly findings: readonly ProbeFinding[];
  readonly unseen: readonly ProbeUnseen[];
};

export type Expectation = {
  readonly alias: string;
  readonly forbidden: string;
  /** The model that the alias stands for, where the prober knows it. */
  readonly model: string | undefined;
};

type Answers = ReadonlyMap<ProbeStep, ProbeAnswer>;

/** `answers` has one for each request. */
export function judge(
  requests: readonly ProbeRequest[],
  answers: Answers,
  expected: Expectation,
): Verdict {
  const steps = requests.map(({ step, wanted }): StepVerdict => {
    const answer = answers.get(step) ?? { kind: "failed", why: "was not sent" };
    if (answer.kind === "not_spoken") return { step, outcome: "unseen", findings: [], answer };
    const spoofed = spoofFinding(step, answer, { answers, forbidden: expected.forbidden });
    const wrong =
      fault(step, { answer, wanted, answers }) ?? modelFinding(wanted, answer, expected);
    // Whatever else an alias ends in there, the header is the cause.
    const isExplained = spoofed !== undefined && wanted.kind === "served";
    const found = (isExplained ? [spoofed] : [spoofed, wrong]).filter((each) => each !== undefined);
    return { step, outcome: found.length === 0 ? "ok" : "failed", findings: found, answer };
  });
  const findings = [...new Set(steps.flatMap((each) => each.findings))];
  const models = [...answers.values()].map(modelOf);
  const isModelSeen = models.some((model) => model !== undefined && model !== expected.alias);
  const unseen: ProbeUnseen[] = ["failures_allowed"];
  if (!findings.includes("header_believed")) unseen.push("early_removal");
  if (!isModelSeen) unseen.push("model");
  if (steps.some(({ outcome }) => outcome === "unseen")) unseen.push("http2");
  return { steps, findings, unseen };
}

const isServed = (answer: ProbeAnswer): boolean =>
  answer.kind === "answer" && answer.status >= 200 && answer.status < 300;
const codeOf = (answer: ProbeAnswer | undefined): string | undefined =>
  answer?.kind === "answer" ? answer.code : undefined;
const modelOf = (answer: ProbeAnswer): string | undefined =>
  answer.kind === "answer" && isServed(answer) ? answer.model : undefined;

const ownCodes: ReadonlySet<string> = new Set(Object.values(denials).map(({ code }) => code));

/** Steps that differ from another one in a caller's own model header alone. */
const plainOf: Partial<Record<ProbeStep, ProbeStep>> = {
  no_key_spoofed: "no_key",
  forbidden_spoofed: "forbidden",
  alias_spoofed: "alias",
};

/** Where the header is all that differs, the answers must not. */
function spoofFinding(
  step: ProbeStep,
  answer: ProbeAnswer,
  { answers, forbidden }: { readonly answers: Answers; readonly forbidden: string },
): ProbeFinding | undefined {
  const plain = answers.get(plainOf[step] ?? step);
  if (plainOf[step] === undefined || plain === undefined) return undefined;
  if (plain.kind !== "answer" || answer.kind !== "answer") return undefined;
  // What comes and goes is no sign of a header.
  if (isTransient(plain) || isTransient(answer)) return undefined;
  if (plain.status !== answer.status || plain.code !== answer.code) return "header_believed";
  // An alias may have several targets: only the model that was asked for by header is a sign.
  const ranForbidden = (each: ProbeAnswer): boolean =>
    saysSameModel(modelOf(each) ?? "", forbidden);
  return ranForbidden(answer) && !ranForbidden(plain) ? "header_believed" : undefined;
}

/** A gateway's refusal for now, or a backend's own. */
function isTransient(answer: ProbeAnswer): boolean {
  if (answer.kind !== "answer") return true;
  const { status, code = "" } = answer;
  if (["authorization_unavailable", "overloaded", "backend_unavailable"].includes(code))
    return true;
  const isGateways = isOwn(code) || code === "not_authorized" || code === "rewrite_failed";
  return !isGateways && (status === 429 || status >= 500);
}

type Found = {
  readonly answer: ProbeAnswer;
  readonly wanted: Wanted;
  readonly answers: Answers;
};

/** What is wrong with an answer; undefined: it is the one that was wanted. */
function fault(step: ProbeStep, { answer, wanted, answers }: Found): ProbeFinding | undefined {
  if (answer.kind !== "answer") {
    return step === "upgrade" && answer.kind === "timeout" ? "upgrade_hangs" : "no_answer";
  }
  const { status, code } = answer;
  if (wanted.kind === "served") {
    if (isServed(answer)) return undefined;
    // Limits stand behind the check: where a refusal was wanted, one is as wrong as any other answer.
    if (status === 429) return "rate_limited";
    return causeOf(answer, answers) ?? (isOwn(code) ? "alias_refused" : "backend_failing");
  }
  if (wanted.kind === "no_upgrade") {
    const isRefused = status === 400 || status === 403 || status === 426;
    if (isRefused && (isOwn(code) || answer.isEmpty)) return undefined;
    return causeOf(answer, answers) ?? "upgrade_served";
  }
  if (status === wanted.status && code === wanted.code) return undefined;
  return causeOf(answer, answers) ?? refusalFinding(step);
}

const isOwn = (code: string | undefined): boolean => code !== undefined && ownCodes.has(code);

/** Whatever came in a refusal's place is none of the authorizer's or of Envoy's. */
function refusalFinding(step: ProbeStep): ProbeFinding {
  if (step === "unknown_path" || step === "pending_path") return "path_open";
  return step.includes("no_key") ? "unchecked" : "forbidden_served";
}

const causes: ReadonlyMap<string, ProbeFinding> = new Map<string, ProbeFinding>([
  ["body_not_raw", "bodies_not_whole"],
  ["body_not_buffered", "bodies_not_whole"],
  ["body_missing", "bodies_not_whole"],
  ["request_too_large", "bodies_cut"],
  ["authorization_unavailable", "authorizer_unavailable"],
  ["policy_missing", "authorizer_unavailable"],
  ["overloaded", "authorizer_unavailable"],
  ["internal", "authorizer_unavailable"],
  ["key_invalid", "key_refused"],
  ["backend_unavailable", "backend_failing"],
  ["upstream_credential_missing", "backend_failing"],
]);

/** What an answer says of the chain whatever was asked. */
function causeOf(answer: ProbeAnswer, answers: Answers): ProbeFinding | undefined {
  if (answer.kind !== "answer") return undefined;
  const { status, code, isEmpty } = answer;
  if (code === "not_authorized" || code === "rewrite_failed") {
    // Envoy's own routes refused; an authorizer that is asked refuses a request without a key itself.
    if (!isOwn(codeOf(answers.get("no_key")))) return "check_missing";
    return code === "rewrite_failed" ? "splice_missing" : "route_not_chosen";
  }
  const cause = code === undefined ? undefined : causes.get(code);
  if (cause !== undefined) return cause;
  if (status === 413) return "bodies_cut";
  // Envoy's own, where no local replies say more.
  return isEmpty && (status === 503 || status === 504) ? "authorizer_unavailable" : undefined;
}

function modelFinding(
  wanted: Wanted,
  answer: ProbeAnswer,
  { alias, model }: Expectation,
): ProbeFinding | undefined {
  const said = modelOf(answer);
  if (wanted.kind !== "served" || model === undefined || said === undefined) return undefined;
  // The gateway may show the caller its own name for the model (--response-model requested).
  return said === alias || saysSameModel(said, model) ? undefined : "model_differs";
}
