// Messages hold names from outside: they must stay one short line of ASCII, and suggest what was meant.

import assert from "node:assert/strict";
import { test } from "node:test";
import { described, formatPath, quoted } from "../../../src/policy/decode/shown-text.ts";
import { similarName } from "../../../src/policy/decode/similar-name.ts";

test("quoted escapes everything that could break a line or redraw a terminal", () => {
  assert.equal(quoted("plain"), '"plain"');
  assert.equal(quoted("a\n\u001b[31m\u202eb"), '"a\\n\\u001b[31m\\u202eb"');
  assert.equal(quoted("\u{1f600}"), '"\\ud83d\\ude00"');
});

test("quoted shortens and says how long it was", () => {
  assert.equal(quoted("x".repeat(64)), `"${"x".repeat(64)}"`);
  assert.equal(quoted("x".repeat(10_000)), `"${"x".repeat(64)}"... (10000 characters)`);
});

test("described names the kind of what it does not show", () => {
  assert.deepEqual(
    [null, undefined, 4, true, [], {}, "s"].map((value) => described(value)),
    ["null (an empty value)", "nothing", "the number 4", "true", "a list", "an object", '"s"'],
  );
});

test("formatPath writes a path as its author would", () => {
  assert.equal(formatPath(["spec", "targets", 0, "weight"]), "spec.targets[0].weight");
  assert.equal(formatPath(["spec", "aliases", "a/b\n"]), 'spec.aliases["a/b\\n"]');
  assert.equal(formatPath([]), "");
});

test("similarName finds what was meant within two mistakes, and nothing further away", () => {
  const known = ["target", "targets", "stickyBy", "keyHash", "team"];
  assert.equal(similarName("tagret", known), "target");
  assert.equal(similarName("stickyby", known), "stickyBy");
  assert.equal(similarName("keyhsah", known), "keyHash");
  assert.equal(similarName("teem", known), "team");
  assert.equal(similarName("toad", known), undefined);
  assert.equal(similarName("__proto__", known), undefined);
  assert.equal(similarName("t".repeat(10_000), known), undefined);
});
