// The SIMD walk against the plain scanner: mutations of agents' bodies, every kind of token at every place of a block and
// at the edge of a window, and proof that the walk does admit what it is there for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { honestBodies, hostileBodies } from "../../bench/scan-bodies.ts";
import { createCheckedScanner, scanShifted, walkOf } from "./checked-scan.ts";
import { chatFrom, createRandom, runMutatedBodies } from "./mutated-bodies.ts";

const hashSeed = 0x5eed;
const spaces = (count: number): string => " ".repeat(count);

test("scanners agree on 100,000 mutations of agents' bodies", () => {
  const { walked, admitted } = runMutatedBodies(100_000, 20_261_201);
  assert.ok(admitted > 10_000, `${admitted} admitted`);
  assert.ok(walked > 0.9 * admitted, `${walked} of ${admitted} walked`);
});

test("walk admits agents' bodies and the honest ones of the bench, and does so alone", () => {
  const walk = walkOf({ hashSeed });
  const random = createRandom(1);
  for (let round = 0; round < 500; round++) {
    const bytes = chatFrom(random);
    assert.ok(walk(bytes)?.ok, bytes.toString());
  }
  for (const [name, text] of honestBodies()) {
    assert.equal(walk(Buffer.from(text))?.ok, name === "10,000 keys" ? undefined : true, name);
  }
});

test("scanners agree on the bodies of the bench, honest and hostile", () => {
  const scan = createCheckedScanner({ hashSeed });
  for (const [, text] of honestBodies()) scan(Buffer.from(text));
  for (const [, build] of hostileBodies) scan(build(200_000));
});

/** Values, right and wrong, that are whole within quotes or brackets of their own. */
const values = [
  ...[
    '"\\""',
    '"\\\\"',
    '"\\\\\\""',
    '"\\u00e9\\ud83d\\ude00"',
    '"é漢😀"',
    '"\\n\\t"',
    '""',
    '"\u007f"',
  ],
  ...["-0.5e+10", "0", "12345678901234567890", "true", "false", "null", "[]", "{}", '{"é":[1]}'],
  ...[
    `"${"\\\\".repeat(40)}"`,
    `"${"\\\\".repeat(40)}\\""`,
    `"${"x".repeat(70)}"`,
    '{"a":{"b":[{}]}}',
  ],
  ...[
    '"\\x"',
    '"\\u12"',
    '"\\u123g"',
    '"\u0001"',
    '"\n"',
    '"',
    "\\",
    '\\"',
    '"a"\\',
    '"a"b',
    '1"a"',
    "1\\",
  ],
  ...[
    "01",
    "1.",
    "1e",
    "-",
    "+1",
    "tru",
    "truee",
    "nullx",
    "1 2",
    "[1,]",
    "{,}",
    '{"a"}',
    '{"a":1,}',
  ],
  ...[
    "[}",
    "{]",
    '{"a":1,"a":2}',
    '{"é":1,"é":2}',
    "\u0000",
    "\f",
    "\u001a",
    "\u00a0",
    "{1:2}",
    "1:2",
    "[1:2]",
  ],
  ...[
    `${"1".repeat(512)}`,
    `${"1".repeat(513)}`,
    `"${"\\".repeat(65)}"`,
    '"\\ud800"',
    '{"\\ud800":1}',
  ],
];

test("scanners agree on every token at every place of a block", () => {
  const scan = createCheckedScanner({ hashSeed });
  for (const value of values) {
    scanShifted(scan, Buffer.from(`{"a":${value},"b":"x"}`), 130);
    scanShifted(scan, Buffer.from(`{"a":[${value}`), 70);
    scanShifted(scan, Buffer.from(`{"a":{"k":"${value}"}}`), 70);
    scanShifted(scan, Buffer.from(`{"a":{"k${value.replaceAll('"', "")}":1}}`), 70);
  }
  assert.ok(scan.counts.walked > 1000);
});

