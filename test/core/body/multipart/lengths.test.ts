// Parts that say their own length keep telling the truth when the model in them is edited: some parsers read no further.

import assert from "node:assert/strict";
import { test } from "node:test";
import { withPartLengths } from "../../../../src/core/body/multipart/lengths.ts";
import { splitParts } from "../../../../src/core/body/multipart/parts.ts";
import { createDecider } from "../../../../src/core/decide.ts";
import type { BodyEdit } from "../../../../src/core/decision.ts";
import { defaultDecisionSettings } from "../../../../src/core/decision-settings.ts";
import { grant, key, scope, secret, snapshot } from "../../snapshot-builder.ts";
import { applyEdits, boundary, field, file, formOf, type PartText, readForm } from "./forms.ts";

/** As okhttp 4, Spring's RestTemplate and Guzzle write it. */
function withLength([headers, value]: PartText): PartText {
  return [`${headers}\r\nContent-Length: ${value.length}`, value];
}

const body = formOf([
  withLength(file("file", "\0\r\n")),
  withLength(field("svg", '{"model":"fast"}')),
  withLength(field("svg[model]", "fast")),
  withLength(field("model", "fast")),
]);

test("withPartLengths edits the length of each part in which an edit changes it", () => {
  const reading = readForm(body);
  assert.ok(reading.ok && reading.model !== undefined);
  const tokens = [reading.model, ...reading.nestedModels];
  const names = ["a-much-longer-name", '"b"', "slow"];
  const edits = tokens.map(({ offset, length }, at): BodyEdit => {
    const old = body.toString("utf8", offset, offset + length);
    return { offset, old, new: names[at] ?? "" };
  });
  const all = withPartLengths(edits, tokens);
  // "slow" is as long as "fast".
  assert.equal(all.length, 5);
  const offsets = all.map(({ offset }) => offset);
  assert.deepEqual(
    offsets,
    offsets.toSorted((a, b) => a - b),
  );
  const edited = applyEdits(body, all);
  const split = splitParts(edited, boundary);
  assert.ok(split.ok);
  const values = split.parts.map(({ start, end }) => edited.toString("utf8", start, end));
  assert.deepEqual(values, ["\0\r\n", '{"model":"b"}', "slow", "a-much-longer-name"]);
  assert.deepEqual(
    split.parts.map(({ partLength }) => partLength?.bytes),
    [3, 13, 4, 18],
  );
});

test("withPartLengths leaves edits alone where no part says its length", () => {
  const plain = formOf([field("model", "fast")]);
  const reading = readForm(plain);
  assert.ok(reading.ok && reading.model !== undefined);
  const { offset } = reading.model;
  const edits = [{ offset, old: "fast", new: "longer/name" }];
  assert.deepEqual(withPartLengths(edits, [reading.model]), edits);
  assert.deepEqual(withPartLengths([], [reading.model]), []);
});

test("decide edits the lengths that parts say together with the models in them", () => {
  const { decide } = createDecider(defaultDecisionSettings);
  const target = "openrouter/qwen/qwen3.5-flash-02-23";
  const parts = {
    key: key({ grant: grant({ models: [target] }), team: undefined, aliases: scope({}) }),
    aliases: scope({ fast: [[target, 1]] }),
  };
  const headers = new Map([
    ["authorization", `Bearer ${secret}`],
    ["content-type", `multipart/form-data; boundary=${boundary}`],
  ]);
  const path = "/v1/images/edits";
  const sent = { kind: "bytes", bytes: body, declaredBytes: body.length } as const;
  const request = { method: "POST", path, headers, body: sent };
  const decision = decide(snapshot(parts), request, { nowMs: 0, draw: 0 });
  assert.equal(decision.kind, "allow");
  assert.ok(decision.kind === "allow");
  const edited = applyEdits(body, decision.bodyEdits);
  const reading = readForm(edited);
  // A length that does not fit is refused, like any other.
  assert.ok(reading.ok);
  const models = [reading.model, ...reading.nestedModels].map((token) => token?.name);
  assert.deepEqual(models, [target, target, target]);
});
