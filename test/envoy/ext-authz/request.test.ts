// CheckRequest as it comes off the wire, in both forms of headers and of bodies.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readCheckRequest } from "../../../src/envoy/ext-authz/request.ts";
import { sanitizeUtf8 } from "../../../src/envoy/header-values.ts";
import { encodeCheckRequest, type WireHttpRequest } from "../../../src/envoy/wire.ts";

const read = (http: WireHttpRequest): ReturnType<typeof readCheckRequest> =>
  readCheckRequest(encodeCheckRequest({ attributes: { request: { http } } }));

const post = { method: "POST", path: "/v1/chat/completions" };

type HeaderMap = NonNullable<WireHttpRequest["header_map"]>;

function raw(...pairs: readonly (readonly [string, string])[]): HeaderMap {
  return {
    headers: pairs.map(([key, value]) => ({ key, raw_value: Buffer.from(value, "latin1") })),
  };
}

test("readCheckRequest gives the same request for headers and header_map", () => {
  const plain = read({ ...post, headers: { "x-a": "1,2", cookie: "a=1; b=2" } });
  const pairs = raw(["X-A", "1"], ["x-a", "2"], ["cookie", "a=1"], ["cookie", "b=2"]);
  assert.deepEqual(read({ ...post, header_map: pairs }), plain);
});

test("readCheckRequest refuses headers in both forms at once", () => {
  assert.equal(read({ ...post, headers: { a: "1" }, header_map: raw(["a", "2"]) }), "unreadable");
});

test("readCheckRequest keeps pseudo headers out and refuses one that contradicts", () => {
  const same = read({ ...post, headers: { ":path": post.path, ":method": "POST", a: "1" } });
  const headers = new Map([["a", "1"]]);
  assert.deepEqual(same, { ...post, headers, body: { kind: "none" } });
  assert.equal(read({ ...post, headers: { ":path": "/v1/models" } }), "unreadable");
  assert.equal(read({ ...post, headers: { ":method": "GET" } }), "unreadable");
});

test("readCheckRequest reads raw_body as bytes and body as text", () => {
  const bytes = read({ ...post, raw_body: Buffer.from([0xff, 0]), size: 2 });
  const text = read({ ...post, body: "!x" });
  const head = { ...post, headers: new Map<string, string>() };
  const rawBody = { kind: "bytes", bytes: Buffer.from([0xff, 0]), declaredBytes: 2 };
  assert.deepEqual(bytes, { ...head, body: rawBody });
  assert.deepEqual(text, { ...head, body: { kind: "text", text: "!x", declaredBytes: undefined } });
});

test("readCheckRequest passes on a size of -1 or beyond the bytes, and takes 0 as not stated", () => {
  const sizes = [-1, 9_000_000_000, 0].map((size) => {
    const request = read({ ...post, raw_body: Buffer.from("x"), size });
    return request === "unreadable" || request.body.kind === "none"
      ? "none"
      : request.body.declaredBytes;
  });
  assert.deepEqual(sizes, [-1, 9_000_000_000, undefined]);
});

test("readCheckRequest refuses two bodies at once and a check without an HTTP request", () => {
  assert.equal(read({ ...post, body: "a", raw_body: Buffer.from("a") }), "unreadable");
  assert.equal(readCheckRequest(Buffer.alloc(0)), "unreadable");
});

test("readCheckRequest takes hostile header names as plain names", () => {
  const long = "n".repeat(10_000);
  const request = read({
    ...post,
    header_map: raw(["__proto__", "p"], ["constructor", "c"], [long, ""]),
  });
  assert.notEqual(request, "unreadable");
  const headers = request === "unreadable" ? new Map() : request.headers;
  const all = [
    ["__proto__", "p"],
    ["constructor", "c"],
    [long, ""],
  ];
  assert.deepEqual([...headers], all);
});

test("sanitizeUtf8 turns each byte that is not UTF-8 into an exclamation mark and keeps the rest", () => {
  assert.equal(sanitizeUtf8(Buffer.from([0x61, 0xff, 0xc3, 0xa9, 0xed, 0xa0, 0x80])), "a!é!!!");
  assert.equal(sanitizeUtf8(Buffer.from("é😀")), "é😀");
});
