// What the scanner gives and keeps: members with their offsets, the byte where a body breaks, and its promise that no
// body makes it slow, forgetful of another body, or fat. Which JSON it admits: json-conformance.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyTable } from "../../../src/core/json/keys.ts";
import { createJsonScanner, type JsonScan } from "../../../src/core/json/scan.ts";
import { hashLastWord, hashWord } from "../../../src/core/json/text.ts";
import { utf8End } from "../../../src/core/json/token.ts";
import { createCheckedScanner } from "./checked-scan.ts";

const scan = createCheckedScanner({ hashSeed: 0x5eed });

function answerTo(result: JsonScan): string {
  return result.ok ? "admitted" : `${result.reason} ${result.offset}`;
}

test("scanner says where the members stand, and what they are", () => {
  const body = ' {"s":"x\\"y","o":{"p":[1]},"l" : [ ] ,"n":null,"t":true,"f":false,"d":-1.5e3}\n';
  const result = scan(Buffer.from(body));
  assert.ok(result.ok);
  const read = result.members.map(({ key, kind, keyStart, start, end }) => [
    key,
    kind,
    body.slice(keyStart, keyStart + key.length + 2),
    body.slice(start, end),
  ]);
  assert.deepEqual(read, [
    ["s", "string", '"s"', '"x\\"y"'],
    ["o", "object", '"o"', '{"p":[1]}'],
    ["l", "array", '"l"', "[ ]"],
    ["n", "null", '"n"', "null"],
    ["t", "true", '"t"', "true"],
    ["f", "false", '"f"', "false"],
    ["d", "number", '"d"', "-1.5e3"],
  ]);
});

test("scanner counts bytes, not characters", () => {
  const result = scan(Buffer.from('{"a":"漢😀","b":1}'));
  assert.ok(result.ok);
  const member = { key: "b", kind: "number", keyStart: 15, start: 19, end: 20 };
  assert.deepEqual(result.members[1], member);
});

test("scanner reads part of a larger buffer without looking past its ends", () => {
  const whole = Buffer.from('xx{"a":1}}}"');
  const part = new Uint8Array(whole.buffer, whole.byteOffset + 2, 7);
  const result = scan(part);
  assert.ok(result.ok);
  assert.deepEqual(result.members, [{ key: "a", kind: "number", keyStart: 1, start: 5, end: 6 }]);
  const cut = new Uint8Array(whole.buffer, whole.byteOffset + 2, 6);
  assert.equal(answerTo(scan(cut)), "body_not_json 6");
});

test("scanner says at which byte a body breaks", () => {
  const rows: readonly (readonly [body: string, answer: string])[] = [
    ["", "body_not_json 0"],
    ['{"a":tru}', "body_not_json 5"],
    ['{"a":1,"a":2}', "body_duplicate_key 7"],
    ['{"a":1} x', "body_not_json 8"],
    ['{"a":"\n"}', "body_not_json 6"],
    ['{"a":"\\x"}', "body_not_json 6"],
    ['{"a\n":1}', "body_not_json 3"],
    ['{"a\n', "body_not_json 3"],
    ['{"a":1.x}', "body_not_json 7"],
    ['{"a":01}', "body_not_json 6"],
    ['{"a":1}}', "body_not_json 7"],
    ['{"a":1,"\\u0062":2}', "body_key_not_allowed 7"],
    [" [1]", "body_not_object 1"],
    ['{"a":{"\\ud800":1}}', "body_lone_surrogate 6"],
    ["\ufeff{}", "body_not_utf8 0"],
    [`{"n":${"1".repeat(513)}}`, "body_number_too_long 5"],
    ["[".repeat(65), "body_too_deep 64"],
  ];
  for (const [body, answer] of rows) assert.equal(answerTo(scan(Buffer.from(body))), answer, body);
});

test("utf8End finds the byte where UTF-8 ends, and the length of what is UTF-8", () => {
  assert.equal(utf8End(Buffer.from("aé漢😀\u0000\u{10ffff}")), 15);
  assert.equal(utf8End(Buffer.from([0x61, 0xc3, 0xa9, 0xed, 0xa0, 0x80])), 3);
  assert.equal(utf8End(Buffer.from([0xf0, 0x9f, 0x98])), 0);
});

test("scanner refuses a key with ! in sanitised text only, at any depth", () => {
  const top = Buffer.from('{"mode!":"x"}');
  const nested = Buffer.from('{"tools":[{"mode!":"x"}]}');
  assert.equal(scan(top).ok, true);
  assert.equal(scan(nested).ok, true);
  assert.equal(answerTo(scan(top, { isText: true })), "body_key_not_allowed 1");
  assert.equal(answerTo(scan(nested, { isText: true })), "body_key_not_allowed 11");
  assert.equal(answerTo(scan(Buffer.from('{"a":"hi!"}'), { isText: true })), "admitted");
});

test("scanner answers by the body alone, whatever it read before", () => {
  const keys = (count: number, name: string): string =>
    Array.from({ length: count }, (_, at) => `"${name}${at}":0`).join(",");
  const bodies = [
    `{"o":{${keys(5000, "a")}`,
    `{"o":{${keys(5000, "a")},"a7":1}}`,
    `{"o":{${keys(40, "a")},"p":{${keys(40, "a")}},"q":{${keys(40, "b")}}},${keys(20, "a")}}`,
    '{"a":1}',
    `{"o":{${keys(9999, "a")},"p":{${keys(9999, "a")}}}}`,
    '{"x":{"a":"',
  ];
  const wanted = [
    "body_not_json",
    "body_duplicate_key",
    "admitted",
    "admitted",
    "admitted",
    "body_not_json",
  ];
  for (let round = 0; round < 3; round++) {
    const answers = bodies.map((body) => answerTo(scan(Buffer.from(body))).split(" ")[0]);
    assert.deepEqual(answers, wanted);
  }
});

