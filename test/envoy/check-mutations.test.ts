// CheckRequests that no Envoy sends: repeated fields and 20,000 seeded mutations. None fails, none crashes, and none is
// allowed another model than its own body says once the edits are made.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { createDecider } from "../../src/core/decide.ts";
import type { AllowDecision, Decision } from "../../src/core/decision.ts";
import { defaultDecisionSettings } from "../../src/core/decision-settings.ts";
import { toPatternSet } from "../../src/core/pattern-set.ts";
import type { Snapshot } from "../../src/core/snapshot.ts";
import { createCheckHandler } from "../../src/envoy/check-handler.ts";
import { pathInPrefix, readCheckRequest } from "../../src/envoy/check-request.ts";
import { decodeCheckRequest, decodeCheckResponse } from "../../src/envoy/wire.ts";

const secret = `ag_00000000_${"0".repeat(43)}`;
const model = "vendor/model";
const chat = '{"model":"alias","messages":[{"role":"user","content":"hello"}]}';

function snapshotOf(): Snapshot {
  const none = toPatternSet([]);
  const grant = { models: toPatternSet([model]), aliases: new Set<string>(), deny: none };
  const key = { name: "k", team: undefined, grant, aliases: new Map(), disabled: false } as const;
  const record = { key: { ...key, notBeforeMs: undefined, expiresAtMs: undefined } };
  const targets = [{ model, weight: 1 }];
  const alias = { name: "alias", targets, stickyBy: { kind: "request" }, hidden: false } as const;
  return {
    revision: "0000000000000000",
    catalogue: undefined,
    aliases: new Map([["alias", alias]]),
    keys: new Map([[hash("sha256", secret, "hex"), { ...record, validUntilMs: undefined }]]),
  };
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

function field(number: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

const header = (key: string, value: string): Buffer =>
  field(3, Buffer.concat([field(1, key), field(2, value)]));
const http = (...fields: readonly Buffer[]): Buffer => field(2, Buffer.concat(fields));
const attributes = (...https: readonly Buffer[]): Buffer =>
  field(1, field(4, Buffer.concat(https)));

const path = field(4, "/v1/chat/completions");
const headFields = [
  field(2, "POST"),
  header(":path", "/v1/chat/completions"),
  header("authorization", `Bearer ${secret}`),
  header("content-type", "application/json"),
  path,
];
const clean = [...headFields, field(12, chat)];
const other = [...headFields, field(12, chat.replace("alias", "gold"))];

type Asked = { readonly decisions: readonly Decision[]; readonly bugs: readonly unknown[] };

function createAsker(): Asked & { readonly ask: (bytes: Buffer) => Decision } {
  const snapshot = snapshotOf();
  const decisions: Decision[] = [];
  const bugs: unknown[] = [];
  const handler = createCheckHandler({
    decide: createDecider({ ...defaultDecisionSettings, hashSeed: 1 }),
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
function modelSent(bytes: Buffer, { bodyEdits }: AllowDecision): unknown {
  let body = decodeCheckRequest(bytes).attributes?.request?.http?.raw_body ?? Buffer.alloc(0);
  for (const { offset, old, new: wanted } of bodyEdits.toReversed()) {
    const end = offset + Buffer.byteLength(old);
    assert.equal(body.subarray(offset, end).toString(), old);
    body = Buffer.concat([body.subarray(0, offset), Buffer.from(wanted), body.subarray(end)]);
  }
  return JSON.parse(body.toString()).model;
}

/** Numbers in [0, 1): the same in each run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function mutate(message: Buffer, random: () => number): Buffer {
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

test("handle answers 20,000 mutated checks, and what it allows runs the model it authorized", () => {
  const { ask, bugs, decisions } = createAsker();
  const random = seeded(20_261_124);
  const message = attributes(http(...clean));
  const allowed = new Set<unknown>();
  for (let count = 0; count < 20_000; count += 1) {
    const bytes = mutate(message, random);
    const decision = ask(bytes);
    // Both in one set: a model authorized and another one sent would be a second entry.
    if (decision.kind === "allow") allowed.add(decision.model).add(modelSent(bytes, decision));
  }
  assert.deepEqual(bugs, []);
  assert.equal(decisions.length, 20_000);
  assert.deepEqual([...allowed], [model]);
});

test("handle allows the clean check and refuses its twin with another model", () => {
  const { ask } = createAsker();
  assert.equal(ask(attributes(http(...clean))).kind, "allow");
  assert.equal(ask(attributes(http(...other))).kind, "deny");
});

/** Each pair: what stands twice, and the message that it must count as: the last one, alone. */
const repeated: readonly (readonly [string, Buffer, Buffer])[] = [
  ["two raw bodies", attributes(http(...other, field(12, chat))), attributes(http(...clean))],
  [
    "two raw bodies, the good one first",
    attributes(http(...clean, field(12, "{}"))),
    attributes(http(...headFields, field(12, "{}"))),
  ],
  ["two http messages", attributes(http(...other), http(...clean)), attributes(http(...clean))],
  [
    "two http messages, the last a part",
    attributes(http(...clean), http(path)),
    attributes(http(path)),
  ],
  [
    "two attributes",
    Buffer.concat([attributes(http(...other)), attributes(http(...clean))]),
    attributes(http(...clean)),
  ],
  [
    "two attributes, the last a part",
    Buffer.concat([attributes(http(...clean)), attributes(http(path))]),
    attributes(http(path)),
  ],
  [
    "one header twice in the map",
    attributes(http(header("authorization", "Bearer x"), ...clean)),
    attributes(http(...clean)),
  ],
];

for (const [name, bytes, last] of repeated) {
  test(`readCheckRequest takes ${name} as the last of them alone`, () => {
    const read = readCheckRequest(decodeCheckRequest(bytes));
    assert.deepEqual(read, readCheckRequest(decodeCheckRequest(last)));
    assert.equal(createAsker().ask(bytes).kind, createAsker().ask(last).kind);
  });
}

test("readCheckRequest keeps headers of the map that are named like an object's property", () => {
  const names = ["__proto__", "constructor", "hasOwnProperty", "toString"];
  const message = attributes(http(path, ...names.map((name) => header(name, `of ${name}`))));
  const read = readCheckRequest(decodeCheckRequest(message));
  assert.notEqual(read, "unreadable");
  const headers = read === "unreadable" ? [] : [...read.headers];
  assert.deepEqual(
    new Map(headers),
    new Map(names.map((name) => [name.toLowerCase(), `of ${name}`])),
  );
});

test("pathInPrefix finds the path in a check that is cut behind it, and nothing in other bytes", () => {
  const message = attributes(http(...clean));
  assert.equal(pathInPrefix(message.subarray(0, message.length - 20)), "/v1/chat/completions");
  assert.equal(pathInPrefix(message), "/v1/chat/completions");
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.alloc(99, 0xff),
    Buffer.from([0x0a]),
    message.subarray(0, 9),
  ]) {
    assert.equal(pathInPrefix(bytes), undefined);
  }
});
