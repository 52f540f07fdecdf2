// The hand-written wire types against the loaded protobuf definitions, field by field.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkPath, wireFields } from "../../src/envoy/wire.ts";

const auth = "envoy.service.auth.v3";
const core = "envoy.config.core.v3";

const expected: readonly (readonly [string, readonly (readonly [string, number])[]])[] = [
  [`${auth}.CheckRequest`, [["attributes", 1]]],
  [`${auth}.AttributeContext`, [["request", 4]]],
  [
    `${auth}.CheckResponse`,
    [
      ["status", 1],
      ["denied_response", 2],
      ["ok_response", 3],
      ["dynamic_metadata", 4],
    ],
  ],
  [
    `${auth}.OkHttpResponse`,
    [
      ["headers", 2],
      ["headers_to_remove", 5],
    ],
  ],
  [
    `${auth}.DeniedHttpResponse`,
    [
      ["status", 1],
      ["headers", 2],
      ["body", 3],
    ],
  ],
  [
    `${core}.HeaderValue`,
    [
      ["key", 1],
      ["value", 2],
      ["raw_value", 3],
    ],
  ],
  [
    `${core}.HeaderValueOption`,
    [
      ["header", 1],
      ["append", 2],
      ["append_action", 3],
    ],
  ],
  [`${core}.HeaderMap`, [["headers", 1]]],
  ["envoy.type.v3.HttpStatus", [["code", 1]]],
  ["google.rpc.Status", [["code", 1]]],
];

test("wireFields has each field that the wire types name, with its upstream number", () => {
  for (const [message, fields] of expected) {
    const loaded = wireFields(message);
    for (const [name, number] of fields) assert.equal(loaded.get(name), number, message + name);
  }
});

test("CheckResponse has no error_response, which would obey failure_mode_allow", () => {
  assert.equal(wireFields(`${auth}.CheckResponse`).has("error_response"), false);
});

test("checkPath is where Envoy sends its checks", () => {
  assert.equal(checkPath, "/envoy.service.auth.v3.Authorization/Check");
});
