// The hand-written encoders against the protobuf library, byte by byte: at each length of a varint, with every kind of value
// and of text, and one message after a much longer one.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeProcessingResponse,
  type WireProcessingResponse,
  writeProcessingResponse,
} from "../../../src/envoy/ext-proc/wire.ts";
import { writeCheckResponse } from "../../../src/envoy/wire/check-response.ts";
import {
  encodeCheckResponse,
  type WireCheckResponse,
  type WireHeaderOption,
  type WireValue,
} from "../../../src/envoy/wire.ts";

const lengths = [0, 1, 63, 64, 65, 126, 127, 128, 129, 4000, 16_383, 16_384];
const texts = [
  ...lengths.map((length) => "x".repeat(length)),
  ...["caf\u00e9", "\ud83d\ude00".repeat(20), `${"x".repeat(63)}\u20ac`, "\u0000\u007f"],
];
const header = (value: string): WireHeaderOption => ({
  ...{ header: { key: `x-${value.length}`, value }, append: { value: false }, append_action: 2 },
});
const option = (value: string) => ({
  header: { key: "x-raw", raw_value: Buffer.from(value) },
  ...({ append: { value: false }, append_action: 2 } as const),
});

const numbers = [0, -0, 1, -1, 0.5, 2 ** 31, 2 ** 53, 1e300, Number.MIN_VALUE, Infinity, NaN];
const values: readonly WireValue[] = [
  ...texts.map((stringValue) => ({ stringValue })),
  ...numbers.map((numberValue) => ({ numberValue })),
  { listValue: { values: [] } },
  { structValue: { fields: {} } },
  {
    listValue: {
      values: [{ stringValue: "a" }, { numberValue: 1 }, { listValue: { values: [] } }],
    },
  },
  { structValue: { fields: { b: { stringValue: "1" }, a: { structValue: { fields: {} } } } } },
];
const metadata = values.map((value) => ({
  fields: { first: value, second: { stringValue: "s" } },
}));
const none = { fields: {} };

const codes = [0, 1, 7, 16, 127, 128, 403, 599, 2 ** 31 - 1, -1];
const checks: readonly WireCheckResponse[] = [
  ...metadata.map((dynamic_metadata) => ({
    ...{ status: { code: 0 }, ok_response: { headers: [], headers_to_remove: [] } },
    dynamic_metadata,
  })),
  ...texts.map((text) => ({
    status: { code: 0 },
    ok_response: {
      headers: [header(text), header("v"), header(text)],
      headers_to_remove: [text, "authorization", ""],
    },
    dynamic_metadata: none,
  })),
  ...texts.map((body) => ({
    status: { code: 7 },
    denied_response: { status: { code: 403 }, headers: [header("application/json")], body },
    dynamic_metadata: none,
  })),
  ...codes.map((code) => ({
    status: { code },
    denied_response: { status: { code }, headers: [], body: "" },
    dynamic_metadata: none,
  })),
];

test("writeCheckResponse writes the bytes of the protobuf library", () => {
  for (const [at, response] of checks.entries()) {
    assertSame(writeCheckResponse(response), encodeCheckResponse(response), at);
  }
});

function commons(text: string) {
  const header_mutation = { set_headers: [option(text), option("v")], remove_headers: [text, "a"] };
  return [
    {},
    { header_mutation },
    { header_mutation: { set_headers: [] } },
    { header_mutation, clear_route_cache: true },
    { body_mutation: { body: Buffer.from(text) }, clear_route_cache: true },
    { header_mutation, body_mutation: { body: Buffer.from(text) } },
  ] as const;
}

const modes = [{}, { request_body_mode: 2 }, { response_body_mode: 1, response_trailer_mode: 1 }];
const allModes = {
  ...{ request_body_mode: 2, response_header_mode: 1, response_body_mode: 1 },
  response_trailer_mode: 1,
} as const;

const processed: readonly WireProcessingResponse[] = [
  ...texts.flatMap((text) =>
    commons(text).flatMap((response): readonly WireProcessingResponse[] => [
      { request_headers: { response } },
      { request_body: { response }, dynamic_metadata: none },
      { response_headers: { response } },
      { response_body: { response } },
    ]),
  ),
  ...metadata.map((dynamic_metadata) => ({
    ...{ request_headers: { response: {} }, dynamic_metadata },
  })),
  ...[...modes, allModes].map(
    (mode_override) =>
      ({ request_headers: { response: {} }, mode_override }) as WireProcessingResponse,
  ),
  { request_trailers: {} },
  { response_trailers: {}, dynamic_metadata: none },
  ...texts.map((text) => ({
    immediate_response: {
      status: { code: 403 },
      headers: { set_headers: [option(text)] },
      body: Buffer.from(text),
      details: text,
    },
    dynamic_metadata: none,
  })),
];

test("writeProcessingResponse writes the bytes of the protobuf library", () => {
  for (const [at, response] of processed.entries()) {
    assertSame(writeProcessingResponse(response), encodeProcessingResponse(response), at);
  }
});

test("writeCheckResponse gives each message memory of its own", () => {
  const [first, second] = [checks[3], checks.at(-1)];
  assert.ok(first !== undefined && second !== undefined);
  const bytes = writeCheckResponse(first);
  const before = Buffer.from(bytes);
  writeCheckResponse(second);
  assertSame(bytes, before, 0);
});

/** Without the cost of showing megabytes. */
function assertSame(ours: Buffer, library: Buffer, at: number): void {
  const length = Math.min(ours.length, library.length);
  const from = ours.findIndex((byte, index) => byte !== library[index]);
  const around = (bytes: Buffer): string =>
    bytes.subarray(Math.max(0, from - 20), from + 20).toString("hex");
  assert.ok(
    ours.equals(library),
    `message ${at}: ${ours.length} and ${library.length} bytes, ` +
      `${from} of ${length} differs: ${around(ours)} for ${around(library)}`,
  );
}
