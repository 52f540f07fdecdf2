// Every case of test/cases through the hand-written wire and through the protobuf library: requests read alike, answers the
// same bytes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { toCheckResponse } from "../../../src/envoy/ext-authz/response.ts";
import { type Asked, toProcessAnswer } from "../../../src/envoy/ext-proc/response.ts";
import {
  decodeProcessingResponse,
  encodeProcessingRequest,
  encodeProcessingResponse,
} from "../../../src/envoy/ext-proc/wire.ts";
import { writeCheckResponse } from "../../../src/envoy/wire/check-response.ts";
import { encodeCheckRequest, encodeCheckResponse } from "../../../src/envoy/wire.ts";
import { type Case, readCaseFiles } from "../../cases/case-files.ts";
import { bytesOf } from "../../cases/outcome.ts";
import { decideCase } from "../../cases/runners.ts";
import { messagesOf } from "../../support/process-client.ts";
import { compareCheck, compareStream } from "./differential.ts";

const all = readCaseFiles().flatMap(({ policy, cases }) =>
  cases.map((each) => ({ each, decision: decideCase(each, policy?.policy.snapshot) })),
);

test("readHttp and readProcessing read the request of every case as the protobuf library does", () => {
  let read = 0;
  for (const { each } of all) {
    const { method, path, headers, body } = each.request;
    const http = { method, path, headers: Object.fromEntries(headers), raw_body: bytesOf(body) };
    if (compareCheck(encodeCheckRequest({ attributes: { request: { http } } }))) read += 1;
    if (body.kind === "text") continue;
    for (const message of messagesOf(each.request)) compareStream(encodeProcessingRequest(message));
  }
  assert.equal(read, all.length);
});

test("writeCheckResponse writes the answer to every case as the protobuf library does", () => {
  for (const { each, decision } of all) {
    const response = toCheckResponse(decision, each.request.path);
    assert.deepEqual(writeCheckResponse(response), encodeCheckResponse(response), each.name);
  }
});

test("toProcessAnswer gives every case bytes that the protobuf library reads, and writes as long", () => {
  for (const { each, decision } of all) {
    const bytes = Buffer.concat(toProcessAnswer(decision, askedOf(each)).pieces);
    const again = encodeProcessingResponse(decodeProcessingResponse(bytes));
    // The new body stands behind what the library writes before it: the same fields in another order.
    assert.equal(bytes.length, again.length, each.name);
    const hasEdits = decision.kind === "allow" && decision.bodyEdits.length > 0;
    if (!hasEdits) assert.deepEqual(bytes, again, each.name);
    assert.deepEqual(decodeProcessingResponse(bytes), decodeProcessingResponse(again), each.name);
  }
});

function askedOf({ request }: Case): Asked {
  const bytes = bytesOf(request.body);
  if (bytes.length === 0) return { kind: "headers" };
  return { kind: "body", head: request, body: { kind: "bytes", bytes, declaredBytes: undefined } };
}
