// Properties of the scanner and of the edit that it makes possible, against JSON.parse and against a second, plain and
// recursive reading of the grammar.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readJsonBody } from "../../../src/core/body/json-body.ts";
import { createCheckedScanner } from "./checked-scan.ts";

const scan = createCheckedScanner({ hashSeed: 7 });
const bounds = { interruptAfterTimeLimit: 700, numRuns: 1500 } as const;

/**
 * RFC 8259 and unique keys, as plainly as can be. Throws on anything else; depth and numbers have no limit here. Gives
 * the tokens of the top-level keys.
 */
function readPlainly(text: string): readonly string[] {
  let at = 0;
  let depth = 0;
  const topKeys: string[] = [];
  const fail = (): never => {
    throw new SyntaxError(`at ${at}`);
  };
  const match = (pattern: RegExp): string | undefined => {
    const found = new RegExp(pattern, "uy");
    found.lastIndex = at;
    const [token] = found.exec(text) ?? [];
    if (token !== undefined) at += token.length;
    return token;
  };
  const need = (pattern: RegExp): string => match(pattern) ?? fail();
  const space = (): unknown => match(/[ \t\r\n]*/);
  const string = (): string =>
    need(/"(?:[^"\\\p{Cc}]|[\x7f-\x9f]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*"/u);
  const list = (close: RegExp, entry: () => void): void => {
    space();
    if (match(close) !== undefined) return;
    depth++;
    do entry();
    while (match(/,/) !== undefined);
    need(close);
    depth--;
  };
  const value = (): void => {
    space();
    if (match(/\{/) !== undefined) {
      const keys = new Set<string>();
      list(/\}/, () => {
        space();
        const token = string();
        if (depth === 1) topKeys.push(token);
        const key = JSON.parse(token) as string;
        if (keys.has(key) || !key.isWellFormed()) fail();
        keys.add(key);
        space();
        need(/:/);
        value();
      });
    } else if (match(/\[/) !== undefined) list(/\]/, value);
    else if (text[at] === '"') string();
    else need(/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/);
    space();
  };
  value();
  if (at !== text.length) fail();
  return topKeys;
}

/** Top-level keys that are escaped, not ASCII or `__proto__` are refused whatever the rest is like. */
function isReadPlainly(bytes: Uint8Array): boolean {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const keys = readPlainly(text);
    const isOdd = keys.some((key) => !/^[\x20-\x5b\x5d-\x7f]*$/.test(key) || key === '"__proto__"');
    return text.trimStart().startsWith("{") && !isOdd;
  } catch {
    return false;
  }
}

const name = fc
  .string({
    unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz0123456789_"),
    minLength: 1,
    maxLength: 8,
  })
  .filter((key) => key !== "__proto__");
const nestedName = fc.oneof(
  name,
  fc.string({ unit: "grapheme", maxLength: 6 }),
  fc.constantFrom("__proto__", "constructor", "", "\u202e", "\u0000"),
);
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(null, true, false, 0, -1, 1.5, 1e300, "", "x"),
    fc.string({ unit: "grapheme" }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.array(tie("any"), { maxLength: 5 }),
    fc.dictionary(nestedName, tie("any"), { maxKeys: 20 }),
  ),
})).any;
const document = fc.dictionary(name, value, { noNullPrototype: true });

test("scanner admits what JSON.stringify writes, with the members that JSON.parse reads", () => {
  fc.assert(
    fc.property(document, fc.constantFrom(0, 2, "\t"), (written, indent) => {
      const text = JSON.stringify(written, undefined, indent);
      const bytes = Buffer.from(text);
      const result = scan(bytes);
      assert.ok(result.ok, text);
      const read = result.members.map(({ key, start, end }) => [
        key,
        JSON.parse(bytes.subarray(start, end).toString()) as unknown,
      ]);
      const wanted = JSON.parse(text) as Record<string, unknown>;
      assert.deepEqual(
        read.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
        Object.entries(wanted).toSorted(([a], [b]) => (a < b ? -1 : 1)),
      );
    }),
    bounds,
  );
});

