// The hand-written readers against the protobuf library: cut anywhere, changed anywhere, and every varint of odd length.
// test/envoy/wire/differential.ts runs a million.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readHttp } from "../../../src/envoy/wire/check-request.ts";
import { attributes, clean, cleanStream, field, http } from "../mutated-messages.ts";
import { compareCheck, compareReaders, compareStream } from "./differential.ts";

test("readHttp and readProcessing read 20,000 changed messages as the protobuf library does", () => {
  const { count, read } = compareReaders(20_000, 20_261_201);
  assert.equal(count, 20_000);
  assert.ok(read > 2000, `${read} are read`);
  assert.ok(read < 18_000, `${count - read} are refused`);
});

test("readHttp and readProcessing read a message that is cut anywhere as the protobuf library does", () => {
  const check = attributes(http(...clean));
  let refused = 0;
  for (let end = 0; end <= check.length; end += 1) {
    if (!compareCheck(check.subarray(0, end))) refused += 1;
  }
  assert.equal(refused, check.length - 1, "all but the empty and the whole one");
  for (const message of cleanStream) {
    for (let end = 0; end <= message.length; end += 1) compareStream(message.subarray(0, end));
  }
});

test("readHttp reads varints of each length and at each distance from the end as the library does", () => {
  let read = 0;
  for (const tag of [0x48, 0x08, 0x60]) {
    for (let length = 1; length <= 12; length += 1) {
      for (const last of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
        const bytes = Buffer.alloc(length, 0xff).fill(last, length - 1);
        for (let rest = 0; rest <= 8; rest += 1) {
          const message = Buffer.concat([Buffer.from([tag]), bytes, Buffer.alloc(rest, 0x48)]);
          if (compareCheck(attributes(http(message)))) read += 1;
          if (compareCheck(Buffer.concat([message, attributes(http(...clean))]))) read += 1;
        }
      }
    }
  }
  assert.ok(read > 100, String(read));
});

test("readHttp refuses groups that go deeper than the library reads, and reads those that do not", () => {
  const nested = (depth: number): Buffer =>
    Buffer.concat([
      Buffer.from([0xf3, 0x01]),
      Buffer.alloc(depth - 1, 0x0b),
      Buffer.alloc(depth, 0x0c),
    ]);
  const found = [1, 90, 96, 97, 98, 99, 100, 101, 102, 103, 5000].map((depth) => {
    const inner = compareCheck(attributes(http(nested(depth), ...clean)));
    return [inner, compareCheck(Buffer.concat([nested(depth), attributes(http(...clean))]))];
  });
  assert.deepEqual(found[0], [true, true]);
  assert.deepEqual(found.at(-1), [false, false]);
});

test("readHttp keeps the memory of a raw body and copies none of it", () => {
  const message = attributes(http(...clean, field(12, Buffer.alloc(100_000, "x"))));
  const body = readHttp(message)?.rawBody;
  assert.equal(body?.length, 100_000);
  assert.equal(body?.buffer, message.buffer);
});

test("readHttp gives each name as it is written after names of the same hash", () => {
  const names = Array.from({ length: 5000 }, (_, at) => `x-name-${at}`);
  names.push("x-caf\u00e9", "x-\ud83d\ude00", "", "x".repeat(41), "X-Name-1");
  for (const name of [...names, ...names.toReversed()]) {
    const message = attributes(http(field(3, Buffer.concat([field(1, name), field(2, "v")]))));
    assert.deepEqual([...(readHttp(message)?.headers ?? [])], [[name, "v"]]);
  }
});
