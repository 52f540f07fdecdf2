// Properties of the response's reader: against JSON.parse and a second way to find the places, on documents and event
// streams made at random; and on garbage, that it never throws and never depends on how the bytes are cut.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Dialect } from "../../../src/core/denials.ts";
import { json, ndjson, readAll, samples, splitAt, sse } from "./samples.ts";

const bounds = { interruptAfterTimeLimit: 700, numRuns: 2000 } as const;

const spaces = fc.constantFrom("", "", " ", "\t", "  ");
const keys = fc.constantFrom(
  ...["model", "model", "modelVersion", "response", "message", "Model", "a", "", "__proto__"],
  ...['mod"el', "models", "m\\", "é", "x".repeat(90)],
);
const escaped = (key: string): string =>
  `"${Array.from(key, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")}"`;

/** A piece of a document: text that stays, or the token of a model. */
type Piece = { readonly text: string; readonly isModel: boolean };
type Value = { readonly kind: "string" | "object" | "other"; readonly pieces: readonly Piece[] };
type Member = readonly [
  key: string,
  token: string,
  spaces: readonly [string, string, string],
  Value | Leaf,
];
type Leaf = { readonly text: string };

const leaf: fc.Arbitrary<Leaf> = fc
  .oneof(
    fc.constantFrom("gpt-x", "decoy", "", "a/b", '"model":"decoy"', "\\", "😀", "\u2028", "m\n"),
    fc.json({ maxDepth: 3 }),
    fc.string({ unit: "binary", maxLength: 12 }),
  )
  .map((text) => ({ text: JSON.stringify(text) }));

const scalar: fc.Arbitrary<Leaf> = fc.oneof(
  leaf,
  fc.constantFrom("null", "true", "-0.5e+3", "17", "[]", "{}").map((text) => ({ text })),
  fc.json({ maxDepth: 4 }).map((text) => ({ text })),
  fc.constant({ text: '[{"model":"decoy"},["model","decoy"]]' }),
);

type Place = "document" | "holder";

/** An object whose members, and those of its holder, are known by where they stand. */
function objectOf(dialect: Dialect, place: Place, isEvent: boolean): fc.Arbitrary<Value> {
  const nested: fc.Arbitrary<Value | Leaf> =
    place === "document"
      ? fc.oneof({ weight: 2, arbitrary: scalar }, objectOf(dialect, "holder", isEvent))
      : scalar;
  const member: fc.Arbitrary<Member> = fc
    .tuple(keys, fc.boolean(), fc.tuple(spaces, spaces, spaces), nested)
    .map(([key, isEscaped, around, value]) => {
      const token = isEscaped && key !== "" ? escaped(key) : JSON.stringify(key);
      return [key, token, around, value];
    });
  return fc.array(member, { maxLength: 5 }).map((members) => {
    const pieces: Piece[] = [{ text: "{", isModel: false }];
    members.forEach(([key, token, [before, middle, after], value], at) => {
      const comma = at === 0 ? "" : ",";
      pieces.push({ text: `${comma}${before}${token}${middle}:${after}`, isModel: false });
      pieces.push(...piecesOf(value, key, { dialect, place, isEvent }));
    });
    pieces.push({ text: "}", isModel: false });
    return { kind: "object", pieces };
  });
}

type Standing = { readonly dialect: Dialect; readonly place: Place; readonly isEvent: boolean };

function piecesOf(value: Value | Leaf, key: string, standing: Standing): readonly Piece[] {
  const { dialect, place, isEvent } = standing;
  if ("pieces" in value) {
    const holder = dialect === "anthropic" ? "message" : "response";
    const isHolder = isEvent && dialect !== "gemini" && dialect !== "ollama" && key === holder;
    return value.pieces.map((each) => ({ ...each, isModel: each.isModel && isHolder }));
  }
  const isPlace = key === (dialect === "gemini" ? "modelVersion" : "model");
  const isName = value.text.startsWith('"') && value.text !== '""';
  // In an object that turns out to be no holder, this is taken back above.
  return [{ text: value.text, isModel: isPlace && isName && (place === "document" || isEvent) }];
}

const textOf = (pieces: readonly Piece[], shown: string | undefined): string =>
  pieces.map(({ text, isModel }) => (isModel && shown !== undefined ? shown : text)).join("");
const namesOf = (pieces: readonly Piece[]): readonly string[] =>
  pieces.flatMap(({ text, isModel }) => (isModel ? [JSON.parse(text) as string] : []));

const dialects = fc.constantFrom<Dialect>("openai", "azure", "anthropic", "gemini", "ollama");
const cutsOf = fc.array(fc.nat(), { maxLength: 12 });

type Wanted = { readonly dialect: Dialect; readonly contentType: string };

function agree(pieces: readonly Piece[], cuts: readonly number[], wanted: Wanted): void {
  const bytes = Buffer.from(textOf(pieces, undefined));
  const chunks = splitAt(
    bytes,
    cuts.map((cut) => cut % (bytes.length + 1)),
  );
  const told = { ...wanted, authorized: [] };
  const { output, served } = readAll(chunks, { ...told, shown: 'my"own' });
  assert.equal(output.toString(), textOf(pieces, '"my\\"own"'));
  const names = new Set(namesOf(pieces).map((name) => name.slice(0, 256)));
  assert.deepEqual(
    served.map(({ name }) => name),
    [...names].slice(0, 8),
  );
  assert.deepEqual(readAll(chunks, { ...told, shown: undefined }).served, served);
}

