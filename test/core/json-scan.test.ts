// JSON conformance as our own table: every class of invalid JSON is refused, every valid one admitted.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { DenyReason } from "../../src/core/decision.ts";
import { createJsonScanner } from "../../src/core/json-scan.ts";

const scan = createJsonScanner({ hashSeed: 0x5eed });

function reasonOf(body: string | Uint8Array): DenyReason | "admitted" {
  const result = scan(typeof body === "string" ? Buffer.from(body, "utf8") : body);
  return result.ok ? "admitted" : result.reason;
}

const deep = (levels: number): string => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
const manyKeys = (count: number): string =>
  `{"o":{${Array.from({ length: count }, (_, at) => `"k${at}":0`).join(",")}}}`;

const admitted: readonly string[] = [
  "{}",
  ' \t\r\n{ "a" : 1 } \n',
  '{"a":1}\n',
  ...[
    "0",
    "-0",
    "1",
    "-1",
    "10",
    "1.5",
    "0.0",
    "1e5",
    "1E5",
    "1e+5",
    "1e-5",
    "1.5e10",
    "-0.1e-1",
  ].map((number) => `{"n":${number}}`),
  `{"n":${"1".repeat(512)}}`,
  '{"a":[]}',
  '{"a":[ ]}',
  '{"a":{ }}',
  '{"a":[1,2,[3,{"b":[]}]],"c":null,"d":true,"e":false}',
  String.raw`{"a":"\" \\ \/ \b \f \n \r \t \u0000 \u00e9 \uD83D\uDE00"}`,
  String.raw`{"a":"cut emoji \ud83d"}`,
  String.raw`{"a":"\udc00\ud800"}`,
  '{"a":"\u007f\u0085\ufeff\uffff é 漢 😀"}',
  '{"a":{"\u00e9":1,"漢":2,"":3}}',
  String.raw`{"o":{"a\u0062":1,"ab ":2}}`,
  '{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}',
  '{"constructor":1,"toString":2}',
  '{"a":{"__proto__":1}}',
  deep(64),
  manyKeys(10_000),
];

test("scanner admits every class of valid JSON", () => {
  for (const body of admitted) {
    JSON.parse(body);
    assert.equal(reasonOf(body), "admitted", body.slice(0, 80));
  }
});

const broken: readonly string[] = [
  "",
  " ",
  "{",
  "}",
  '{"a"',
  '{"a":',
  '{"a":1',
  '{"a":1,',
  '{"a":1,}',
  '{,"a":1}',
  '{"a":1,,"b":2}',
  '{"a" 1}',
  '{"a":1 "b":2}',
  "{a:1}",
  "{'a':1}",
  "{1:1}",
  '{"a":1}}',
  '{"a":1}{}',
  '{"a":1} x',
  '{"a":1}\u0000',
  '{"a":1}//c',
  '/*c*/{"a":1}',
  '{"a":[1,]}',
  '{"a":[,1]}',
  '{"a":[1 2]}',
  '{"a":[}',
  '{"a":{]}',
  '{"a":[1}',
  '{"a":"}',
  '{"a":"\\"}',
  ...[
    "NaN",
    "Infinity",
    "-Infinity",
    "+1",
    ".5",
    "1.",
    "1.e5",
    "01",
    "-01",
    "00",
    "1e",
    "1e+",
    "-",
    "0x1",
    "1_0",
    "1f",
    "٣",
  ].map((number) => `{"n":${number}}`),
  ...["True", "nul", "nulll", "tru", "falsey", "undefined", "TRUE"].map((word) => `{"w":${word}}`),
  ...["\\a", "\\x41", "\\'", "\\u", "\\u12", "\\u12g4", "\\U0041", "\\0", "\\\n"].map(
    (sequence) => `{"a":"${sequence}"}`,
  ),
  ...Array.from({ length: 0x20 }, (_, code) => `{"a":"${String.fromCharCode(code)}"}`),
  ...Array.from({ length: 0x20 }, (_, code) => `{"k${String.fromCharCode(code)}":1}`),
  '{"a":1}\u00a0',
  '\u00a0{"a":1}',
  '{\u2028"a":1}',
  '{"a":\u000b1}',
  '{"a":\f1}',
];

test("scanner refuses every class of what is no JSON", () => {
  for (const body of broken) {
    assert.throws(() => JSON.parse(body), body.slice(0, 80));
    assert.equal(reasonOf(body), "body_not_json", body.slice(0, 80));
  }
});

test("scanner refuses a top level that is no object, once it is JSON", () => {
  for (const body of ["1", '"a"', "null", "true", "[]", '[{"a":1}]', '[{"a":1},{"é":1}]']) {
    assert.equal(reasonOf(body), "body_not_object", body);
  }
  assert.equal(reasonOf("[1,"), "body_not_json");
});

