// Hostile and broken JSON: what the scanner leaves alone, what it still finds, and that nothing makes it keep bytes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { modelTokenBytesMax } from "../../../src/core/response/json.ts";
import { createResponseReader } from "../../../src/core/response/model.ts";
import { json, ndjson, readAll, splitAt, sse } from "./samples.ts";

const told = { dialect: "openai", contentType: json, shown: "mine" } as const;

/** The output and the names served, the same for a whole body, for single bytes and for pieces of seven. */
function read(bytes: Buffer): { readonly output: string; readonly names: readonly string[] } {
  const everySeventh = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, at) => at * 7);
  const [whole, ...others] = [[], Array.from(bytes.keys()), everySeventh].map((cuts) => {
    const { output, served } = readAll(splitAt(bytes, cuts), told);
    return { output: output.toString("latin1"), names: served.map(({ name }) => name) };
  });
  assert.ok(whole);
  for (const other of others) assert.deepEqual(other, whole);
  return { output: Buffer.from(whole.output, "latin1").toString(), names: whole.names };
}

const found: readonly (readonly [name: string, before: string, after: string])[] = [
  ["two keys", '{"model":"a","model":"b"}', '{"model":"mine","model":"mine"}'],
  ["an escaped key", String.raw`{"mod\u0065l":"a"}`, String.raw`{"mod\u0065l":"mine"}`],
  [
    "a key of escapes only",
    String.raw`{"\u006d\u006f\u0064\u0065\u006C":"a"}`,
    String.raw`{"\u006d\u006f\u0064\u0065\u006C":"mine"}`,
  ],
  ["an escaped name", String.raw`{"model":"\u0061\/\"\\"}`, '{"model":"mine"}'],
  ["cut after the name", '{"model":"a"', '{"model":"mine"'],
  ["broken after the name", '{"model":"a"]{"model":"b"}', '{"model":"mine"]{"model":"b"}'],
  ["a document and more", '{"model":"a"}{"model":"b"}', '{"model":"mine"}{"model":"b"}'],
  ["white space everywhere", '\r\n\t {\n"model"\t:\r"a"\n}\n', '\r\n\t {\n"model"\t:\r"mine"\n}\n'],
  [
    "strings of escapes before",
    String.raw`{"\\":"\\\\\"","x":["\\",{"\"":"]"}],"model":"a"}`,
    String.raw`{"\\":"\\\\\"","x":["\\",{"\"":"]"}],"model":"mine"}`,
  ],
  ["words and numbers before", '{"a":-1.5E+7,"b":null,"c":true,"model":"a"}', ""],
  ["hostile keys before", '{"__proto__":{"model":"x"},"constructor":"model","":0,"model":"a"}', ""],
  ["a long key before", `{"${"model".repeat(99)}":"x","model":"a"}`, ""],
  ["deep nesting before", `{"a":${"[".repeat(3000)}${"]".repeat(3000)},"model":"a"}`, ""],
  ["the longest name", `{"model":"${"m".repeat(modelTokenBytesMax - 2)}"}`, '{"model":"mine"}'],
  ["invalid UTF-8 elsewhere", '{"a":"\u00ff\u00fe","model":"a"}', ""],
];

test("push finds the model in unusual JSON", () => {
  for (const [name, before, after] of found) {
    const wanted = after === "" ? before.replace('"model":"a"', '"model":"mine"') : after;
    const { output, names } = read(Buffer.from(before));
    assert.equal(output, wanted, name);
    assert.equal(names.length, name === "two keys" ? 2 : 1, name);
  }
});

test("served decodes the name that it was told", () => {
  assert.deepEqual(read(Buffer.from(String.raw`{"model":"\u0061\/b\ud83d\ude00"}`)).names, [
    "a/b😀",
  ]);
  const invalid = Buffer.from('{"model":"a\u00ff"}', "latin1");
  assert.deepEqual(read(invalid), { output: '{"model":"mine"}', names: ["a\ufffd"] });
});

const leftAlone: readonly (readonly [name: string, body: string])[] = [
  ["nothing", ""],
  ["white space", " \r\n\t"],
  ["no JSON", "model: a"],
  ["HTML", '<html>"model":"a"</html>'],
  ["a string", '"model"'],
  ["a number", "17"],
  ["other types of model", '{"model":null,"model":1,"model":["a"],"model":{"model":"a"}}'],
  ["an empty name", '{"model":""}'],
  [
    "other keys",
    '{"Model":"a","models":"a","mode":"a","model ":"a","modelVersion":"a","":"model"}',
  ],
  ["a key that is no escape of it", String.raw`{"mod\u0045l":"a","\model":"a","m\odel":"a"}`],
  ["nested models", '{"a":{"model":"a"},"b":[{"model":"a"}],"c":"{\\"model\\":\\"a\\"}"}'],
  ["an array", '[{"model":"a"}]'],
  ["half a document", '{"model"'],
  ["half a name", '{"model":"a'],
  ["half an escape in the name", '{"model":"a\\'],
  ["half an escape in the key", '{"mod\\u00'],
  ["no escape in the name", String.raw`{"model":"\x","model":"a"}`],
  ["a short escape in the name", String.raw`{"model":"\u12","model":"a"}`],
  ["a line feed in the name", '{"model":"a\nb","model":"a"}'],
  ["NUL in the name", '{"model":"a\u0000b","model":"a"}'],
  ["NUL in a key", '{"mod\u0000el":"a","model":"a"}'],
  ["NUL in a string", '{"a":"\u0000","model":"a"}'],
  ["NUL between tokens", '{\u0000"model":"a"}'],
  ["UTF-16", Buffer.from('{"model":"a"}', "utf16le").toString("latin1")],
  ["no comma", '{"a":1 "model":"a"}'],
  ["two commas", '{"a":1,,"model":"a"}'],
  ["no colon", '{"model" "a"}'],
  ["another mark for a comma", '{"a":1;"model":"a"}'],
  ["another mark for a colon", '{"a"=1,"model":"a"}'],
  ["no value but a mark", '{"a":;,"model":"a"}'],
  ["no value", '{"a":,"model":"a"}'],
  ["a closed object", '{},"model":"a"}'],
  ["a wrong bracket", '{"a":1],"model":"a"}'],
  ["single quotes", "{'model':'a'}"],
  ["a comment", '{/* */"model":"a"}'],
  ["deep nesting that never ends", `{"a":${"[{".repeat(3000)}"model":"a"`],
  ["closing brackets", "]}".repeat(3000)],
];