test("scanners agree on every byte in the place of every byte, and between any two", () => {
  const scan = createCheckedScanner({ hashSeed });
  const wholes = [
    String.raw`{"k":"a\"\\\/\b\f\n\r\t\u00e9\uD83d\ude00é漢😀", "n" :[-10.5e+3,0,1E-2 ,7],"o":{"x":{},"y":[]}}`,
    '{"w":[true,false,null, true ],"n":null,"s":"" ,"t":[["a"],{"é":1,"b":2}]\n}\t\r\n ',
  ];
  for (const whole of wholes) {
    const bytes = Buffer.from(whole);
    assert.equal(scan(bytes).ok, true);
    for (let at = 0; at <= bytes.length; at++) {
      const head = bytes.subarray(0, at);
      for (let byte = 0; byte < 256; byte++) {
        scan(Buffer.concat([head, Buffer.of(byte), bytes.subarray(at + 1)]));
        scan(Buffer.concat([head, Buffer.of(byte), bytes.subarray(at)]));
      }
    }
  }
  assert.ok(scan.counts.walked > 3000);
});

test("scanners agree on every token at the edge of a window", () => {
  const scan = createCheckedScanner({ hashSeed });
  for (const value of values) {
    for (const back of [0, 1, 2, 3, 5, 8, 63, 64, 65]) {
      const head = `{"a":"${"x".repeat(65_536 - 9 - back)}",`;
      scan(Buffer.from(`${head}"b":${value},"c":1}`));
      scan(Buffer.from(`{"a":${spaces(65_536 - 5 - back)}${value}}`));
    }
  }
});

test("scanners agree on bodies that end at the edge of a block or window, cut or whole", () => {
  const scan = createCheckedScanner({ hashSeed });
  for (const length of [
    63, 64, 65, 127, 128, 129, 65_535, 65_536, 65_537, 66_559, 66_560, 66_561,
  ]) {
    for (const tail of [
      '"}',
      '"]}',
      '\\"}',
      '"} ',
      '"}x',
      '"',
      "",
      '","b":1',
      '","b":12}',
      '","b":nul',
    ]) {
      for (const head of ['{"a":"', '{"a":["']) {
        scan(Buffer.from(head + "x".repeat(length - head.length - tail.length) + tail));
        scan(Buffer.from(`${head}${tail}`.padEnd(length, " ")));
      }
    }
  }
  assert.ok(scan.counts.walked > 50);
});

test("scanners agree on deep nesting, many keys and long keys, at the limits of each", () => {
  const scan = createCheckedScanner({ hashSeed });
  const objectOf = (count: number, more = ""): string =>
    `{${Array.from({ length: count }, (_, at) => `"k${at}":0`).join(",")}${more}}`;
  for (const count of [1, 2, 3, 4, 5, 12, 13, 64, 127, 128, 129, 130, 255, 256, 257, 1000]) {
    scan(Buffer.from(objectOf(count)));
    scan(Buffer.from(`{"o":${objectOf(count)},"p":[${objectOf(count)},${objectOf(count)}]}`));
    for (const twin of [0, 1, count >> 1, count - 1]) {
      scan(Buffer.from(objectOf(count, `,"k${twin}":1`)));
      scan(Buffer.from(`{"o":[${objectOf(count)},${objectOf(count, `,"k${twin}":1`)}]}`));
    }
  }
  for (const length of [15, 16, 17, 31, 32, 33, 495, 496, 511, 512, 513, 528, 529, 1100]) {
    const key = "k".repeat(length);
    scan(Buffer.from(`{"${key}":1,"${key}x":2}`));
    scan(Buffer.from(`{"o":{"${key}":1,"${key}":2}}`));
    scan(Buffer.from(`{"o":{"${key}é":1,"${key}\\u00e9":2}}`));
  }
  for (const depth of [1, 2, 4, 5, 62, 63, 64, 65]) {
    scan(Buffer.from(`{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`));
    scan(Buffer.from('{"a":'.repeat(depth) + objectOf(256) + "}".repeat(depth)));
    scan(Buffer.from('{"a":'.repeat(depth) + objectOf(5, ',"k4":1') + "}".repeat(depth)));
  }
  assert.ok(scan.counts.walked > 40);
});