test("scanner finds a duplicate among objects that are nested, each with many keys", () => {
  const keys = Array.from({ length: 200 }, (_, at) => `"k${at}":0`).join(",");
  const nest = (inner: string): string =>
    `{"a":${`{${keys},"o":`.repeat(60)}${inner}${"}".repeat(61)}`;
  assert.equal(answerTo(scan(Buffer.from(nest(`{${keys}}`)))), "admitted");
  assert.match(answerTo(scan(Buffer.from(nest(`{${keys},"k9":0}`)))), /^body_duplicate_key/);
  const after = `{"a":{${keys},"o":{${keys}},"k199":0}}`;
  assert.match(answerTo(scan(Buffer.from(after))), /^body_duplicate_key/);
});

/** The word that leads a hash to `wanted`: what somebody who knew the seed could work out. */
function wordTo(hash: number, wanted: number): number {
  let inverse = 0x9e3779b1;
  for (let step = 0; step < 5; step++) {
    inverse = Math.imul(inverse, 2 - Math.imul(0x9e3779b1, inverse));
  }
  const product = wanted ^ (wanted >>> 15) ^ (wanted >>> 30);
  return Math.imul(product, inverse) ^ hash;
}

/** Keys of eight plain letters that all have one hash under `seed`. */
function collidingKeys(seed: number, count: number): string[] {
  const isPlain = (word: number): boolean =>
    [0, 8, 16, 24].every((shift) => {
      const byte = (word >>> shift) & 0xff;
      return byte > 0x22 && byte < 0x7f && byte !== 0x5c;
    });
  const found: string[] = [];
  for (let number = 0; found.length < count; number++) {
    const first = Buffer.from(number.toString(36).padStart(4, "0"));
    const last = Buffer.alloc(4);
    last.writeInt32LE(wordTo(hashWord(seed, first.readInt32LE()), 0x1234567));
    if (isPlain(last.readInt32LE())) found.push(first.toString() + last.toString());
  }
  return found;
}

test("scanner gives up on keys that collide on purpose, and takes the same keys under another seed", () => {
  const keys = collidingKeys(0x5eed, 3000);
  const hashes = keys.map((key) => {
    const bytes = Buffer.from(key);
    return hashLastWord(
      hashWord(hashWord(0x5eed, bytes.readInt32LE(0)), bytes.readInt32LE(4)),
      0,
      0,
    );
  });
  assert.equal(new Set(hashes).size, 1);
  assert.equal(new Set(keys).size, 3000);
  const body = Buffer.from(`{"o":{${keys.map((key) => `"${key}":0`).join(",")}}}`);
  assert.match(answerTo(scan(body)), /^body_too_many_keys/);
  assert.equal(answerTo(createJsonScanner({ hashSeed: 0x5eee })(body)), "admitted");
});

test("KeyTable compares keys that have one hash by their bytes", () => {
  const [one = "", other = ""] = collidingKeys(0x5eed, 2);
  const few = `{"o":{"${one}":0,"${other}":0}}`;
  assert.equal(answerTo(scan(Buffer.from(few))), "admitted");
  const twice = `{"o":{"${one}":0,"${other}":0,"${one}":0}}`;
  assert.match(answerTo(scan(Buffer.from(twice))), /^body_duplicate_key/);
});

test("KeyTable forgets the keys of objects that are closed", () => {
  const table = new KeyTable(1, 64);
  table.begin(Buffer.from("ab".repeat(100)));
  table.open();
  for (let object = 0; object < 1000; object++) {
    table.open();
    for (let at = 0; at < 100; at++) {
      assert.equal(table.add(at, at + 3 + (at % 50), at * 7919, false), "added");
    }
    table.close();
  }
  assert.equal(table.add(0, 2, 5, false), "added");
  assert.equal(table.add(2, 4, 5, false), "duplicate");
});

test("scanner notes where the outer containers end, and which of them hold no other", () => {
  const body = '{"a":[1,2],"b":{"c":[ {"d":[[]]} ]},"e":[]}';
  const result = scan(Buffer.from(body));
  assert.ok(result.ok);
  const { containers } = result;
  const noted = [...body.matchAll(/[[{]/g)].map(({ index }) => {
    const end = containers.endOf(index);
    return [end < 0 ? "" : body.slice(index, end), containers.holdsNone(index)];
  });
  assert.deepEqual(noted, [
    [body, false],
    ["[1,2]", true],
    ['{"c":[ {"d":[[]]} ]}', false],
    ['[ {"d":[[]]} ]', false],
    ['{"d":[[]]}', false],
    ["", false],
    ["", false],
    ["[]", true],
  ]);
  assert.equal(containers.endOf(1), -1);
  assert.equal(containers.holdsNone(1), false);
});

test("scanner claims nothing of containers that it had no room to note", () => {
  const result = scan(Buffer.from(`{"a":[${"[],".repeat(4093)}[]],"b":[[]],"c":[]}`));
  assert.ok(result.ok);
  const { members, containers } = result;
  assert.equal(containers.endOf(5), members[0]?.end);
  for (const member of members.slice(1)) {
    assert.equal(containers.holdsNone(member.start), false, member.key);
    assert.equal(containers.endOf(member.start), -1, member.key);
  }
});
