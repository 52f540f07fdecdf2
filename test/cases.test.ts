// Runs test/cases/*.json: each case by the decision, by the server over both protocols and by `check`, which must agree,
// and compares what comes of it with what the case wants.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { denials } from "../src/core/denials.ts";
import { credentialCarriers } from "../src/core/http/credential.ts";
import { bodyOperations } from "../src/core/http/operations.ts";
import { type Case, type CaseFile, readCaseFiles, toText } from "./cases/case-files.ts";
import {
  bytesOf,
  type Outcome,
  outcomeOfDecision,
  outcomeOfProcess,
  outcomeOfResponse,
} from "./cases/outcome.ts";
import {
  type CaseServer,
  decideCase,
  isForCheck,
  isForProcess,
  runCheckCommand,
  startCaseServer,
} from "./cases/runners.ts";
import { createTempFolder, type TempFolder } from "./support/temp-folder.ts";

/** Cases below which something has gone missing. */
const caseCountMin = 700;

const files = readCaseFiles();
const all = files.flatMap(({ cases }) => cases);
let server: CaseServer;
let folder: TempFolder;

before(async () => {
  server = await startCaseServer();
  folder = createTempFolder("cases");
  for (const { file, manifestText } of files) {
    writeFileSync(join(folder.path, file), manifestText);
  }
});
after(async () => {
  await server.stop();
  folder.remove();
});

for (const file of files) {
  for (const each of file.cases) test(each.name, () => runCase(file, each));
}

async function runCase(file: CaseFile, each: Case): Promise<void> {
  const snapshot = file.policy?.policy.snapshot;
  const decided = outcomeOfDecision(decideCase(each, snapshot), each.request);
  const served = outcomeOfResponse(await server.check(each, snapshot), each.request);
  assert.deepEqual(served, decided, "the server and the decision agree");
  if (isForProcess(each)) {
    const processed = outcomeOfProcess(await server.process(each, snapshot), each.request);
    assert.deepEqual(processed, decided, "ext_proc and the decision agree");
  }
  if (isForCheck(file, each)) {
    const at = { policyFile: join(folder.path, file.file), folder: folder.path };
    const { decision, code } = await runCheckCommand(each, at);
    const checked = outcomeOfDecision(decision, each.request);
    assert.deepEqual(checked, decided, "check and the decision agree");
    assert.equal(code, decided.kind === "deny" ? 1 : 0);
  }
  assertWanted(decided, each);
}

function assertWanted(outcome: Outcome, { want, request, settings, name }: Case): void {
  const { kind, headers: wantedHeaders = {}, ...wanted } = want;
  assert.equal(outcome.kind, kind, JSON.stringify(outcome));
  const facts = new Map<string, unknown>(Object.entries(outcome));
  if ("backend" in outcome) {
    const { backend } = outcome;
    const { body, path = request.path, ...rest } = wanted;
    const wantedBody =
      body === undefined ? bytesOf(request.body) : Buffer.from(toText(name, body), "utf8");
    assert.equal(backend.body, wantedBody.toString("latin1"));
    assert.equal(backend.path, path);
    for (const header of settings.modelHeaders) {
      assert.equal(
        backend.headers.get(header),
        outcome.kind === "pass" ? undefined : want["model"],
      );
    }
    const leaked = settings.keyCarriers.filter((carrier) =>
      carrier === "key" ? /[?&]key=/.test(backend.path) : backend.headers.has(carrier),
    );
    assert.equal(leaked.length > 0, settings.keepCredentials, leaked.join());
    assertHeaders(backend.headers, wantedHeaders);
    assertFacts(facts, { ...rest });
    return;
  }
  const { code, models, body, detail, ...rest } = wanted;
  const answer: unknown = outcome.body === "" ? undefined : JSON.parse(outcome.body);
  if (outcome.kind === "deny") assertRefusal(outcome, request);
  assert.equal(codeOf(answer), code);
  if (models !== undefined) assert.deepEqual(namesOf(answer), models);
  if (body !== undefined) assert.deepEqual(answer, body);
  if (detail !== undefined) assert.ok(outcome.body.includes(String(detail)), outcome.body);
  assertHeaders(outcome.headers, wantedHeaders);
  assertFacts(facts, rest);
}

