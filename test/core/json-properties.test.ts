// Properties of the scanner, against JSON.parse and against a plain second reading of the document.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readJsonBody } from "../../src/core/body.ts";
import { createJsonScanner } from "../../src/core/json-scan.ts";

const scan = createJsonScanner({ hashSeed: 7 });
const bounds = { interruptAfterTimeLimit: 4000, numRuns: 4000 } as const;

const name = fc
  .array(fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz0123456789_"), {
    minLength: 1,
    maxLength: 8,
  })
  .map((letters) => letters.join(""))
  .filter((key) => key !== "__proto__");
const document = fc.dictionary(name, fc.jsonValue({ maxDepth: 6 }), { noNullPrototype: true });

test("scanner admits what JSON.stringify writes, with the members that JSON.parse reads", () => {
  fc.assert(
    fc.property(document, fc.constantFrom(0, 2), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      const bytes = Buffer.from(text);
      const result = scan(bytes);
      assert.ok(result.ok, text);
      const read = result.members.map(({ key, start, end }) => [
        key,
        JSON.parse(bytes.subarray(start, end).toString()) as unknown,
      ]);
      assert.deepEqual(read, Object.entries(JSON.parse(text) as object));
    }),
    bounds,
  );
});

test("scanner admits nothing that JSON.parse refuses, however a document is damaged", () => {
  const damage = fc.record({
    value: document,
    at: fc.nat(),
    byte: fc.nat({ max: 255 }),
    how: fc.constantFrom("replace", "insert", "delete"),
  });
  fc.assert(
    fc.property(damage, ({ value, at, byte, how }) => {
      const bytes = Buffer.from(JSON.stringify(value));
      const place = at % (bytes.length + 1);
      const head = bytes.subarray(0, place);
      const tail = bytes.subarray(how === "insert" ? place : place + 1);
      const damaged = Buffer.concat([
        head,
        how === "delete" ? Buffer.alloc(0) : Buffer.from([byte]),
        tail,
      ]);
      const result = scan(damaged);
      if (result.ok) JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(damaged));
    }),
    bounds,
  );
});

test("scanner never throws on any bytes", () => {
  const soup = fc.array(fc.constantFrom(...'{}[]",:\\u0e-1.tfn \n'), { maxLength: 60 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), soup, (bytes, letters) => {
      assert.equal(typeof scan(bytes).ok, "boolean");
      const text = letters.join("");
      if (scan(Buffer.from(text)).ok) JSON.parse(text);
    }),
    bounds,
  );
});

/** Duplicate keys by the plainest means: a reviver cannot see them, so the document is walked by hand. */
function hasDuplicateKey(pairs: readonly (readonly [string, unknown])[]): boolean {
  return new Set(pairs.map(([key]) => key)).size !== pairs.length;
}

test("scanner refuses exactly the objects in which a key stands twice", () => {
  const key = fc.constantFrom(
    "a",
    "b",
    "é",
    "/",
    "k1",
    "k2",
    "k3",
    "k4",
    "k5",
    "k6",
    "k7",
    "k8",
    "k9",
  );
  const spelled = fc.record({ key, escaped: fc.boolean() });
  fc.assert(
    fc.property(fc.array(spelled, { maxLength: 14 }), (keys) => {
      const members = keys.map(({ key: text, escaped }) => {
        const unit = text.charCodeAt(0).toString(16).padStart(4, "0");
        return `"${escaped ? `\\u${unit}${text.slice(1)}` : text}":0`;
      });
      const result = scan(Buffer.from(`{"o":{${members.join(",")}}}`));
      assert.equal(result.ok, !hasDuplicateKey(keys.map(({ key: text }) => [text, 0])));
    }),
    bounds,
  );
});

test("replacing the model token gives the same document with another model", () => {
  const rest = fc.dictionary(
    name.map((key) => `x_${key}`),
    fc.jsonValue({ maxDepth: 3 }),
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(rest, rest, (before, after) => {
      const value = { ...before, model: "AgentX-LLM", ...after };
      const bytes = Buffer.from(JSON.stringify(value));
      const options = {
        dialect: "openai",
        bodyFields: new Set<string>(),
        scanner: scan,
        isText: false,
      } as const;
      const reading = readJsonBody(bytes, options);
      assert.ok(reading.ok);
      const { offset, length } = reading.model;
      const edited = Buffer.concat([
        bytes.subarray(0, offset),
        Buffer.from('"vendor/other"'),
        bytes.subarray(offset + length),
      ]);
      const wanted = { ...value, model: "vendor/other" };
      assert.equal(edited.toString(), JSON.stringify(wanted));
    }),
    bounds,
  );
});
