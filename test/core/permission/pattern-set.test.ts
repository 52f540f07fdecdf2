// Wildcards: anchored, case-sensitive, "*" for any run of characters and nothing else special.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  matchesPatternSet,
  matchesWildcard,
  toPatternSet,
} from "../../../src/core/permission/pattern-set.ts";

const rows: readonly (readonly [pattern: string, name: string, matches: boolean])[] = [
  ["*", "anything/at:all", true],
  ["*", "", true],
  ["openai/*", "openai/gpt-4o", true],
  ["openai/*", "openai/", true],
  ["openai/*", "openai", false],
  ["openai/*", "xopenai/gpt", false],
  ["openai/*", "OpenAI/gpt", false],
  ["bedrock/*", "bedrockz/x", false],
  ["a.c", "abc", false],
  ["a.*", "a.c", true],
  ["a.*", "abc", false],
  ["*-mini", "gpt-4o-mini", true],
  ["*-mini", "gpt-4o-mini-2", false],
  ["gpt-*-mini", "gpt-4o-mini", true],
  ["gpt-*-mini", "gpt-mini", false],
  ["a*b*c", "aXbYbZc", true],
  ["a*b*c", "aXbYbZ", false],
  ["**", "x", true],
  ["[a-z]*", "q", false],
  ["a+*", "aab", false],
];

test("matchesWildcard is anchored, case-sensitive and literal but for *", () => {
  for (const [pattern, name, matches] of rows) {
    assert.equal(matchesWildcard(pattern, name), matches, `${pattern} on ${name}`);
  }
});

test("matchesWildcard agrees with a regular expression that says the same", () => {
  const letters = fc.array(fc.constantFrom("a", "b", "*", "/", "."), { maxLength: 12 });
  fc.assert(
    fc.property(letters, letters, (patternParts, nameParts) => {
      const pattern = patternParts.join("");
      const name = nameParts.join("").replaceAll("*", "a");
      const source = pattern.replaceAll(".", "\\.").replaceAll("*", ".*");
      assert.equal(matchesWildcard(pattern, name), new RegExp(`^${source}$`).test(name));
    }),
  );
});

test("matchesPatternSet finds exact names and wildcards, and nothing in an empty set", () => {
  const set = toPatternSet(["a", "b/*", "b/*"]);
  assert.deepEqual(set.wildcards, ["b/*"]);
  assert.equal(matchesPatternSet(set, "a"), true);
  assert.equal(matchesPatternSet(set, "b/c"), true);
  assert.equal(matchesPatternSet(set, "c"), false);
  assert.equal(matchesPatternSet(toPatternSet([]), "a"), false);
  assert.equal(matchesPatternSet(set, "__proto__"), false);
});
