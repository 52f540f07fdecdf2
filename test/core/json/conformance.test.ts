// JSON conformance as our own table: every class of invalid JSON is refused, and for the right reason; every class of
// valid JSON is admitted, however odd it looks. Each row is read by both scanners, at each place of a block of 64 bytes.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { DenyReason } from "../../../src/core/denials.ts";
import { createCheckedScanner, scanShifted } from "./checked-scan.ts";

const scan = createCheckedScanner({ hashSeed: 0x5eed });

type Row = readonly [name: string, body: string | Uint8Array];

function answerTo(body: string | Uint8Array): DenyReason | "admitted" {
  const bytes = typeof body === "string" ? Buffer.from(body, "utf8") : body;
  if (bytes.length < 5000) scanShifted(scan, bytes, 65);
  const result = scan(bytes);
  return result.ok ? "admitted" : result.reason;
}

function bytesOf(...parts: readonly (string | readonly number[])[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part as string)));
}

const hex = (code: number): string => `0x${code.toString(16)}`;
const codes = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at);
const each = <Item>(items: readonly Item[], toRow: (item: Item) => Row): Row[] => items.map(toRow);
const plain = (bodies: readonly string[]): Row[] => each(bodies, (body) => [body, body]);
const nested = (levels: number): string =>
  `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
const nestedObjects = (levels: number): string => `${'{"a":'.repeat(levels)}0${"}".repeat(levels)}`;
const keys = (count: number): string =>
  `{"o":{${Array.from({ length: count }, (_, at) => `"k${at}":0`).join(",")}}}`;

const numbers =
  "0 -0 1 -1 9 10 -10 123456789012345678901234567890 0.0 -0.0 0.1 1.0 1.50 10.01 0e0 0E0 1e5 1E5 1e+5 1e-5 1E+5 1E-5 1e05 1.5e10 -0.1e-1 1e999 -1e-999 0.00000001";
const brokenNumbers =
  "NaN Infinity -Infinity nan inf +1 +0 .5 -.5 1. -1. 1.e5 .e1 01 -01 00 -00 0x1 0X1 0b1 0o7 1e 1E 1e+ 1e- 1.5e - -- --1 -a 1_0 1f 1n 1.1.1 1e1.5 1e1e1 1-1 1+1 0e 0.e 2.e3 1,5e ٣ １";
const words = "true false null";
const brokenWords =
  "True FALSE Null nul nulll tru truee fals falsee t f n undefined yes none nil NULL tr\\u0075e";

const escapesAdmitted = String.raw`\" \\ \/ \b \f \n \r \t \u0000 \u001f \u0022 \u005c \u00e9 \u00E9 \uFFFF \uFEFF \ud83d\ude00 \uD83D\uDE00 \u0000\u0000`;
const escapesBroken = String.raw`\a \c \e \v \0 \1 \x41 \' \U0041 \N \u \u1 \u12 \u123 \u12g4 \ug123 \u-123 \u+123 \u{41} \u00 \ \ud83d\u \ud83d\ude`;

const whiteSpace: readonly Row[] = [
  ["spaces around everything", ' \t\r\n{ "a" : [ 1 , 2 ] , "b" : { } } \t\r\n'],
  ["a newline after the end", '{"a":1}\n'],
  ["CRLF after the end", '{"a":1}\r\n'],
  ["many spaces after the end", `{"a":1}${" ".repeat(1000)}`],
  ["deep indentation", JSON.stringify({ a: { b: { c: [1, { d: null }] } } }, undefined, 10)],
  ["tabs", JSON.stringify({ a: { b: [1, 2] } }, undefined, "\t")],
  ...each(
    codes(1, 9),
    (count): Row => [
      `${count} spaces between the tokens`,
      `{${" ".repeat(count)}"a"${" ".repeat(count)}:${" ".repeat(count)}1${" ".repeat(count)}}`,
    ],
  ),
];

