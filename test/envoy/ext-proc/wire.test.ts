// The bytes of ext_proc: responses that are put together by hand are what the protobuf library writes, and the first bytes
// of a message tell its path.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathInProcessPrefix, readProcessHeaders } from "../../../src/envoy/ext-proc/request.ts";
import {
  encodeBodyAnswer,
  encodeChunkAnswer,
  encodeProcessingRequest,
  encodeProcessingResponse,
  processPath,
} from "../../../src/envoy/ext-proc/wire.ts";
import { firstField } from "../../../src/envoy/grpc/message-prefix.ts";
import { readProcessing } from "../../../src/envoy/wire/process-request.ts";
import { wireFields } from "../../../src/envoy/wire.ts";

const metadata = { fields: { aliasguard: { structValue: { fields: {} } } } } as const;
const common = {
  header_mutation: {
    set_headers: [
      {
        header: { key: "x-model", raw_value: Buffer.from("vendor/model") },
        append: { value: false },
        append_action: 2,
      },
    ],
    remove_headers: ["authorization"],
  },
  clear_route_cache: true,
} as const;

test("encodeBodyAnswer writes what the protobuf library reads as the same message, at every length", () => {
  const sizes = [1, 10, 126, 127, 128, 129, 16_000, 16_383, 16_384, 16_385, 2_097_151, 2_097_153];
  for (const size of sizes) {
    const body = Buffer.alloc(size, "x");
    const pieces = [body.subarray(0, 1), body.subarray(1)];
    const byHand = Buffer.concat(encodeBodyAnswer({ common, body: pieces, metadata }));
    const whole = { header_mutation: common.header_mutation, body_mutation: { body } };
    const response = { ...whole, clear_route_cache: true } as const;
    const library = encodeProcessingResponse({
      request_body: { response },
      dynamic_metadata: metadata,
    });
    assert.equal(byHand.length, library.length, String(size));
    // The order of fields is free; so the message is compared after reading.
    assert.deepEqual(decoded(byHand), decoded(library), String(size));
  }
});

function decoded(bytes: Buffer): readonly (string | undefined)[] {
  const body = firstField(bytes, 3);
  const response = body && firstField(body, 1);
  const parts = response && [2, 3].map((number) => firstField(response, number));
  return [...(parts ?? []), firstField(bytes, 8)].map(
    (part) => part && Buffer.from(part).toString(),
  );
}

test("encodeChunkAnswer writes what the protobuf library does, an empty chunk too", () => {
  for (const size of [0, 1, 126, 127, 128, 16_384, 2_097_153]) {
    const body = Buffer.alloc(size, "x");
    const library = encodeProcessingResponse({
      response_body: { response: { body_mutation: { body } } },
    });
    assert.deepEqual(Buffer.concat(encodeChunkAnswer(body)), library, String(size));
  }
});

test("encodeBodyAnswer shares the body's memory and copies none of it", () => {
  const body = Buffer.alloc(1_000_000);
  const pieces = encodeBodyAnswer({ common, body: [body.subarray(5)], metadata });
  const shared = pieces.filter((piece) => piece.buffer === body.buffer);
  assert.deepEqual(
    shared.map(({ length }) => length),
    [999_995],
  );
});

test("processPath is where Envoy opens its streams", () => {
  assert.equal(processPath, "/envoy.service.ext_proc.v3.ExternalProcessor/Process");
});

const service = "envoy.service.ext_proc.v3";
const expected: readonly (readonly [string, Readonly<Record<string, number>>])[] = [
  [
    "ProcessingRequest",
    {
      ...{ request_headers: 2, response_headers: 3, request_body: 4, response_body: 5 },
      ...{ request_trailers: 6, response_trailers: 7 },
      ...{ observability_mode: 10, protocol_config: 11 },
    },
  ],
  ["ProtocolConfiguration", { request_body_mode: 1 }],
  ["HttpHeaders", { headers: 1, end_of_stream: 3 }],
  ["HttpBody", { body: 1, end_of_stream: 2 }],
  [
    "ProcessingResponse",
    {
      ...{ request_headers: 1, request_body: 3, request_trailers: 5, immediate_response: 7 },
      ...{ response_headers: 2, response_body: 4, response_trailers: 6 },
      ...{ dynamic_metadata: 8, mode_override: 9 },
    },
  ],
  ["HeadersResponse", { response: 1 }],
  ["BodyResponse", { response: 1 }],
  ["CommonResponse", { header_mutation: 2, body_mutation: 3, clear_route_cache: 5 }],
  ["ImmediateResponse", { status: 1, headers: 2, body: 3, details: 5 }],
  ["HeaderMutation", { set_headers: 1, remove_headers: 2 }],
  ["BodyMutation", { body: 1 }],
];

test("wireFields has each field of ext_proc that the wire types name, with its upstream number", () => {
  for (const [message, fields] of expected) {
    const loaded = wireFields(`${service}.${message}`);
    for (const [name, number] of Object.entries(fields)) {
      assert.equal(loaded.get(name), number, `${message}.${name}`);
    }
  }
  const mode = wireFields("envoy.extensions.filters.http.ext_proc.v3.ProcessingMode");
  const names = ["response_header_mode", "request_body_mode", "response_body_mode"];
  assert.deepEqual(
    [...names, "response_trailer_mode"].map((name) => mode.get(name)),
    [2, 3, 4, 6],
  );
});

const list = (...headers: readonly (readonly [string, string | Buffer])[]) => ({
  headers: {
    headers: headers.map(([key, value]) => ({ key, raw_value: Buffer.from(value as string) })),
  },
});
const head = [
  [":path", "/v1/messages"],
  [":method", "POST"],
] as const;

/** The headers of such a message, off the wire. */
function readOf(
  ...headers: readonly (readonly [string, string | Buffer])[]
): ReturnType<typeof readProcessHeaders> {
  const message = encodeProcessingRequest({ request_headers: list(...headers) });
  const { headers: given } = readProcessing(message);
  assert.ok(given !== undefined);
  return readProcessHeaders(given);
}

test("readProcessHeaders joins copies and replaces bytes that are no UTF-8 as ext_authz sees them", () => {
  const joined = readOf(
    ...head,
    ["X-One", "a"],
    ["x-one", "b"],
    ["cookie", "a=1"],
    ["cookie", "b=2"],
    ["x-latin", Buffer.from("caf\xe9", "latin1")],
    ["__proto__", "p"],
  );
  assert.notEqual(joined, "unreadable");
  const headers = joined === "unreadable" ? [] : [...joined.headers];
  assert.deepEqual(headers, [
    ["x-one", "a,b"],
    ["cookie", "a=1; b=2"],
    ["x-latin", "caf!"],
    ["__proto__", "p"],
  ]);
});

test("readProcessHeaders hides a partial-body header of the caller's, as Envoy does from ext_authz", () => {
  const alone = readOf(...head, ["x-envoy-auth-partial-body", "true"]);
  assert.deepEqual(alone, { method: "POST", path: "/v1/messages", headers: new Map() });
});

test("pathInProcessPrefix finds the path in headers that are cut behind it, and nothing in other bytes", () => {
  const message = encodeProcessingRequest({
    request_headers: list([":authority", "gateway"], ...head, ["x-long", "x".repeat(1000)]),
  });
  assert.equal(pathInProcessPrefix(message), "/v1/messages");
  assert.equal(pathInProcessPrefix(message.subarray(0, 80)), "/v1/messages");
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.alloc(99, 0xff),
    Buffer.from([0x12]),
    message.subarray(0, 20),
  ]) {
    assert.equal(pathInProcessPrefix(bytes), undefined);
  }
});