test("walk admits up to each limit of its own, and leaves what lies beyond", () => {
  const walk = walkOf({ hashSeed });
  const keys = (count: number): string =>
    `{"o":{${Array.from({ length: count }, (_, at) => `"k${at}":0`).join(",")}}}`;
  const nest = (depth: number): string => `{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
  const rows: readonly (readonly [walked: string, left: string])[] = [
    [`{"a":${"1".repeat(512)}}`, `{"a":${"1".repeat(513)}}`],
    [nest(64), nest(65)],
    [keys(256), keys(257)],
    [`{"${"k".repeat(512)}":1}`, `{"${"k".repeat(528)}":1}`],
    ['{"o":{"é":1}}', '{"o":{"\\u00e9":1}}'],
    ['{"o":{"__proto__":1}}', '{"__proto__":1}'],
  ];
  for (const [walked, left] of rows) {
    assert.equal(walk(Buffer.from(walked))?.ok, true, walked.slice(0, 40));
    assert.equal(walk(Buffer.from(left)), undefined, left.slice(0, 40));
  }
});

const mask64 = (1n << 64n) - 1n;

function mixed(hash: bigint, word: bigint): bigint {
  const product = ((hash ^ word) * 0x9e3779b97f4a7c15n) & mask64;
  return product ^ (product >> 32n);
}

/** The hash of a key of eight letters, as walk.c takes it. */
function hashOf(key: string): number {
  const seed = (BigInt(hashSeed + 1) * 0xd6e8feb86659fd93n) & mask64;
  const text = mixed(mixed(seed, Buffer.from(key).readBigUInt64LE()), 0n);
  return Number(mixed(text, 8n) & 0xffff_ffffn);
}

test("walk leaves keys of one hash to the plain scanner, which tells them apart", () => {
  const seen = new Map<number, string>();
  const pairs: [string, string][] = [];
  for (let number = 0; pairs.length < 2; number++) {
    const key = number.toString(36).padStart(8, "_");
    const hash = hashOf(key);
    const other = seen.get(hash);
    if (other !== undefined) pairs.push([key, other]);
    seen.set(hash, key);
  }
  const walk = walkOf({ hashSeed });
  const scan = createCheckedScanner({ hashSeed });
  for (const [one, other] of pairs) {
    const body = Buffer.from(`{"o":{"${one}":1,"${other}":2}}`);
    assert.equal(walk(body), undefined);
    assert.equal(scan(body).ok, true);
    assert.equal(walk(Buffer.from(`{"${one}":{"${other}":2}}`))?.ok, true);
  }
});

test("scanners note the same long strings, values but no keys, and no more than they have room for", () => {
  const scan = createCheckedScanner({ hashSeed });
  for (const length of [250, 253, 254, 255, 256, 257, 300, 319, 320, 321]) {
    const text = `"${"x".repeat(length)}"`;
    for (const body of [
      `{"a":${text},${text}:1,"b":[${text} , ${text}]}`,
      `{"a":"b",${text}:${text},"c":{"d":{"e":[${text}],"f":${text}}}}`,
      `{"a":{"b":{"c":{${text}:[[${text}]],"d":"e",${text.replace("x", "y")}:"f"}}}}`,
      `{"a":["b\\${"\\n".repeat(length)}","${'\\"'.repeat(length)}"]}`,
    ]) {
      scanShifted(scan, Buffer.from(body), 65);
    }
  }
  scan(Buffer.from(`{"a":[${`"${"x".repeat(260)}",`.repeat(4200)}0]}`));
  assert.equal(scan.counts.walked, scan.counts.admitted);
  const result = walkOf({ hashSeed })(Buffer.from(`{"a":"${"x".repeat(300)}"}`));
  assert.ok(result?.ok);
  assert.equal(result.containers.textEndOf(5), 307);
});

test("walk keeps nothing of a body that the next could be read by", () => {
  const scan = createCheckedScanner({ hashSeed });
  for (const first of [
    '{"a":"\\',
    '{"a":"\\u',
    '{"a":"',
    `{"a":"${"x".repeat(57)}\\`,
    '{"a":1',
    '{"a":[[',
  ]) {
    for (const next of ['"b"}', '00e9"}', 'n"}', "}", "]]}", '{"a":1}', '"a":1}', ',"b":2}']) {
      scan(Buffer.from(first));
      scan(Buffer.from(next));
    }
  }
});
