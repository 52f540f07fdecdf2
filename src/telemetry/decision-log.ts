// One line per decision, and per response of another model than the authorized one, of allow-listed fields only: never a
// secret, a body, or a header value but the two ids.

import type { CheckObservation, ResponseObservation } from "../core/observation.ts";
import type { Logger } from "./logger.ts";

/** Every field that a decision line can have; docs/reference/logs.md prints the list. */
export const decisionLogFields = [
  "requestId",
  "traceId",
  "decision",
  "reason",
  "status",
  "operation",
  "dialect",
  "key",
  "keyId",
  "team",
  "requestedModel",
  "model",
  "hops",
  "refusedModel",
  "refusedBy",
  "revision",
  "bodyBytes",
  "durationUs",
] as const;

/** Every field that a response line can have; docs/reference/logs.md prints the list. */
export const responseLogFields = [
  "requestId",
  "traceId",
  "operation",
  "key",
  "team",
  "model",
  "servedModels",
] as const;

export type ResponseLine = { readonly [Field in (typeof responseLogFields)[number]]?: unknown };

export type DecisionLine = { readonly [Field in (typeof decisionLogFields)[number]]?: unknown };

/** Longest id taken from a header. */
const idLengthMax = 128;

export function toDecisionLine(observation: CheckObservation): DecisionLine {
  const { decision, headers, status, bodyBytes, durationUs } = observation;
  const { operation, dialect, key, keyId, team, requestedModel, revision } = decision;
  return {
    ...idsOf(headers),
    decision: decision.kind,
    status,
    operation,
    dialect,
    key,
    ...(keyId === undefined ? {} : { keyId }),
    team,
    requestedModel,
    revision,
    ...(decision.kind === "allow" ? { model: decision.model, hops: decision.hops } : {}),
    ...(decision.kind === "deny" ? denyFields(decision) : {}),
    bodyBytes,
    durationUs: Math.round(durationUs),
  };
}

function denyFields({
  reason,
  trace,
}: Extract<CheckObservation["decision"], { kind: "deny" }>): DecisionLine {
  if (trace === undefined) return { reason };
  return { reason, refusedModel: trace.model, refusedBy: trace.refusedBy, hops: trace.hops };
}

function idsOf(headers: ReadonlyMap<string, string>): Pick<ResponseLine, "requestId" | "traceId"> {
  return {
    requestId: idOf(headers.get("x-request-id"), /^[\x21-\x7e]+$/),
    traceId: headers.get("traceparent")?.match(/^[0-9a-f]{2}-([0-9a-f]{32})-/)?.[1],
  };
}

function idOf(value: string | undefined, pattern: RegExp): string | undefined {
  return value !== undefined && value.length <= idLengthMax && pattern.test(value)
    ? value
    : undefined;
}

/**
 * Logs every refusal, and of the allows and answers the given share. The line is what the logger would write, put together
 * field by field: the logger's own way costs twice as much.
 */
export function createDecisionLog(
  logger: Logger,
  { allowSample, random }: { readonly allowSample: number; readonly random: () => number },
): (observation: CheckObservation) => void {
  return (observation) => {
    if (observation.decision.kind !== "deny" && allowSample < 1 && random() >= allowSample) return;
    if (!logger.isLevelEnabled("info")) return;
    logger.output.write(decisionText(toDecisionLine(observation), new Date().toISOString()));
  };
}

/** The fields in the order in which every line has them. */
function decisionText(line: DecisionLine, time: string): string {
  let text = `{"level":"info","time":"${time}"`;
  for (const field of decisionLogFields) {
    const value = line[field];
    if (value !== undefined) text += `,"${field}":${jsonText(value)}`;
  }
  return `${text},"msg":"decision"}\n`;
}

function jsonText(value: unknown): string {
  // What needs no escapes, of JSON's or of a reader of lines.
  if (typeof value === "string" && /^[ !#-[\]-~]*$/.test(value)) return `"${value}"`;
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}

export function toResponseLine(observation: ResponseObservation): ResponseLine {
  const { operation, key, team, model, servedModels, headers } = observation;
  const printable = servedModels.map((name) => name.replaceAll(/[^\x20-\x7e]/g, "?"));
  return { ...idsOf(headers), operation, key, team, model, servedModels: printable };
}

/** Logs each response in which a backend named another model than the authorized one. */
export function createResponseLog(logger: Logger): (observation: ResponseObservation) => void {
  return (observation) => {
    if (observation.served === "other") logger.warn(toResponseLine(observation), "response");
  };
}