const documentOf = dialects.chain((dialect) =>
  fc.tuple(fc.constant(dialect), objectOf(dialect, "document", false)),
);

test("push replaces the models of any document and nothing else, however it is cut", () => {
  let replaced = 0;
  fc.assert(
    fc.property(documentOf, cutsOf, ([dialect, { pieces }], cuts) => {
      assert.doesNotThrow(() => JSON.parse(textOf(pieces, undefined)) as unknown);
      replaced += namesOf(pieces).length;
      agree(pieces, cuts, { dialect, contentType: json });
    }),
    bounds,
  );
  assert.ok(replaced > 10);
});

test("push gives a document that means the same but for the model", () => {
  const places = fc.record({
    model: fc.string({ minLength: 1, maxLength: 20, unit: "binary" }),
    rest: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 5 }),
    indent: fc.constantFrom(undefined, 1, "\t"),
  });
  fc.assert(
    fc.property(places, cutsOf, ({ model, rest, indent }, cuts) => {
      const { model: _, ...others } = rest;
      const bytes = Buffer.from(JSON.stringify({ ...others, model, z: [rest] }, undefined, indent));
      const chunks = splitAt(
        bytes,
        cuts.map((cut) => cut % (bytes.length + 1)),
      );
      const told = { dialect: "openai", contentType: json, shown: "mine" } as const;
      const output = JSON.parse(readAll(chunks, told).output.toString()) as unknown;
      assert.deepEqual(output, JSON.parse(JSON.stringify({ ...others, model: "mine", z: [rest] })));
    }),
    bounds,
  );
});

const lineEnd = fc.constantFrom("\n", "\r\n", "\r");
const noise = fc.constantFrom("", ": comment", "event: x", 'id: {"model":"decoy"}', "data-x: {");
const eventsOf = dialects.chain((dialect) =>
  fc.tuple(
    fc.constant(dialect),
    fc.array(fc.tuple(objectOf(dialect, "document", true), noise, lineEnd, fc.boolean()), {
      maxLength: 4,
    }),
  ),
);

/** Between two pieces a line may end: each piece on a `data` line of its own, or all on one. */
function framed(pieces: readonly Piece[], end: string, isSplit: boolean): readonly Piece[] {
  const field = (text: string): Piece => ({ text, isModel: false });
  if (!isSplit) return [field("data: "), ...pieces, field(end + end)];
  return [...pieces.flatMap((piece) => [field("data:"), piece, field(end)]), field(end)];
}

test("push replaces the models of any stream of events and nothing else, however it is cut", () => {
  let replaced = 0;
  fc.assert(
    fc.property(eventsOf, cutsOf, ([dialect, events], cuts) => {
      const pieces = events.flatMap(([{ pieces: own }, other, end, isSplit]) => [
        ...(other === "" ? [] : [{ text: other + end, isModel: false }]),
        ...framed(own, end, isSplit),
      ]);
      replaced += namesOf(pieces).length;
      agree(pieces, cuts, { dialect, contentType: sse });
    }),
    bounds,
  );
  assert.ok(replaced > 10);
});

const garbled = fc.record({
  sample: fc.constantFrom(...samples),
  contentType: fc.constantFrom(json, ndjson, sse, undefined),
  edits: fc.array(
    fc.tuple(
      fc.nat(),
      fc.nat({ max: 3 }),
      fc.oneof(
        fc.constantFrom('"', "\\", "{", "}", "[", "]", ",", ":", "\n", "\r", "data:", "\ufeff"),
        fc.constantFrom('"model":"other",', '{"model":', "\\u006d", "\u0000", " "),
        fc.string({ unit: "binary", maxLength: 3 }),
      ),
    ),
    { maxLength: 6 },
  ),
});

test("push gives the same for any garbage, however it is cut, and keeps every byte of it", () => {
  let changed = 0;
  fc.assert(
    fc.property(garbled, cutsOf, ({ sample, contentType = sample.contentType, edits }, cuts) => {
      let bytes = Buffer.from(sample.body('"gpt-x"'));
      for (const [where, removed, added] of edits) {
        const at = where % (bytes.length + 1);
        const after = bytes.subarray(at + removed);
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(added), after]);
      }
      const told = { dialect: sample.dialect, contentType, shown: "mine" };
      const chunks = splitAt(
        bytes,
        cuts.map((cut) => cut % (bytes.length + 1)),
      );
      const whole = readAll([bytes], told);
      const pieces = readAll(chunks, told);
      assert.equal(pieces.output.equals(whole.output), true);
      assert.deepEqual(pieces.served, whole.served);
      if (whole.served.length === 0) assert.equal(whole.output.equals(bytes), true);
      const kept = readAll(chunks, { ...told, shown: undefined });
      assert.equal(kept.output.equals(bytes), true);
      assert.deepEqual(kept.served, whole.served);
      changed += whole.served.length;
    }),
    bounds,
  );
  assert.ok(changed > 50);
});