const admitted: readonly Row[] = [
  ...plain(["{}", "{ }", '{"":0}', '{"a":[]}', '{"a":[ ]}', '{"a":{}}', '{"a":[[],{}]}']),
  ...each(numbers.split(" "), (number) => [`number ${number}`, `{"n":${number}}`]),
  ...each(numbers.split(" "), (number) => [`in a list ${number}`, `{"n":[${number},${number} ]}`]),
  ["a number of 512 characters", `{"n":${"1".repeat(512)}}`],
  ["a fraction of 512 characters", `{"n":-0.${"1".repeat(509)}}`],
  ...each(words.split(" "), (word) => [`word ${word}`, `{"w":${word},"l":[${word}]}`]),
  ...each(escapesAdmitted.split(" "), (text) => [`escape ${text}`, `{"a":"x${text}y"}`]),
  ...each(escapesAdmitted.split(" "), (text) => [
    `in a nested key ${text}`,
    `{"o":{"x${text}":1}}`,
  ]),
  ...each(
    ["\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\n", "\\ud83d\\ud83d", "\\ude00\\ud83d"],
    (text) => [`half a pair in a value ${text}`, `{"a":"${text}"}`],
  ),
  ...each(
    [
      0x7f, 0x80, 0x85, 0x9f, 0xa0, 0xad, 0x2028, 0x2029, 0x202e, 0xfeff, 0xfffd, 0xfffe, 0xffff,
      0x1fffe, 0x10ffff,
    ],
    (code) => [
      `raw ${hex(code)} in a value and a nested key`,
      `{"a":"${String.fromCodePoint(code)}","o":{"${String.fromCodePoint(code)}":1}}`,
    ],
  ),
  ...each(codes(0, 40), (length) => [
    `a string of ${length} plain bytes, then an escape`,
    `{"a":"${"x".repeat(length)}\\n${"y".repeat(length)}","b":"${"é".repeat(length)}"}`,
  ]),
  ...whiteSpace,
  ["64 levels of lists", nested(64)],
  ["64 levels of objects", nestedObjects(64)],
  ["10,000 keys", keys(10_000)],
  ["one key in many objects", '{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}],"x":1}'],
  ["keys that differ in case", '{"o":{"a":1,"A":2}}'],
  ["keys that differ in their normal form", '{"o":{"\u00e9":1,"e\u0301":2}}'],
  ["names of object properties", '{"constructor":1,"toString":2,"hasOwnProperty":3}'],
  ["__proto__ below the top", '{"a":{"__proto__":1,"constructor":{"prototype":1}}}'],
  ["a key of 10,000 characters", `{"${"k".repeat(10_000)}":1}`],
  ["a string of 100,000 characters", `{"a":"${"漢".repeat(100_000)}"}`],
  ["DEL in a top-level key", '{"a\u007f":1}'],
];

test("scanner admits every class of valid JSON", () => {
  assert.ok(admitted.length >= 180, String(admitted.length));
  for (const [name, body] of admitted) {
    assert.equal(typeof JSON.parse(body as string), "object", name);
    assert.equal(answerTo(body), "admitted", name);
  }
});

const structure = [
  ...[
    "",
    " ",
    "\n",
    "{",
    "}",
    "[",
    "]",
    '"',
    ":",
    ",",
    '{"',
    '{"a',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
  ],
  ...[
    '{"a":1,}',
    "{,}",
    '{,"a":1}',
    '{"a":1,,"b":2}',
    '{"a" 1}',
    '{"a"::1}',
    '{"a":1 "b":2}',
    '{"a":1;"b":2}',
  ],
  ...[
    "{a:1}",
    "{'a':1}",
    "{1:1}",
    "{null:1}",
    "{true:1}",
    '{["a"]:1}',
    '{"a":}',
    "{:1}",
    '{"a","b"}',
    '{"a"}',
  ],
  ...[
    '{"a":1}}',
    '{"a":1}{}',
    '{"a":1}{"b":1}',
    '{"a":1},',
    '{"a":1} x',
    '{"a":1}]',
    '{"a":1}null',
    '{"a":1}1',
  ],
  ...[
    '{"a":[1,]}',
    '{"a":[,1]}',
    '{"a":[,]}',
    '{"a":[1 2]}',
    '{"a":[1,,2]}',
    '{"a":[}',
    '{"a":{]}',
    '{"a":[1}',
    '{"a":[1:2]}',
  ],
  ...[
    '{"a":{"b":1]}',
    '{"a":"}',
    '{"a":"\\"}',
    '{"a":"x"y}',
    '{"a":"x""y"}',
    '{"a":["x","y}',
    "{\"a\":'x'}",
    '{"a":`x`}',
  ],
  ...[
    '{"a":1}//c',
    '/*c*/{"a":1}',
    '{/**/"a":1}',
    '{"a":1/**/}',
    '{"a":1 #c\n}',
    '<!--{"a":1}-->',
    ")]}'\n{}",
    "for(;;);{}",
  ],
  ...[
    '{"a":1}\n{"a":2}',
    '{"a":1}\u0000',
    '\u0000{"a":1}',
    '{"a":\u00001}',
    '{"a"\u0000:1}',
    '{"a":[\u0000]}',
  ],
  ...[
    "[1,",
    '["a"',
    "tru",
    "nul",
    "-",
    '"a',
    '"\\u12"',
    "01",
    "1 2",
    "[1]]",
    "[[1]",
    "a",
    "model=x",
    "%7B%7D",
    "(1)",
    '{"a":(1)}',
  ],
];

const notSpaces = [
  0x0b, 0x0c, 0x85, 0xa0, 0x1680, 0x180e, 0x2000, 0x2028, 0x2029, 0x202f, 0x3000, 0xfeff,
];

