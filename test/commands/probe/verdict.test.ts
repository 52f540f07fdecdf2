// What the probe makes of answers: each finding from the answers that show it, and nothing from those of a whole chain.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type ProbeFinding, probeFindings } from "../../../src/commands/probe/findings.ts";
import { type ProbeStep, probeRequests, probeSteps } from "../../../src/commands/probe/requests.ts";
import { answerOf } from "../../../src/commands/probe/send.ts";
import { judge, type ProbeAnswer, type Verdict } from "../../../src/commands/probe/verdict.ts";

const options = {
  key: "k".repeat(20),
  alias: "AgentX-LLM",
  forbidden: "vendor/other",
  modelHeaders: ["x-model", "x-ai-model"],
  bodyBytes: 1000,
};
const requests = probeRequests(options);

const refusal = (status: number, code: string): ProbeAnswer =>
  answerOf(status, Buffer.from(JSON.stringify({ error: { message: "no", code } })));
const ran = (model: string): ProbeAnswer => answerOf(200, Buffer.from(JSON.stringify({ model })));
const foreign = (status: number, body = "no"): ProbeAnswer => answerOf(status, Buffer.from(body));
const timeout: ProbeAnswer = { kind: "timeout", why: "no answer" };

/** What a whole chain answers. */
const whole: ReadonlyMap<ProbeStep, ProbeAnswer> = new Map(
  requests.map(({ step, wanted }) => {
    if (wanted.kind === "served") return [step, ran("vendor/model")];
    if (wanted.kind === "no_upgrade") return [step, refusal(400, "upgrade_not_allowed")];
    return [step, refusal(wanted.status, wanted.code)];
  }),
);
const all = (answer: ProbeAnswer) =>
  Object.fromEntries(requests.map(({ step }) => [step, answer])) as Changed;
type Changed = Readonly<Partial<Record<ProbeStep, ProbeAnswer>>>;

const verdictOf = (changed: Changed, model: string | undefined = undefined): Verdict => {
  const answers = new Map([...whole, ...(Object.entries(changed) as [ProbeStep, ProbeAnswer][])]);
  const { alias, forbidden } = options;
  return judge(requests, answers, { alias, forbidden, model });
};

test("probeRequests has one request for each step, in their order", () => {
  assert.deepEqual(
    requests.map(({ step }) => step),
    Object.keys(probeSteps),
  );
  for (const { step, body, headers } of requests) {
    const { model } = JSON.parse(body) as { readonly model: string };
    assert.equal(model, step.includes("forbidden") ? options.forbidden : options.alias, step);
    const isBig = step.includes("big");
    assert.equal(Buffer.byteLength(body) === options.bodyBytes, isBig, step);
    const names = headers.map(([name]) => name);
    assert.equal(names.includes("authorization"), !step.includes("no_key"), step);
    const spoofs = step.includes("spoofed");
    assert.deepEqual(
      options.modelHeaders.map((name) => names.includes(name)),
      [spoofs, spoofs],
      step,
    );
  }
});

test("a big body names its model at its beginning or at its end", () => {
  const bodyOf = (step: ProbeStep): string =>
    requests.find((each) => each.step === step)?.body ?? "";
  assert.ok(bodyOf("big_first").startsWith('{"model":"AgentX-LLM",'));
  assert.ok(bodyOf("big_last").endsWith('"model":"AgentX-LLM"}'));
  assert.ok(bodyOf("big_forbidden").endsWith('"model":"vendor/other"}'));
});

type Row = readonly [name: string, changed: Changed, findings: readonly ProbeFinding[]];

