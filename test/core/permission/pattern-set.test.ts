// Wildcards: anchored, case-sensitive, "*" for any run of characters and nothing else special.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isDenied, isGranted, toPatternSet } from "../../../src/core/permission/pattern-set.ts";
import { matchesWildcard, toWildcard } from "../../../src/core/permission/wildcard.ts";
import { createWork, decisionStepsMax } from "../../../src/core/permission/work.ts";

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
    assert.equal(matchesWildcard(toWildcard(pattern), name), matches, `${pattern} on ${name}`);
  }
});

test("matchesWildcard agrees with a regular expression that says the same", () => {
  const letters = fc.array(fc.constantFrom("a", "b", "*", "/", "."), { maxLength: 12 });
  fc.assert(
    fc.property(letters, letters, (patternParts, nameParts) => {
      const pattern = `${patternParts.join("")}*${nameParts.slice(6).join("")}`;
      const name = nameParts.join("").replaceAll("*", "a");
      const source = pattern.replaceAll(".", "\\.").replaceAll("*", ".*");
      assert.equal(
        matchesWildcard(toWildcard(pattern), name),
        new RegExp(`^${source}$`).test(name),
      );
    }),
  );
});

const work = () => createWork(decisionStepsMax);

function grants(patterns: readonly string[], name: string, upstreamName = name): boolean {
  return isGranted([toPatternSet(patterns)], { name, upstreamName }, work());
}

test("isGranted finds exact names and wildcards, and nothing in an empty set", () => {
  const set = toPatternSet(["a", "b/*", "b/*"]);
  assert.deepEqual(
    set.wildcards.map(({ pattern }) => pattern),
    ["b/*"],
  );
  for (const [name, granted] of Object.entries({
    a: true,
    "b/c": true,
    c: false,
    ["__proto__"]: false,
  })) {
    assert.equal(isGranted([set], { name, upstreamName: name }, work()), granted, name);
  }
  assert.equal(grants([], "a"), false);
});

test("isGranted lets no wildcard grant what a server reads as another name, and exact names do", () => {
  const walks = [
    "vendor//gold",
    "vendor/../gold",
    "vendor/./x",
    "vendor/..;a/gold",
    "/vendor/x",
    "vendor/x/",
  ];
  for (const name of [...walks, "..", "vendor/.."]) {
    for (const pattern of ["*", "vendor/*", "/*", "*/", "v*d"]) {
      assert.equal(grants([pattern], name), false, `${pattern} on ${name}`);
    }
    assert.equal(grants(["first", name, "last"], name), true, name);
  }
  assert.equal(grants(["vendor/*"], "vendor/..x/.y/z..."), true);
});

test("isGranted lets no wildcard grant what stands for other models, by its own name or upstream", () => {
  assert.equal(grants(["openrouter/*"], "openrouter/qwen/q3"), true);
  assert.equal(grants(["openrouter/*", "*"], "openrouter/auto"), false);
  assert.equal(grants(["openrouter/auto"], "openrouter/auto"), true);
  assert.equal(grants(["*"], "cheap", "openrouter/auto"), false);
  assert.equal(grants(["cheap"], "cheap", "openrouter/auto"), true);
  assert.equal(grants(["*"], "cheap", "vendor/cheap"), true);
});

test("isDenied and isGranted look at the name that is left when a backend drops a suffix", () => {
  const denied = (name: string): boolean => isDenied(toPatternSet(["gold", "big-*"]), name, work());
  for (const name of ["gold", "gold[1m]", "gold[1m][1m]", "gold#a/b", "gold [x]", "big-1[1m]"]) {
    assert.equal(denied(name), true, name);
  }
  for (const name of ["golden[1m]", "[gold]", "#gold", "x#gold", "go[1m]ld"]) {
    assert.equal(denied(name), false, name);
  }
  assert.equal(grants(["*[1m]"], "gold[1m]"), false);
  assert.equal(grants(["gol*"], "gold[1m]"), true);
  assert.equal(grants(["gold[1m]"], "gold[1m]"), true);
});

test("matchesWildcard takes steps in proportion to the name, whatever the pattern", () => {
  const name = "a".repeat(256);
  for (const part of [`${"a".repeat(124)}b`, `b${"a".repeat(124)}`, "ab", "a"]) {
    const wildcard = toWildcard(`*${part}*${part}*c`);
    assert.equal(matchesWildcard(wildcard, name), false);
  }
  // Of a long part each place is looked at once: the table says where to go on.
  const [part] = toWildcard("*aabaabaaab*").parts;
  assert.deepEqual(part?.borders, [0, 1, 0, 1, 2, 3, 4, 5, 2, 3]);
  assert.equal(matchesWildcard(toWildcard("*aabaabaaab*"), `aabaab${"aabaabaaab"}`), true);
});
