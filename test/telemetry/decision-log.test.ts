// Tests of the decision log: its fields are a closed list, each with its source; what must not be logged is not.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { CheckObservation } from "../../src/core/observation.ts";
import {
  createDecisionLog,
  createResponseLog,
  decisionLogFields,
  responseLogFields,
  toDecisionLine,
  toResponseLine,
} from "../../src/telemetry/decision-log.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { allowed, answered, denied, observationOf, otherServed, secret } from "./observations.ts";

function withoutUndefined(line: object): object {
  return Object.fromEntries(Object.entries(line).filter(([, value]) => value !== undefined));
}

const ids = { requestId: "request-1", traceId: "0123456789abcdef0123456789abcdef" };
const facts = { dialect: "openai", key: "alice", team: "research", revision: "0123456789abcdef" };
const rest = { bodyBytes: 22, durationUs: 42 };

test("toDecisionLine says of an allow what was asked, what runs and over which aliases", () => {
  assert.deepEqual(withoutUndefined(toDecisionLine(observationOf(allowed))), {
    ...{ ...ids, ...facts, ...rest, decision: "allow", operation: "chat.completions" },
    ...{ requestedModel: "AgentX-LLM", model: "vendor/model", hops: ["AgentX-LLM"] },
  });
});

test("toDecisionLine says of a refusal the reason, the model that failed, and whose grant it was", () => {
  assert.deepEqual(withoutUndefined(toDecisionLine(observationOf(denied))), {
    ...{ ...ids, ...facts, ...rest, decision: "deny", operation: "chat.completions" },
    ...{ status: 403, reason: "model_not_granted", requestedModel: "AgentX-LLM" },
    ...{ refusedModel: "other/model", refusedBy: "team", hops: ["AgentX-LLM"] },
  });
});

test("toDecisionLine says of a refusal without a trace the reason alone, and of an answer its operation", () => {
  const plain = toDecisionLine(
    observationOf({ ...denied, reason: "key_missing", trace: undefined }),
  );
  assert.equal(plain.reason, "key_missing");
  assert.equal(plain.refusedModel, undefined);
  const line = toDecisionLine(observationOf(answered, { status: 200 }));
  assert.deepEqual([line.decision, line.operation, line.status], ["answer", "models.list", 200]);
});

test("toDecisionLine has no field that docs/reference does not list, and together they have all", () => {
  const unknown = { ...denied, keyId: "c5cwkz26" };
  const lines = [allowed, answered, denied, unknown].map((each) =>
    toDecisionLine(observationOf(each)),
  );
  const known: ReadonlySet<string> = new Set(decisionLogFields);
  const seen = new Set(lines.flatMap((line) => Object.keys(withoutUndefined(line))));
  assert.deepEqual(seen, known);
});

const badIds = [
  ...["", "a b", "a\nb", "\u202e", "é", "x".repeat(129)],
  ...["00-xyz-0123456789abcdef-01", "00-0123456789ABCDEF0123456789ABCDEF-0123456789abcdef-01"],
];

test("toDecisionLine takes no id that could harm a log", () => {
  for (const id of badIds.slice(0, 6)) {
    const line = toDecisionLine(
      observationOf(allowed, { headers: new Map([["x-request-id", id]]) }),
    );
    assert.equal(line.requestId, undefined, id);
  }
  for (const id of badIds) {
    const line = toDecisionLine(
      observationOf(allowed, { headers: new Map([["traceparent", id]]) }),
    );
    assert.equal(line.traceId, undefined, id);
  }
  const none = toDecisionLine(observationOf(allowed, { headers: new Map() }));
  assert.deepEqual([none.requestId, none.traceId], [undefined, undefined]);
});

function logged(
  observations: readonly CheckObservation[],
  { allowSample = 1, draw = 0, level = "info" } = {},
): readonly string[] {
  const lines: string[] = [];
  const logger = createLogger(level, { write: (line) => lines.push(line) });
  const log = createDecisionLog(logger, { allowSample, random: () => draw });
  for (const observation of observations) log(observation);
  return lines;
}