test("push leaves alone what is no JSON, or no model's place in it", () => {
  for (const [name, body] of leftAlone) {
    const { output, names } = read(Buffer.from(body));
    assert.equal(output, body, name);
    assert.deepEqual(names, [], name);
  }
});

const arrays: readonly (readonly [before: string, after: string])[] = [
  ['[{"modelVersion":"a"}]', '[{"modelVersion":"mine"}]'],
  [' [\n{},\n{"modelVersion":"a"}\n]', ' [\n{},\n{"modelVersion":"mine"}\n]'],
  ['["modelVersion",1,{"modelVersion":"a"}', '["modelVersion",1,{"modelVersion":"mine"}'],
  ['{"modelVersion":"a"}', '{"modelVersion":"mine"}'],
  ['[[{"modelVersion":"a"}],[]]', '[[{"modelVersion":"a"}],[]]'],
  ['[{"a":1}],{"modelVersion":"a"}', '[{"a":1}],{"modelVersion":"a"}'],
  ['[{"a":1}][{"modelVersion":"a"}]', '[{"a":1}][{"modelVersion":"a"}]'],
  ['[{"a":1}{"modelVersion":"a"}]', '[{"a":1}{"modelVersion":"a"}]'],
  ['[]{"modelVersion":"a"}', '[]{"modelVersion":"a"}'],
  ['{"a":[{"modelVersion":"a"}],"model":"a"}', '{"a":[{"modelVersion":"a"}],"model":"a"}'],
];

test("push reads Gemini's array of documents, and no array in it, in an event or after it", () => {
  for (const [before, after] of arrays) {
    const bytes = Buffer.from(before);
    for (const cuts of [[], Array.from(bytes.keys())]) {
      const { output } = readAll(splitAt(bytes, cuts), { ...told, dialect: "gemini" });
      assert.equal(output.toString(), after);
    }
  }
  const event = 'data: [{"modelVersion":"a"}]\n\n';
  const events = { ...told, dialect: "gemini", contentType: sse } as const;
  assert.equal(readAll([Buffer.from(event)], events).output.toString(), event);
});

test("served reports a name that is too long to be one, which is not replaced", () => {
  assert.equal(modelTokenBytesMax, 1538);
  const token = `"${"m\\n".repeat(modelTokenBytesMax)}"`;
  const { output, names } = read(Buffer.from(`{"model":${token},"model":"a"}`));
  assert.equal(output, `{"model":${token},"model":"mine"}`);
  assert.deepEqual(names, ["m\\n".repeat(100).slice(0, 256), "a"]);
});

type Feed = { readonly start: string; readonly filler: string; readonly megabytes: number };

/** Feeds one chunk again and again, and says how much was ever held back. */
function heldOf(contentType: string, { start, filler, megabytes }: Feed): number {
  const reader = createResponseReader(new Map([["content-type", contentType]]), 200, {
    dialect: "openai",
    authorized: [],
    shown: "mine",
  });
  assert.ok(reader);
  const chunk = Buffer.from(filler.repeat(65_536 / filler.length));
  let held = start.length - reader.push(Buffer.from(start), false).length;
  let heldMax = held;
  for (let fed = 0; fed < megabytes * 2 ** 20; fed += chunk.length) {
    held += chunk.length - reader.push(chunk, false).length;
    heldMax = Math.max(heldMax, held);
  }
  assert.equal(reader.push(Buffer.alloc(0), true).length, held);
  return heldMax;
}

test("push holds back a bounded number of bytes of 64 MB that never end", () => {
  const held = (contentType: string, start: string, filler: string): number =>
    heldOf(contentType, { start, filler, megabytes: 64 });
  assert.equal(held(json, '{"data":[{"b64_json":"', "iVBORw0K"), 0);
  assert.equal(held(sse, 'data: {"model":"', "a"), '"'.length);
  assert.equal(held(json, '{"', "a"), '"'.length);
  assert.equal(held(ndjson, "", "a"), 0);
});

test("push holds back nothing of brackets, escapes, digits and white space that never end", () => {
  const held = (contentType: string, start: string, filler: string): number =>
    heldOf(contentType, { start, filler, megabytes: 8 });
  assert.equal(held(json, '{"a":', "["), 0);
  assert.equal(held(json, '{"model":', "1"), 0);
  assert.equal(held(sse, 'data: {"a":"', "\\\\"), 0);
  assert.equal(held(json, "", " "), 0);
  assert.equal(held(sse, "", "\r\n"), 0);
});

test("push holds back no more than a name of the longest spelling", () => {
  const one = Buffer.from("a");
  const chunks = [
    Buffer.from('{"model":'),
    Buffer.from('"'),
    ...Array.from({ length: 9000 }, () => one),
  ];
  assert.equal(readAll(chunks, told).heldMax, modelTokenBytesMax - 1);
});