const broken: readonly Row[] = [
  ...plain(structure),
  ...each(brokenNumbers.split(" "), (number) => [`number ${number}`, `{"n":${number}}`]),
  ...each(brokenWords.split(" "), (word) => [`word ${word}`, `{"w":${word}}`]),
  ...each(escapesBroken.split(" "), (text) => [`escape ${text}`, `{"a":"${text}"}`]),
  ...each(escapesBroken.split(" "), (text) => [`in a key ${text}`, `{"o":{"${text}":1}}`]),
  ...each(codes(0, 0x1f), (code) => [
    `raw ${hex(code)} in a value`,
    `{"a":"${String.fromCharCode(code)}"}`,
  ]),
  ...each(codes(0, 0x1f), (code) => [
    `raw ${hex(code)} in a key`,
    `{"k${String.fromCharCode(code)}":1}`,
  ]),
  ...each(codes(0, 0x1f), (code) => [
    `raw ${hex(code)} after a long run`,
    `{"a":"${"x".repeat(code + 8)}${String.fromCharCode(code)}${"y".repeat(40)}"}`,
  ]),
  ...each(notSpaces, (code) => [
    `${hex(code)} as white space`,
    `{"a":${String.fromCodePoint(code)}1}`,
  ]),
  ...each(notSpaces, (code) => [
    `${hex(code)} after the end`,
    `{"a":1}${String.fromCodePoint(code)}`,
  ]),
];

test("scanner refuses every class of what is no JSON", () => {
  assert.ok(broken.length >= 250, String(broken.length));
  for (const [name, body] of broken) {
    assert.throws(() => JSON.parse(body as string), SyntaxError, name);
    assert.equal(answerTo(body), "body_not_json", name);
  }
});

test("scanner refuses every document that is cut short", () => {
  const whole = '{"model":"a\\u00e9b","o":{"k":[1,-2.5e3,true,false,null,{"x":"y"}]},"s":"\\n"}';
  assert.equal(answerTo(whole), "admitted");
  for (let length = 0; length < whole.length; length++) {
    assert.equal(answerTo(whole.slice(0, length)), "body_not_json", String(length));
  }
});

test("scanner refuses a top level that is no object, once it is JSON", () => {
  for (const body of [
    "1",
    "-0.5",
    '"a"',
    "null",
    "true",
    " false ",
    "[]",
    '[{"a":1}]',
    '[{"é":1}]',
  ]) {
    assert.equal(answerTo(body), "body_not_object", body);
  }
});

const notUtf8: readonly (readonly [name: string, bytes: readonly number[]])[] = [
  ...codes(0x80, 0xbf).map((byte) => [`a lone continuation byte ${hex(byte)}`, [byte]] as const),
  ...codes(0xc0, 0xff).map((byte) => [`a lead byte alone ${hex(byte)}`, [byte]] as const),
  ...codes(0xc0, 0xc1).map((byte) => [`an overlong pair ${hex(byte)}`, [byte, 0xaf]] as const),
  ...codes(0xf5, 0xff).map(
    (byte) => [`no lead byte ${hex(byte)}`, [byte, 0x80, 0x80, 0x80]] as const,
  ),
  ["an overlong three byte form", [0xe0, 0x80, 0xaf]],
  ["the last overlong three byte form", [0xe0, 0x9f, 0xbf]],
  ["an overlong four byte form", [0xf0, 0x80, 0x80, 0xaf]],
  ["the last overlong four byte form", [0xf0, 0x8f, 0xbf, 0xbf]],
  ["the first surrogate", [0xed, 0xa0, 0x80]],
  ["the last surrogate", [0xed, 0xbf, 0xbf]],
  ["a pair of surrogates (CESU-8)", [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]],
  ["U+110000", [0xf4, 0x90, 0x80, 0x80]],
  ["a three byte form cut after one", [0xe6]],
  ["a three byte form cut after two", [0xe6, 0xbc]],
  ["a four byte form cut after three", [0xf0, 0x9f, 0x98]],
  ["a lead byte before a lead byte", [0xc3, 0xc3, 0xa9]],
  ["latin-1", [0xe9]],
];

test("scanner refuses bytes that are not UTF-8, at the byte where they break", () => {
  for (const [name, bytes] of notUtf8) {
    const inValue = scan(bytesOf('{"a":"', bytes, '"}'));
    assert.deepEqual(inValue, { ok: false, reason: "body_not_utf8", offset: 6 }, name);
    assert.equal(answerTo(bytesOf('{"o":{"', bytes, '":1}}')), "body_not_utf8", name);
    assert.equal(answerTo(bytesOf('{"a":1}', bytes)), "body_not_utf8", name);
  }
});