const badBytes: readonly (readonly [string, readonly number[]])[] = [
  ["a lone continuation byte", [0x80]],
  ["a start byte without its continuation", [0xc3]],
  ["an overlong slash", [0xc0, 0xaf]],
  ["an overlong NUL", [0xc0, 0x80]],
  ["an overlong three byte form", [0xe0, 0x80, 0xaf]],
  ["an encoded surrogate", [0xed, 0xa0, 0x80]],
  ["a code point above U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
  ["a five byte form", [0xf8, 0x88, 0x80, 0x80, 0x80]],
  ["0xfe", [0xfe]],
  ["0xff", [0xff]],
];

test("scanner refuses bytes that are not UTF-8, in strings and in keys", () => {
  for (const [name, bytes] of badBytes) {
    const value = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')]);
    const key = Buffer.concat([Buffer.from('{"o":{"'), Buffer.from(bytes), Buffer.from('":1}}')]);
    assert.equal(reasonOf(value), "body_not_utf8", name);
    assert.equal(reasonOf(key), "body_not_utf8", name);
  }
});

test("scanner refuses a byte order mark and other encodings of JSON", () => {
  assert.equal(reasonOf(Buffer.from('\ufeff{"a":1}')), "body_not_utf8");
  assert.equal(reasonOf(Buffer.from('\ufeff{"a":1}', "utf16le")), "body_not_utf8");
  assert.equal(reasonOf(Buffer.from('{"a":1}', "utf16le")), "body_not_json");
});

const duplicates: readonly string[] = [
  '{"a":1,"a":2}',
  '{"model":"x","messages":[],"model":"y"}',
  '{"o":{"a":1,"a":1}}',
  '{"o":[[{"b":1,"a":1,"b":1}]]}',
  String.raw`{"o":{"a":1,"\u0061":2}}`,
  String.raw`{"o":{"é":1,"\u00e9":2}}`,
  String.raw`{"o":{"\/":1,"/":2}}`,
  String.raw`{"o":{"😀":1,"\ud83d\ude00":2}}`,
  '{"o":{"":1,"":2}}',
  `{"o":{${Array.from({ length: 20 }, (_, at) => `"k${at}":0`).join(",")},"k3":1}}`,
  '{"a":{"b":{"c":1}},"a":2}',
];

test("scanner refuses a key that stands twice, at any depth and however it is spelled", () => {
  for (const body of duplicates) assert.equal(reasonOf(body), "body_duplicate_key", body);
});

const topLevelKeys: readonly string[] = [
  String.raw`{"\u006dodel":"x"}`,
  String.raw`{"a\/b":1}`,
  '{"modél":1}',
  '{"ＭＯＤＥＬ":1}',
  '{"\u007f":1}',
  '{"__proto__":1}',
];

test("scanner refuses top-level keys that are escaped, not ASCII or __proto__", () => {
  for (const body of topLevelKeys) assert.equal(reasonOf(body), "body_key_not_allowed", body);
});

test("scanner refuses half a surrogate pair in a key only", () => {
  assert.equal(reasonOf(String.raw`{"o":{"\ud800":1}}`), "body_lone_surrogate");
  assert.equal(reasonOf(String.raw`{"o":{"\udc00":1}}`), "body_lone_surrogate");
  assert.equal(reasonOf(String.raw`{"o":{"a":"\ud800"}}`), "admitted");
});

test("scanner holds its limits: depth, keys, length of a number", () => {
  assert.equal(reasonOf(deep(65)), "body_too_deep");
  assert.equal(reasonOf(manyKeys(10_001)), "body_too_many_keys");
  assert.equal(reasonOf(`{"n":${"1".repeat(513)}}`), "body_number_too_long");
  assert.equal(reasonOf(`{"n":1.${"1".repeat(511)}}`), "body_number_too_long");
});

test("scanner refuses a key with ! in sanitised text only", () => {
  const body = Buffer.from('{"mode!":"x"}');
  assert.equal(scan(body).ok, true);
  const result = scan(body, { isText: true });
  assert.equal(!result.ok && result.reason, "body_key_not_allowed");
  assert.equal(scan(Buffer.from('{"a":"hi!"}'), { isText: true }).ok, true);
});

test("scanner says where a member stands", () => {
  const result = scan(Buffer.from(' {"a":1} '));
  assert.deepEqual(result, { ok: true, members: [{ key: "a", kind: "number", start: 6, end: 7 }] });
  const members = scan(Buffer.from('{"s":"x","o":{"p":[1]},"l":[ ],"n":null}'));
  assert.ok(members.ok);
  assert.deepEqual(
    members.members.map(({ key, kind, start, end }) => [key, kind, start, end]),
    [
      ["s", "string", 5, 8],
      ["o", "object", 13, 22],
      ["l", "array", 27, 30],
      ["n", "null", 35, 39],
    ],
  );
});

test("scanner says at which byte a body breaks", () => {
  const offsetOf = (body: string): number | false => {
    const result = scan(Buffer.from(body));
    return !result.ok && result.offset;
  };
  assert.equal(offsetOf('{"a":tru}'), 5);
  assert.equal(offsetOf('{"a":1,"a":2}'), 7);
  assert.equal(offsetOf('{"a":1} x'), 8);
});
