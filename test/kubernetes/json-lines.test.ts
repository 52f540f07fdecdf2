// However the bytes of a watch are cut into chunks, they are the same lines; a line that never ends, ends too early or is
// no JSON is a failure.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createLineSplitter, lineBytesMax, parseJson } from "../../src/kubernetes/json-lines.ts";
import { KubeError } from "../../src/kubernetes/transport.ts";

function collect(chunks: readonly Buffer[], bytesMax?: number): readonly unknown[] {
  const lines: unknown[] = [];
  const splitter = createLineSplitter((line) => lines.push(line), bytesMax);
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

/** `bytes` cut at each of the places, in their order. */
function cut(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length];
  ends.sort((a, b) => a - b);
  return ends.map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end));
}

test("createLineSplitter gives the same lines for any chunking of the bytes", () => {
  // Many of these characters take several bytes, and cuts fall within them.
  const texts = fc.string({ unit: "binary", maxLength: 8 });
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    texts,
    fc.constantFrom("é", "日本", "😀\n"),
  );
  const end = fc.constantFrom("\n", "\r\n", "\n\n", "\n \n");
  const lines = fc.array(fc.tuple(value, end), { maxLength: 6 });
  const places = fc.array(fc.nat({ max: 400 }), { maxLength: 12 });
  fc.assert(
    fc.property(lines, places, (given, at) => {
      const bytes = Buffer.from(
        given.map(([each, eol]) => `${JSON.stringify(each)}${eol}`).join(""),
      );
      const wanted = given.map(([each]) => JSON.parse(JSON.stringify(each)));
      assert.deepEqual(collect(cut(bytes, at)), wanted);
    }),
    { numRuns: 300, interruptAfterTimeLimit: 800 },
  );
});

test("createLineSplitter gives the same lines one byte at a time", () => {
  const bytes = Buffer.from('{"a":"日😀"}\n[1]\n"\\n"\n');
  const single = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
  assert.deepEqual(collect(single), [{ a: "日😀" }, [1], "\n"]);
  assert.deepEqual(collect([bytes]), collect(single));
});

test("createLineSplitter keeps names like those of object properties", () => {
  const [line] = collect([Buffer.from('{"__proto__":1,"constructor":2}\n')]);
  assert.deepEqual(Object.keys(line as object), ["__proto__", "constructor"]);
});

test("createLineSplitter gives a line as soon as it ends, and no sooner", () => {
  const lines: unknown[] = [];
  const splitter = createLineSplitter((line) => lines.push(line));
  splitter.push(Buffer.from('{"a":1}'));
  assert.deepEqual(lines, []);
  splitter.push(Buffer.from('\n{"b"'));
  assert.deepEqual(lines, [{ a: 1 }]);
});

test("createLineSplitter refuses half a line at the end, and takes no line at all", () => {
  assert.throws(() => collect([Buffer.from('{"a":1}\n{"b":')]), {
    name: "KubeError",
    message: "a watch ended within a line",
  });
  assert.deepEqual(collect([]), []);
  assert.deepEqual(collect([Buffer.from("\n\n")]), []);
});

test("createLineSplitter bounds a line, in one chunk and in many, and each line anew", () => {
  const tooLong = { name: "KubeError", message: /longer than 10 bytes/ };
  assert.throws(() => collect([Buffer.from("[12345678]1\n")], 10), tooLong);
  const digits = Array.from({ length: 11 }, () => Buffer.from("1"));
  assert.throws(() => collect(digits, 10), tooLong);
  const rows = [Buffer.from("[12345678]\n[12345"), Buffer.from("678]\n")];
  assert.deepEqual(collect(rows, 10), [[12345678], [12345678]]);
  assert.ok(lineBytesMax >= 6 * 1.5 * 1024 * 1024);
});

test("createLineSplitter refuses a line that is no JSON without repeating it", () => {
  const wanted = { name: "KubeError", message: "the API server sent what is no JSON" };
  for (const text of ["<html>secret</html>\n", '{"a":1} {"b":2}\n', "{'a':1}\n", "NaN\n"]) {
    assert.throws(() => collect([Buffer.from(text)]), wanted, text);
  }
});

test("createLineSplitter passes on what its listener throws", () => {
  const splitter = createLineSplitter(() => {
    throw new RangeError("mine");
  });
  assert.throws(() => splitter.push(Buffer.from("1\n")), { name: "RangeError", message: "mine" });
});

test("parseJson reads JSON and refuses all else with a KubeError", () => {
  assert.deepEqual(parseJson(' {"a":[null]} '), { a: [null] });
  for (const text of ["", "undefined", "<!doctype html>", '{"a":'] as const) {
    assert.throws(() => parseJson(text), KubeError, text);
  }
});