test("scanner refuses a byte order mark and the other encodings of JSON", () => {
  const swapped = Buffer.from('{"a":1}', "utf16le").swap16();
  const wide = Buffer.from([...'{"a":1}'].flatMap((letter) => [letter.charCodeAt(0), 0, 0, 0]));
  assert.equal(answerTo('\ufeff{"a":1}'), "body_not_utf8");
  assert.equal(answerTo('\ufeff\ufeff{"a":1}'), "body_not_utf8");
  assert.equal(answerTo("\ufeff"), "body_not_utf8");
  assert.equal(answerTo(Buffer.from('\ufeff{"a":1}', "utf16le")), "body_not_utf8");
  assert.equal(answerTo(Buffer.from('\ufeff{"a":1}', "utf16le").swap16()), "body_not_utf8");
  assert.equal(answerTo(Buffer.from('{"a":1}', "utf16le")), "body_not_json");
  assert.equal(answerTo(swapped), "body_not_json");
  assert.equal(answerTo(wide), "body_not_json");
  assert.equal(answerTo(Buffer.from('+ACIAew-"a":1}')), "body_not_json");
});

const manyKeys = Array.from({ length: 30 }, (_, at) => `"k${at}":0`).join(",");

const refused: readonly (readonly [reason: DenyReason, body: string])[] = [
  ...[
    '{"a":1,"a":2}',
    '{"a":1,"a":1}',
    '{"model":"x","messages":[],"model":"y"}',
    '{"o":{"a":1,"a":1}}',
    '{"o":[[{"b":1,"a":1,"b":1}]]}',
    '{"o":{"":1,"":2}}',
    '{"a":{"b":{"c":1}},"a":2}',
    '{"a":{"b":1,"c":{"b":1},"b":1}}',
    '{"o":{"__proto__":1,"__proto__":2}}',
    String.raw`{"o":{"a":1,"\u0061":2}}`,
    String.raw`{"o":{"\u0061":1,"a":2}}`,
    String.raw`{"o":{"\u0061":1,"\u0061":2}}`,
    String.raw`{"o":{"é":1,"\u00e9":2}}`,
    String.raw`{"o":{"é":1,"\u00E9":2}}`,
    String.raw`{"o":{"\/":1,"/":2}}`,
    String.raw`{"o":{"\n":1,"\u000a":2}}`,
    String.raw`{"o":{"\u0000":1,"\u0000":2}}`,
    String.raw`{"o":{"漢":1,"\u6f22":2}}`,
    String.raw`{"o":{"😀":1,"\ud83d\ude00":2}}`,
    String.raw`{"o":{"x😀y":1,"\u0078\uD83D\uDE00y":2}}`,
    `{"o":{${manyKeys},"k0":1}}`,
    `{"o":{${manyKeys},"k29":1}}`,
    `{"o":{${manyKeys},"\\u006b7":1}}`,
    `{"o":{"x":{${manyKeys}},"y":{${manyKeys},"k3":1}}}`,
    `{"k3":1,"o":{${manyKeys}},${manyKeys}}`,
  ].map((body) => ["body_duplicate_key", body] as const),
  ...[
    String.raw`{"\u006dodel":"x"}`,
    String.raw`{"a\/b":1}`,
    String.raw`{"\n":1}`,
    '{"modél":1}',
    '{"ＭＯＤＥＬ":1}',
    '{"\u0080":1}',
    '{"mode\u200bl":1}',
    '{"model\ufeff":1}',
    '{"__proto__":1}',
    '{"a":1,"__proto__":{"model":"x"}}',
  ].map((body) => ["body_key_not_allowed", body] as const),
  ...[
    String.raw`{"o":{"\ud800":1}}`,
    String.raw`{"o":{"\udc00":1}}`,
    String.raw`{"o":{"a\ud83d":1}}`,
    String.raw`{"o":{"\ud83d\ud83d\ude00":1}}`,
    String.raw`{"o":{"\ud83dx\ude00":1}}`,
    String.raw`{"\ud800":1}`,
  ].map((body) => ["body_lone_surrogate", body] as const),
  ["body_too_deep", nested(65)],
  ["body_too_deep", nestedObjects(65)],
  ["body_too_deep", "[".repeat(100_000)],
  ["body_too_deep", '{"a":'.repeat(100_000)],
  ["body_too_deep", '[{"a":'.repeat(100_000)],
  ["body_too_many_keys", keys(10_001)],
  ["body_number_too_long", `{"n":${"1".repeat(513)}}`],
  ["body_number_too_long", `{"n":1.${"1".repeat(511)}}`],
  ["body_number_too_long", `{"n":1e${"1".repeat(511)}}`],
  ["body_number_too_long", `{"n":-${"1".repeat(512)}}`],
];

test("scanner refuses JSON that two parsers may read differently, and JSON beyond the limits", () => {
  for (const [reason, body] of refused) assert.equal(answerTo(body), reason, body.slice(0, 90));
});