/** A valid document with up to three bytes changed, put in or taken out. */
const damaged = fc
  .record({
    written: document,
    blows: fc.array(
      fc.record({
        at: fc.nat(),
        byte: fc.oneof(
          fc.nat({ max: 255 }),
          fc.constantFrom(...Buffer.from('{}[]",:\\u0e-1.tfn \n')),
        ),
        how: fc.constantFrom("replace", "insert", "delete"),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  })
  .map(({ written, blows }) => {
    let bytes = Buffer.from(JSON.stringify(written));
    for (const { at, byte, how } of blows) {
      const place = at % (bytes.length + 1);
      const middle = how === "delete" ? [] : [byte];
      const tail = bytes.subarray(how === "insert" ? place : place + 1);
      bytes = Buffer.concat([bytes.subarray(0, place), Buffer.from(middle), tail]);
    }
    return bytes;
  });

test("scanner admits exactly what a plain reading admits, however a document is damaged", () => {
  fc.assert(
    fc.property(damaged, (bytes) => {
      const isPlain = isReadPlainly(bytes);
      assert.equal(scan(bytes).ok, isPlain, bytes.toString("latin1"));
    }),
    bounds,
  );
});

test("scanner admits nothing that JSON.parse refuses", () => {
  fc.assert(
    fc.property(damaged, (bytes) => {
      const isAdmitted = scan(bytes).ok;
      let isParsed = true;
      try {
        JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
      } catch {
        isParsed = false;
      }
      assert.ok(isParsed || !isAdmitted, bytes.toString("latin1"));
    }),
    bounds,
  );
});

test("scanner never throws, on any bytes, and agrees with a plain reading", () => {
  const tokens =
    '{ } [ ] " , : \\ \\u \\u0061 d800 a 1 -0 . e+ true null "a" "b": {"a":1} \ufeff \n é'.split(
      " ",
    );
  const soup = fc
    .array(fc.constantFrom(...tokens), { maxLength: 24 })
    .map((parts) => Buffer.from(parts.join("")));
  fc.assert(
    fc.property(fc.oneof(soup, fc.uint8Array({ maxLength: 60 })), (bytes) => {
      const isPlain = isReadPlainly(bytes);
      const isAdmitted = scan(bytes).ok;
      assert.equal(isAdmitted, isPlain, Buffer.from(bytes).toString("latin1"));
    }),
    bounds,
  );
});

test("scanner refuses exactly the objects in which a key stands twice, however the keys are spelled", () => {
  const unit = fc.constantFrom("a", "b", "é", "/", "漢", "😀", "\n", '"');
  const text = fc.string({ unit, maxLength: 2 });
  const spelled = fc.record({ text, isEscaped: fc.boolean(), isUpper: fc.boolean() });
  fc.assert(
    fc.property(fc.array(spelled, { maxLength: 40 }), (keys) => {
      const members = keys.map((key) => {
        if (!key.isEscaped) return `${JSON.stringify(key.text)}:0`;
        const units = Array.from({ length: key.text.length }, (_, at) => {
          const digits = key.text.charCodeAt(at).toString(16).padStart(4, "0");
          return `\\u${key.isUpper ? digits.toUpperCase() : digits}`;
        });
        return `"${units.join("")}":0`;
      });
      const isUnique = new Set(keys.map((key) => key.text)).size === keys.length;
      assert.equal(scan(Buffer.from(`{"o":{${members.join(",")}}}`)).ok, isUnique);
    }),
    bounds,
  );
});

test("readJsonBody finds the model that JSON.parse finds, and an edit changes nothing else", () => {
  const rest = fc.dictionary(
    name.map((key) => `x_${key}`),
    value,
    { noNullPrototype: true },
  );
  const model = fc.constantFrom("AgentX-LLM", "openrouter/qwen/qwen3.5", "a b", "@cf/meta/llama");
  fc.assert(
    fc.property(rest, model, rest, fc.constantFrom(0, 1), (before, wanted, after, indent) => {
      const written = { ...before, model: wanted, ...after };
      const bytes = Buffer.from(JSON.stringify(written, undefined, indent).replaceAll("/", "\\/"));
      const options = { dialect: "openai", scanner: scan } as const;
      const reading = readJsonBody(bytes, options);
      assert.ok(reading.ok && reading.model);
      assert.equal(reading.model.name, (JSON.parse(bytes.toString()) as typeof written).model);
      const { offset, length } = reading.model;
      const edited = [
        bytes.subarray(0, offset),
        Buffer.from('"v/other"'),
        bytes.subarray(offset + length),
      ];
      const read = JSON.parse(Buffer.concat(edited).toString()) as unknown;
      assert.deepEqual(read, JSON.parse(JSON.stringify({ ...written, model: "v/other" })));
    }),
    bounds,
  );
});