/** What holds of every refusal: JSON, final or to be tried again, and silent about what the caller holds. */
function assertRefusal(
  { status, headers, body }: Extract<Outcome, { kind: "deny" | "answer" }>,
  request: Case["request"],
): void {
  const isFinal = status < 500;
  assert.equal(headers.get("content-type"), "application/json");
  assert.equal(headers.get("x-should-retry"), isFinal ? "false" : undefined);
  assert.equal(headers.get("retry-after"), status === 503 ? "1" : undefined);
  const held = credentialCarriers.flatMap((carrier) => request.headers.get(carrier) ?? []);
  const words = held.flatMap((value) => value.split(/[ ,]/)).filter(({ length }) => length > 15);
  assert.deepEqual(
    words.filter((word) => body.includes(word)),
    [],
  );
}

function assertFacts(facts: ReadonlyMap<string, unknown>, wanted: object): void {
  for (const [name, value] of Object.entries(wanted)) {
    assert.deepEqual(facts.get(name) ?? null, value, name);
  }
}

/** null: the header is not there. */
function assertHeaders(headers: ReadonlyMap<string, string>, wanted: unknown): void {
  for (const [name, value] of Object.entries(wanted ?? {})) {
    assert.equal(headers.get(name) ?? null, value, name);
  }
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.hasOwn(value, name) ? new Map(Object.entries(value)).get(name) : undefined;
}

/** Where each dialect has the code of a refusal. */
function codeOf(answer: unknown): unknown {
  const error = field(answer, "error");
  const [detail] = [field(error, "details")].flat();
  return field(detail, "reason") ?? field(error, "code") ?? field(answer, "code");
}

/** Names in a list of models, in any dialect. */
function namesOf(answer: unknown): readonly unknown[] {
  const list = field(answer, "data") ?? field(answer, "models");
  assert.ok(Array.isArray(list));
  return list.map((each: unknown) => field(each, "id") ?? field(each, "name"));
}

test("the server refuses what is no HTTP request and what a bug leaves undecided", async () => {
  const never = (): never => {
    throw new Error("a bug");
  };
  const unreadable = await server.checkRaw(undefined, never);
  const internal = await server.checkRaw({ method: "POST", path: "/" }, never);
  const request = {
    method: "POST",
    path: "/",
    headers: new Map(),
    body: { kind: "none" },
  } as const;
  const outcomes = [unreadable, internal].map((response) => outcomeOfResponse(response, request));
  const reasons = outcomes.map((outcome) => (outcome.kind === "deny" ? outcome.reason : ""));
  assert.deepEqual(reasons, ["request_unreadable", "internal"]);
});

test("cases want every deny reason that a decision can give, with the status and code of each", () => {
  const wanted = all.filter(({ want }) => want["kind"] === "deny").map(({ want }) => want);
  // Given by the server and not by a decision: the test above, server.test.ts and process-handler.test.ts of test/envoy,
  // and upstream-credential.test.ts.
  const elsewhere = [
    ...["internal", "overloaded", "request_unreadable", "body_not_buffered"],
    "upstream_credential_missing",
  ];
  const seen = new Set([...wanted.map(({ reason }) => reason), ...elsewhere]);
  const missing = Object.keys(denials).filter((reason) => !seen.has(reason));
  assert.deepEqual(missing, []);
  const incomplete = wanted.filter(
    ({ status, code }) => status === undefined || code === undefined,
  );
  assert.deepEqual(incomplete, []);
});

test("cases are asked over ext_proc too, all but those that tell what only ext_authz can", () => {
  const left = all.filter((each) => !isForProcess(each));
  const [first] = left.map(({ name }) => name);
  assert.ok(left.length * 50 < all.length, `${left.length} are not, one of them ${first}`);
});

test("cases allow every operation with a body", () => {
  const allowed = all.filter(({ want }) => want["kind"] === "allow");
  const paths = new Set(allowed.map(({ request }) => request.path));
  const missing = bodyOperations
    .map(({ path, exact }) => (exact === true ? path : `/v1${path}`))
    .filter((path) => !paths.has(path));
  assert.deepEqual(missing, []);
});

test("cases have names of their own, and every allow has a twin that is refused", () => {
  const names = all.map(({ name }) => name);
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
  const alone = all.filter(({ want, hasTwin, isTwin }) => {
    return want["kind"] === "allow" && !hasTwin && !isTwin;
  });
  assert.deepEqual(
    alone.map(({ name }) => name),
    [],
  );
  const twins = all.filter(({ isTwin }) => isTwin);
  assert.deepEqual(
    twins.filter(({ want }) => want["kind"] !== "deny").map(({ name }) => name),
    [],
  );
  assert.ok(all.length >= caseCountMin, String(all.length));
});