const rows: readonly Row[] = [
  ["a whole chain", {}, []],
  ["an upgrade that Envoy refuses itself", { upgrade: answerOf(403, Buffer.alloc(0)) }, []],
  ["an alias of several targets", { alias_spoofed: ran("vendor/second") }, []],
  ["a backend that names no model", { alias: foreign(200), alias_spoofed: foreign(200) }, []],
  [
    "a backend whose limit was met",
    { alias_spoofed: foreign(429), big_first: foreign(429) },
    ["rate_limited"],
  ],
  [
    "a limit of the gateway's",
    { alias_spoofed: refusal(429, "rate_limit_exceeded") },
    ["rate_limited"],
  ],
  [
    "a limit before the check",
    { forbidden: refusal(429, "rate_limit_exceeded") },
    ["forbidden_served"],
  ],
  ["nothing at all", all(timeout), ["no_answer", "upgrade_hangs"]],
  [
    "a server of another kind",
    all(foreign(404)),
    ["backend_failing", "unchecked", "forbidden_served", "upgrade_served", "path_open"],
  ],
  // The backend's own refusal is not the authorizer's.
  ["a key that the backend asks for", { no_key: foreign(401) }, ["unchecked", "header_believed"]],
  [
    "a code of another's",
    { no_key: refusal(401, "invalid_api_key") },
    ["unchecked", "header_believed"],
  ],
  [
    "a right code with a wrong status",
    { forbidden: refusal(500, "model_forbidden") },
    ["forbidden_served", "header_believed"],
  ],
  ["no check, and a refusing route", all(refusal(503, "not_authorized")), ["check_missing"]],
  [
    "no check, and the pending path's route",
    { ...all(refusal(503, "not_authorized")), pending_path: refusal(500, "rewrite_failed") },
    ["check_missing"],
  ],
  [
    "a decision that no route is chosen by",
    { alias: refusal(503, "not_authorized") },
    ["route_not_chosen", "header_believed"],
  ],
  ["a forbidden model that is run", { big_forbidden: ran("vendor/other") }, ["forbidden_served"]],
  ["a forbidden model over HTTP/2", { http2_forbidden: foreign(400) }, ["forbidden_served"]],
  ["no check over HTTP/2", { http2_no_key: ran("vendor/model") }, ["unchecked"]],
  [
    "a header that chooses the backend",
    { alias_spoofed: ran("vendor/other") },
    ["header_believed"],
  ],
  ["a header that opens", { no_key_spoofed: ran("x") }, ["header_believed", "unchecked"]],
  [
    "a header that lets a model through",
    { forbidden_spoofed: ran("x") },
    ["header_believed", "forbidden_served"],
  ],
  [
    "no splice",
    { alias: refusal(500, "rewrite_failed"), alias_spoofed: refusal(500, "rewrite_failed") },
    ["splice_missing"],
  ],
  ["bodies as text", { big_last: refusal(500, "body_not_raw") }, ["bodies_not_whole"]],
  [
    "bodies that are not waited for",
    { big_last: refusal(500, "body_not_buffered") },
    ["bodies_not_whole"],
  ],
  ["no bodies", { big_last: refusal(400, "body_missing") }, ["bodies_not_whole"]],
  ["a cut", { big_last: refusal(413, "request_too_large") }, ["bodies_cut"]],
  ["a limit of Envoy's", { big_forbidden: foreign(413) }, ["bodies_cut"]],
  ["small windows", { http2_big: foreign(413) }, ["bodies_cut"]],
  [
    "an authorizer that is gone",
    all(refusal(503, "authorization_unavailable")),
    ["authorizer_unavailable"],
  ],
  ["and no local replies", all(answerOf(503, Buffer.alloc(0))), ["authorizer_unavailable"]],
  ["and one that is silent", all(answerOf(504, Buffer.alloc(0))), ["authorizer_unavailable"]],
  ["no policy", all(refusal(503, "policy_missing")), ["authorizer_unavailable"]],
  ["a wrong key", { http2: refusal(401, "key_invalid") }, ["key_refused"]],
  ["an alias that is not granted", { http2: refusal(403, "model_forbidden") }, ["alias_refused"]],
  ["a backend that is gone", { http2: refusal(503, "backend_unavailable") }, ["backend_failing"]],
  ["no credential", { http2: refusal(503, "upstream_credential_missing") }, ["backend_failing"]],
  ["an upgrade", { upgrade: answerOf(101, Buffer.from("upgraded")) }, ["upgrade_served"]],
  ["an upgrade that is ignored", { upgrade: ran("vendor/model") }, ["upgrade_served"]],
  ["an upgrade without an answer", { upgrade: timeout }, ["upgrade_hangs"]],
  ["a path of the backend's", { unknown_path: foreign(404) }, ["path_open"]],
  ["the pending path", { pending_path: ran("vendor/model") }, ["path_open"]],
  ["a broken connection", { big_last: { kind: "failed", why: "ECONNRESET" } }, ["no_answer"]],
];

for (const [name, changed, findings] of rows) {
  test(`judge makes of ${name}: ${findings.join(", ") || "nothing"}`, () => {
    assert.deepEqual(verdictOf(changed).findings, findings);
  });
}

test("judge compares the model with the one that the alias stands for, where both are known", () => {
  assert.deepEqual(verdictOf({}, "vendor/model").findings, []);
  assert.deepEqual(verdictOf({}, "vendor/other-model").findings, ["model_differs"]);
  const shown = Object.fromEntries(
    requests
      .filter(({ wanted }) => wanted.kind === "served")
      .map(({ step }) => [step, ran("AgentX-LLM")]),
  );
  const { findings, unseen } = verdictOf(shown, "vendor/model");
  assert.deepEqual([findings, unseen.includes("model")], [[], true]);
});

test("judge says what it could not see", () => {
  assert.deepEqual(verdictOf({}).unseen, ["failures_allowed", "early_removal"]);
  assert.deepEqual(verdictOf({ alias_spoofed: ran("vendor/other") }).unseen, ["failures_allowed"]);
  const notSpoken: ProbeAnswer = { kind: "not_spoken", why: "closed" };
  const { findings, unseen, steps } = verdictOf({ http2: notSpoken });
  assert.deepEqual(findings, []);
  assert.ok(unseen.includes("http2"));
  assert.equal(steps.find(({ step }) => step === "http2")?.outcome, "unseen");
  const silent = Object.fromEntries(requests.map(({ step }) => [step, foreign(200)]));
  assert.ok(verdictOf(silent).unseen.includes("model"));
});

test("every finding is made by a row of these tests", () => {
  const made = new Set<string>([...rows.flatMap(([, , findings]) => findings), "model_differs"]);
  assert.deepEqual([...made].sort(), Object.keys(probeFindings).sort());
});

test("answerOf takes any body", () => {
  for (const body of ["", "x", "null", "[]", '{"error":1}', '{"error":{"code":1},"model":{}}']) {
    const answer = answerOf(200, Buffer.from(body));
    assert.ok(answer.kind === "answer");
    assert.deepEqual([answer.code, answer.model], [undefined, undefined]);
  }
});
