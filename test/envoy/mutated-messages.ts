// What the tests of mutated messages and the bench of them share: a policy with one alias, clean messages of both of Envoy's
// protocols, seeded mutations, and the run of so many of them.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { createDecider } from "../../src/core/decide.ts";
import type { AllowDecision, Decision } from "../../src/core/decision.ts";
import { defaultDecisionSettings } from "../../src/core/decision-settings.ts";
import { createAliasScope, noAliases } from "../../src/core/permission/alias-scope.ts";
import { toPatternSet } from "../../src/core/permission/pattern-set.ts";
import type { Snapshot } from "../../src/core/permission/snapshot.ts";
import { createCheckHandler } from "../../src/envoy/ext-authz/handler.ts";
import { createProcessHandler } from "../../src/envoy/ext-proc/handler.ts";
import {
  decodeProcessingRequest,
  decodeProcessingResponse,
} from "../../src/envoy/ext-proc/wire.ts";
import { decodeCheckRequest, decodeCheckResponse } from "../../src/envoy/wire.ts";

export const secret = `ag_00000000_${"0".repeat(43)}`;
export const model = "vendor/model";
export const chat = '{"model":"alias","messages":[{"role":"user","content":"hello"}]}';

export function snapshotOf(): Snapshot {
  const none = toPatternSet([]);
  const grant = { models: [toPatternSet([model])], aliases: new Set<string>(), deny: none };
  const key = { name: "k", team: undefined, grant, aliases: noAliases, disabled: false } as const;
  const record = { key: { ...key, notBeforeMs: undefined, expiresAtMs: undefined } };
  const targets = [{ model, weight: 1 }];
  const alias = { name: "alias", targets, stickyBy: { kind: "request" }, hidden: false } as const;
  return {
    revision: "0000000000000000",
    catalogue: { closed: false, models: new Map() },
    aliases: createAliasScope([alias]),
    keys: new Map([[hash("sha256", secret, "hex"), { ...record, validUntilMs: undefined }]]),
  };
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

export function field(number: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

export const header = (key: string, value: string): Buffer =>
  field(3, Buffer.concat([field(1, key), field(2, value)]));
export const http = (...fields: readonly Buffer[]): Buffer => field(2, Buffer.concat(fields));
export const attributes = (...https: readonly Buffer[]): Buffer =>
  field(1, field(4, Buffer.concat(https)));

export const path = field(4, "/v1/chat/completions");
export const headFields = [
  field(2, "POST"),
  header(":path", "/v1/chat/completions"),
  header("authorization", `Bearer ${secret}`),
  header("content-type", "application/json"),
  path,
];
export const clean = [...headFields, field(12, chat)];
export const other = [...headFields, field(12, chat.replace("alias", "gold"))];

type Asked = { readonly decisions: readonly Decision[]; readonly bugs: readonly unknown[] };

export function createAsker(): Asked & { readonly ask: (bytes: Buffer) => Decision } {
  const snapshot = snapshotOf();
  const decisions: Decision[] = [];
  const bugs: unknown[] = [];
  const handler = createCheckHandler({
    decide: createDecider({ ...defaultDecisionSettings, hashSeed: 1 }).decide,
    holder: { current: () => snapshot },
    nowMs: () => 0,
    monotonicUs: () => 0,
    random: () => 0,
    observe: ({ decision }) => decisions.push(decision),
    reportBug: (error) => bugs.push(error),
  });
  const ask = (bytes: Buffer): Decision => {
    const response = decodeCheckResponse(handler.handle(bytes));
    const decision = decisions.at(-1);
    assert.ok(decision !== undefined);
    assert.equal("ok_response" in response, decision.kind === "allow");
    return decision;
  };
  return { decisions, bugs, ask };
}

/** The model in the body that the backend gets: the one received, with the edits made. */
export function modelSent(bytes: Buffer, { bodyEdits }: AllowDecision): unknown {
  let body = decodeCheckRequest(bytes).attributes?.request?.http?.raw_body ?? Buffer.alloc(0);
  for (const { offset, old, new: wanted } of bodyEdits.toReversed()) {
    const end = offset + Buffer.byteLength(old);
    assert.equal(body.subarray(offset, end).toString(), old);
    body = Buffer.concat([body.subarray(0, offset), Buffer.from(wanted), body.subarray(end)]);
  }
  return JSON.parse(body.toString()).model;
}

/** Numbers in [0, 1): the same in each run. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export function mutate(message: Buffer, random: () => number): Buffer {
  const at = (): number => Math.floor(random() * bytes.length);
  let bytes = Buffer.from(message);
  for (let count = 1 + Math.floor(random() * 3); count > 0; count -= 1) {
    const [from, to] = [at(), at()].sort((a, b) => a - b) as [number, number];
    const part = bytes.subarray(from, to);
    const kinds = [
      () => bytes.fill(Math.floor(random() * 256), from, Math.min(from + 1, bytes.length)),
      () => Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]),
      () => Buffer.concat([bytes, part]),
      () => Buffer.concat([bytes.subarray(0, to), part, bytes.subarray(to)]),
      () => Buffer.concat([bytes, message]),
      () => Buffer.concat([bytes.subarray(0, from), Buffer.from([0xff]), bytes.subarray(from)]),
    ];
    bytes = Buffer.from(kinds[Math.floor(random() * kinds.length)]?.() ?? bytes);
  }
  return bytes;
}

/** What came of a run: everything but the allows is a refusal. */
export type MutationRun = {
  readonly count: number;
  /** Models authorized and models sent, in one set. */
  readonly allowed: ReadonlySet<unknown>;
  readonly allows: number;
  readonly bugs: readonly unknown[];
};

export function runMutatedChecks(count: number, seed: number): MutationRun {
  const { ask, bugs } = createAsker();
  const random = seeded(seed);
  const message = attributes(http(...clean));
  const allowed = new Set<unknown>();
  let allows = 0;
  for (let done = 0; done < count; done += 1) {
    const bytes = mutate(message, random);
    const decision = ask(bytes);
    if (decision.kind !== "allow") continue;
    allows += 1;
    allowed.add(decision.model).add(modelSent(bytes, decision));
  }
  return { count, allowed, allows, bugs };
}

const rawHeader = (key: string, value: string): Buffer =>
  field(1, Buffer.concat([field(1, key), field(3, value)]));
const buffered = field(11, Buffer.from([8, 2]));
const processHeaders = Buffer.concat([
  field(
    2,
    field(
      1,
      Buffer.concat([
        rawHeader(":authority", "gateway"),
        rawHeader(":path", "/v1/chat/completions"),
        rawHeader(":method", "POST"),
        rawHeader("authorization", `Bearer ${secret}`),
        rawHeader("content-type", "application/json"),
        rawHeader("content-length", String(chat.length)),
      ]),
    ),
  ),
  buffered,
]);
const processBody = (text: string): Buffer =>
  field(4, Buffer.concat([field(1, text), Buffer.from([16, 1])]));

/** The messages of one stream as Envoy would send them. */
export const cleanStream: readonly Buffer[] = [processHeaders, processBody(chat)];
export const otherStream: readonly Buffer[] = [
  processHeaders,
  processBody(chat.replace("alias", "gold_")),
];

export type StreamAsker = Pick<Asked, "bugs"> & {
  /** The decision on a stream of these messages, and the model that the backend would be sent; each is decided once. */
  readonly ask: (messages: readonly Buffer[]) => readonly [Decision, modelSent: unknown];
};

export function createStreamAsker(): StreamAsker {
  const snapshot = snapshotOf();
  let decisions: Decision[] = [];
  const bugs: unknown[] = [];
  const handler = createProcessHandler({
    ...createDecider({ ...defaultDecisionSettings, hashSeed: 1 }),
    holder: { current: () => snapshot },
    nowMs: () => 0,
    monotonicUs: () => 0,
    random: () => 0,
    observe: ({ decision }) => decisions.push(decision),
    reportBug: (error) => bugs.push(error),
  });
  const ask = (messages: readonly Buffer[]): readonly [Decision, unknown] => {
    decisions = [];
    const stream = handler.open();
    let answer: ReturnType<typeof decodeProcessingResponse> | undefined;
    for (const message of messages) {
      const { pieces, isLast } = stream.take(message);
      answer = decodeProcessingResponse(Buffer.concat(pieces));
      if (isLast) break;
    }
    const [decision] = decisions;
    assert.ok(decision !== undefined && answer !== undefined, "a stream ends with an answer");
    assert.equal(decisions.length, 1);
    assert.equal("request_body" in answer, decision.kind === "allow");
    if (!("request_body" in answer)) return [decision, undefined];
    const came = decodeProcessingRequest(messages.at(-1) ?? Buffer.alloc(0)).request_body?.body;
    const sent = answer.request_body.response.body_mutation?.body ?? came;
    return [decision, JSON.parse(String(sent)).model];
  };
  return { ask, bugs };
}

/** Of each stream the headers, the body or both are mutated. */
export function runMutatedStreams(count: number, seed: number): MutationRun {
  const { ask, bugs } = createStreamAsker();
  const random = seeded(seed);
  const [headers, body] = cleanStream;
  assert.ok(headers !== undefined && body !== undefined);
  const allowed = new Set<unknown>();
  let allows = 0;
  for (let done = 0; done < count; done += 1) {
    const which = random();
    const first = which < 0.6 ? mutate(headers, random) : headers;
    const second = which < 0.4 ? body : mutate(body, random);
    const [decision, sent] = ask([first, second]);
    if (decision.kind !== "allow") continue;
    allows += 1;
    allowed.add(decision.model).add(sent);
  }
  return { count, allowed, allows, bugs };
}
