// The answer as Envoy reads it, checked in the encoded bytes: what is wrong here takes Envoy down or lets a request pass.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { AllowDecision } from "../../../src/core/decision.ts";
import { type DenyReason, denials } from "../../../src/core/denials.ts";
import { httpStatus, toCheckResponse } from "../../../src/envoy/ext-authz/response.ts";
import {
  decodeCheckResponse,
  encodeCheckResponse,
  type WireCheckResponse,
  type WireValue,
} from "../../../src/envoy/wire.ts";

const allow: AllowDecision = {
  kind: "allow",
  dialect: "openai",
  operation: "chat.completions",
  key: "k",
  team: undefined,
  requestedModel: "fast",
  revision: "0123456789abcdef",
  model: "vendor/big",
  upstreamModel: "big",
  hops: ["fast"],
  bodyBytes: 16,
  bodyEdits: [],
  path: undefined,
  upstreamCredential: undefined,
  setHeaders: [["x-model", "vendor/big"]],
  removeHeaders: ["authorization"],
};
const edited: AllowDecision = {
  ...allow,
  team: "t",
  bodyEdits: [{ offset: 0, old: '"fast"', new: '"big"' }],
};

const wire = (decision: Parameters<typeof toCheckResponse>[0], path = "/v1/x"): WireCheckResponse =>
  decodeCheckResponse(encodeCheckResponse(toCheckResponse(decision, path)));

const deny = (reason: DenyReason): Parameters<typeof toCheckResponse>[0] => ({
  kind: "deny",
  reason,
  detail: {},
  trace: undefined,
  dialect: "openai",
  operation: undefined,
  key: undefined,
  team: undefined,
  requestedModel: "half \ud800 pair",
  revision: undefined,
});

const answer = (body: string): Parameters<typeof toCheckResponse>[0] => {
  const facts = { key: undefined, team: undefined, requestedModel: undefined, revision: undefined };
  return { ...facts, kind: "answer", dialect: "openai", operation: "models", status: 200, body };
};

/** Kinds of all values below, in the order met; "" for one without a kind. */
function kinds(value: WireValue): readonly string[] {
  const own = Object.keys(value);
  if ("structValue" in value)
    return [...own, ...Object.values(value.structValue.fields).flatMap(kinds)];
  if ("listValue" in value) return [...own, ...value.listValue.values.flatMap(kinds)];
  return own.length === 0 ? [""] : own;
}

test("toCheckResponse encodes no metadata value without a kind", () => {
  for (const decision of [allow, edited, deny("internal"), answer("{}")]) {
    const all = Object.values(wire(decision).dynamic_metadata.fields).flatMap(kinds);
    assert.equal(all.includes(""), false, decision.kind);
    assert.ok(all.length >= 2);
  }
});

test("toCheckResponse overwrites headers in both of Envoy's ways, with value and not raw_value", () => {
  const response = wire(allow);
  assert.equal(response.status.code > 0, false);
  assert.ok("ok_response" in response);
  const [header] = response.ok_response.headers;
  assert.equal(header?.header.key, "x-model");
  assert.equal(header.header.value, "vendor/big");
  assert.ok(header.append);
  assert.equal(header.append.value ?? false, false);
  assert.equal(String(header.append_action), "2");
  assert.deepEqual(response.ok_response.headers_to_remove, ["authorization"]);
});

test("toCheckResponse guards the path exactly when the body has edits", () => {
  const paths = [allow, edited, { ...allow, path: "/b" }, { ...edited, path: "/b" }].map((one) => {
    const response = toCheckResponse(one, "/a?q=1");
    assert.ok("ok_response" in response);
    return response.ok_response.headers.find(({ header }) => header.key === ":path")?.header.value;
  });
  const pending = "/aliasguard-rewrite-pending";
  assert.deepEqual(paths, [undefined, `${pending}/a?q=1`, "/b", `${pending}/b`]);
});

test("toCheckResponse describes the rewrite with length, edits and the real path", () => {
  const values = [
    {
      structValue: {
        fields: {
          offset: { numberValue: 0 },
          old: { stringValue: '"fast"' },
          new: { stringValue: '"big"' },
        },
      },
    },
  ];
  const fields = {
    length: { numberValue: 16 },
    edits: { listValue: { values } },
    path: { stringValue: "/v1/x" },
  };
  assert.deepEqual(wire(edited).dynamic_metadata.fields["rewrite"], { structValue: { fields } });
  assert.equal(wire(allow).dynamic_metadata.fields["rewrite"], undefined);
});

test("toCheckResponse gives every refusal a status code that is not 0 and its HTTP status", () => {
  for (const reason of Object.keys(denials) as DenyReason[]) {
    const response = wire(deny(reason));
    assert.ok(response.status.code > 0, reason);
    assert.equal(httpStatus(response), denials[reason].status, reason);
  }
});

test("toCheckResponse answers 200 with a status code that is not 0, else Envoy would allow", () => {
  const [list, probe] = [wire(answer('{"data":[]}')), wire(answer(""))];
  for (const response of [list, probe]) {
    assert.ok(response.status.code > 0);
    assert.equal(httpStatus(response), 200);
  }
  assert.ok("denied_response" in list && "denied_response" in probe);
  assert.equal(list.denied_response.headers[0]?.header.value, "application/json");
  assert.equal((probe.denied_response.headers ?? []).length, 0);
});

test("toCheckResponse throws on a header that could split a response, and not on its twin", () => {
  for (const value of ["a\rb", "a\nb", "a\0b", "\ud800"]) {
    assert.throws(() => toCheckResponse({ ...allow, setHeaders: [["x-model", value]] }, "/"));
  }
  assert.doesNotThrow(() => toCheckResponse({ ...allow, setHeaders: [["x-model", "a b"]] }, "/"));
});

test("toCheckResponse sends no half surrogate pair, which Envoy could not parse", () => {
  const bytes = encodeCheckResponse(toCheckResponse(deny("internal"), "/"));
  assert.equal(bytes.includes(Buffer.from([0xed, 0xa0, 0x80])), false);
  assert.ok(bytes.includes(Buffer.from("half \ufffd pair")));
});
