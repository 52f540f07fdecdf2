// The walk over one level of admitted JSON: it finds what JSON.parse finds there and nothing that is nested deeper.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { foldKey } from "../../../src/core/body/field-table.ts";
import {
  firstEntry,
  keyStartsWith,
  matchKey,
  memberValue,
  nextEntry,
  stringOf,
  valueEnd,
} from "../../../src/core/json/cursor.ts";
import { viewOf } from "../../../src/core/json/token.ts";

/** The tokens of the elements of the array at the first byte. */
function elementsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  const view = viewOf(bytes);
  const elements: string[] = [];
  for (let at = firstEntry(bytes, view, 0); at >= 0; ) {
    const end = valueEnd(bytes, view, at);
    elements.push(bytes.subarray(at, end).toString());
    at = nextEntry(bytes, view, end);
  }
  return elements;
}

/** Keys, decoded, and value tokens of the object at the first byte. */
function membersOf(text: string): (readonly [string, string])[] {
  const bytes = Buffer.from(text);
  const view = viewOf(bytes);
  const members: (readonly [string, string])[] = [];
  for (let at = firstEntry(bytes, view, 0); at >= 0; ) {
    const keyEnd = valueEnd(bytes, view, at);
    const start = memberValue(bytes, view, keyEnd);
    const end = valueEnd(bytes, view, start);
    members.push([stringOf(bytes, at, keyEnd), bytes.subarray(start, end).toString()]);
    at = nextEntry(bytes, view, end);
  }
  return members;
}

test("cursor walks the elements of an array, whatever they are", () => {
  assert.deepEqual(elementsOf("[]"), []);
  assert.deepEqual(elementsOf("[ \n ]"), []);
  assert.deepEqual(elementsOf("[1]"), ["1"]);
  assert.deepEqual(elementsOf('[ 1 ,"a,]\\"" , [2,[3]] ,{"x":"]"}, null ,-1.5e3]'), [
    "1",
    '"a,]\\""',
    "[2,[3]]",
    '{"x":"]"}',
    "null",
    "-1.5e3",
  ]);
});

test("cursor walks the members of an object, its keys decoded", () => {
  assert.deepEqual(membersOf("{}"), []);
  assert.deepEqual(membersOf("{ }"), []);
  assert.deepEqual(membersOf(String.raw`{ "a" : 1 ,"\u0062\"":{"c":"}"},"é":"\\"}`), [
    ["a", "1"],
    ['b"', '{"c":"}"}'],
    ["é", String.raw`"\\"`],
  ]);
});

test("cursor passes deep nesting and long strings", () => {
  const deep = `${"[".repeat(60)}"]"${"]".repeat(60)}`;
  const long = `"${"x".repeat(100_000)}\\"${"é".repeat(1000)}"`;
  assert.deepEqual(elementsOf(`[${deep},${long},7]`), [deep, long, "7"]);
});

test("cursor finds what JSON.parse finds", () => {
  const bounds = { interruptAfterTimeLimit: 600, numRuns: 1000 };
  const key = fc.string({ unit: "grapheme", maxLength: 5 }).filter((text) => text !== "__proto__");
  const value = fc.jsonValue({ maxDepth: 3 });
  const indent = fc.constantFrom(0, 1, "\t");
  fc.assert(
    fc.property(fc.array(value), indent, (list, space) => {
      const read = elementsOf(JSON.stringify(list, undefined, space)).map(
        (token) => JSON.parse(token) as unknown,
      );
      assert.deepEqual(read, JSON.parse(JSON.stringify(list)));
    }),
    bounds,
  );
  fc.assert(
    fc.property(fc.dictionary(key, value, { noNullPrototype: true }), indent, (object, space) => {
      const members = membersOf(JSON.stringify(object, undefined, space));
      const read = members.map(([name, token]) => [name, JSON.parse(token) as unknown]);
      assert.deepEqual(read, Object.entries(JSON.parse(JSON.stringify(object)) as object));
    }),
    bounds,
  );
});

test("cursor ends on any bytes", () => {
  const parts = fc.constantFrom(...'{}[]",:\\a1 ');
  fc.assert(
    fc.property(fc.string({ unit: parts, maxLength: 30 }), (text) => {
      const bytes = Buffer.from(text);
      const view = viewOf(bytes);
      let at = firstEntry(bytes, view, 0);
      for (let turns = 0; at >= 0 && turns < 100; turns++) {
        at = nextEntry(bytes, view, valueEnd(bytes, view, at));
      }
      assert.ok(at < 0, text);
    }),
    { interruptAfterTimeLimit: 300, numRuns: 2000 },
  );
});

test("stringOf decodes escapes and keeps what is odd", () => {
  const decode = (token: string): string =>
    stringOf(Buffer.from(token), 0, Buffer.byteLength(token));
  assert.equal(decode('""'), "");
  assert.equal(decode('"é漢😀"'), "é漢😀");
  assert.equal(decode(String.raw`"openrouter\/qwen"`), "openrouter/qwen");
  assert.equal(decode(String.raw`"\u0061\n\"\\"`), 'a\n"\\');
  assert.equal(decode(String.raw`"\ud800x"`), "\ud800x");
  assert.equal(decode('"\ufeffx"'), "\ufeffx");
});

test("matchKey tells a key from its misspellings and from other keys", () => {
  const match = (token: string, key = "model"): string => {
    const bytes = Buffer.from(token);
    return matchKey(bytes, { start: 0, end: bytes.length }, { key, folded: foldKey(key) }, foldKey);
  };
  for (const token of [
    '"model"',
    String.raw`"mod\u0065l"`,
    String.raw`"\u006d\u006f\u0064\u0065\u006c"`,
  ]) {
    assert.equal(match(token), "exact", token);
  }
  for (const token of [
    '"Model"',
    '"MODEL"',
    '"mo_del"',
    '"-model_"',
    String.raw`"MOD\u0065l"`,
    `"${"_".repeat(10_000)}model"`,
  ]) {
    assert.equal(match(token), "folded", token);
  }
  for (const token of [
    '""',
    '"mode"',
    '"models"',
    '"xmodel"',
    '"m odel"',
    '"modél"',
    '"модель"',
    String.raw`"model\u0000"`,
    '"_"',
  ]) {
    assert.equal(match(token), "none", token);
  }
  assert.equal(match('"\u017fvg"', "svg"), "folded");
  assert.equal(match('"api_base"', "api_base"), "exact");
  assert.equal(match('"apiBase"', "api_base"), "folded");
});

test("keyStartsWith compares decoded text, in the case that it has", () => {
  const starts = (token: string): boolean => {
    const bytes = Buffer.from(token);
    return keyStartsWith(bytes, { start: 0, end: bytes.length }, "langfuse_");
  };
  assert.equal(starts('"langfuse_host"'), true);
  assert.equal(starts('"langfuse_"'), true);
  assert.equal(starts(String.raw`"lang\u0066use_host"`), true);
  assert.equal(starts('"langfuse"'), false);
  assert.equal(starts('"Langfuse_host"'), false);
  assert.equal(starts('""'), false);
});