test("createDecisionLog writes one JSON line per decision without secret, body or other headers", () => {
  const lines = logged([allowed, answered, denied].map((each) => observationOf(each)));
  assert.equal(lines.length, 3);
  const known: ReadonlySet<string> = new Set([...decisionLogFields, "level", "time", "msg"]);
  for (const line of lines) {
    const parsed: unknown = JSON.parse(line);
    assert.ok(typeof parsed === "object" && parsed !== null);
    assert.deepEqual(
      Object.keys(parsed).filter((name) => !known.has(name)),
      [],
    );
    assert.doesNotMatch(line, /in the body|in the cookie|Bearer|"upstream"/);
    assert.ok(!line.includes(secret));
    assert.match(line, /^[^\n]*\n$/);
  }
});

test("createDecisionLog logs the given share of allows and answers, and every refusal", () => {
  const all = [allowed, answered, denied].map((each) => observationOf(each));
  assert.equal(logged(all, { allowSample: 0.5, draw: 0.49 }).length, 3);
  assert.equal(logged(all, { allowSample: 0.5, draw: 0.5 }).length, 1);
  assert.equal(logged(all, { allowSample: 0, draw: 0 }).length, 1);
  assert.equal(logged(all, { allowSample: 1, draw: 0.999 }).length, 3);
});

test("createDecisionLog writes what the logger would write of the same fields", () => {
  const names = ["plain", 'a"b\\c', "é\u2028\u202e", "\u0000\n", "\ud800", "", "x".repeat(300)];
  const observations = [allowed, answered, denied].flatMap((decision) =>
    names.map((name) => observationOf({ ...decision, requestedModel: name, key: name })),
  );
  const byLogger: string[] = [];
  const logger = createLogger("info", { write: (line) => byLogger.push(line) });
  for (const observation of observations) logger.info(toDecisionLine(observation), "decision");
  const parse = (line: string): unknown => ({ ...JSON.parse(line), time: "" });
  const lines = logged(observations);
  assert.deepEqual(lines.map(parse), byLogger.map(parse));
  assert.match(lines[0] ?? "", /^\{"level":"info","time":"\d{4}-\d\d-\d\dT[\d:.]+Z"/);
});

test("createLogger names levels by words", () => {
  const lines: string[] = [];
  const logger = createLogger("debug", { write: (line) => lines.push(line) });
  for (const level of ["debug", "info", "warn", "error", "fatal"] as const) logger[level]("x");
  const levels = lines.map((line) => (JSON.parse(line) as { readonly level: string }).level);
  assert.deepEqual(levels, ["debug", "info", "warn", "error", "fatal"]);
});

test("createLogger keeps to its level, and silent is silent", () => {
  assert.equal(logged([observationOf(denied)], { level: "silent" }).length, 0);
  assert.equal(logged([observationOf(denied)], { level: "error" }).length, 0);
  assert.equal(logged([observationOf(denied)], { level: "debug" }).length, 1);
});

test("toResponseLine says who asked, what was authorized and what was served, printable, and no more", () => {
  const line = toResponseLine(otherServed);
  assert.deepEqual(line, {
    ...{ ...ids, operation: "chat.completions", key: "alice", team: "research" },
    ...{ model: "vendor/model", servedModels: ["vendor/model", "cheap/???caf?"] },
  });
  assert.deepEqual(new Set(Object.keys(line)), new Set(responseLogFields));
});

test("createResponseLog warns of another model alone", () => {
  const lines: string[] = [];
  const log = createResponseLog(createLogger("warn", { write: (line) => lines.push(line) }));
  for (const served of ["authorized", "unknown", "other"] as const) log({ ...otherServed, served });
  const [line = "", ...others] = lines;
  assert.deepEqual(others, []);
  assert.match(line, /"level":"warn".*"msg":"response"/);
  assert.doesNotMatch(line, /in the cookie|Bearer/);
  assert.ok(!line.includes(secret));
});
