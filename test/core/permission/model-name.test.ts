// The grammar of names, patterns and aliases, and which names go into targets and under wildcards.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  hasPlainSegments,
  isAliasName,
  isModelName,
  isModelPattern,
  isPathSafeModelName,
} from "../../../src/core/permission/model-name.ts";

const real = [
  "claude-opus-4-8[1m]",
  "~anthropic/claude-opus-latest",
  "accounts/f/models/m#accounts/a/deployments/d",
  "/mnt/models",
  "/models/MiniCPM-V-2_6/",
  "openrouter/qwen/qwen3.5-flash-02-23",
  "anthropic.claude-3-5-sonnet-20241022-v2:0",
  "@cf/meta/llama-3",
  "Qwen 3 (fast)",
  ".hidden",
  "-x",
];

test("isModelName takes the names that vendors and servers use", () => {
  for (const name of real) assert.equal(isModelName(name), true, name);
});

test("isModelName takes every printable ASCII character but those that mean something elsewhere", () => {
  const refused = new Set(["*", ",", "%", "?", "&", '"', "'", "`", "\\", " "]);
  for (let code = 0; code < 0x180; code++) {
    const character = String.fromCharCode(code);
    const isTaken = code > 0x20 && code < 0x7f && !refused.has(character);
    for (const name of [character, `${character}b`, `a${character}`, `a${character}b`]) {
      const isInnerSpace = character === " " && name === "a b";
      assert.equal(isModelName(name), isTaken || isInnerSpace, JSON.stringify(name));
    }
  }
});

test("isModelName bounds its length and takes single inner spaces only", () => {
  assert.equal(isModelName("a".repeat(256)), true);
  assert.equal(isModelName("a".repeat(257)), false);
  for (const name of ["", " ", " a", "a ", "a  b", "a\n", "\na"])
    assert.equal(isModelName(name), false, name);
  assert.equal(isModelName("a b c"), true);
});

test("isModelPattern is a name with stars anywhere, isAliasName one with a star at its end", () => {
  for (const text of ["*", "a*", "*a", "a*b*c", "**", "a *", "* a"]) {
    assert.equal(isModelPattern(text), true, text);
    assert.equal(isModelName(text), false, text);
  }
  for (const text of ["*", "a*", "claude-haiku-*", "a *", "a", "a b"])
    assert.equal(isAliasName(text), true, text);
  for (const text of ["*a", "a*b", "a**", "**", "a,*", "", " *"])
    assert.equal(isAliasName(text), false, text);
});

test("hasPlainSegments knows every segment that a server drops or climbs by", () => {
  for (const name of [
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/.",
    "a/./b",
    "../a",
    "a/../b",
    "a/..;x/b",
    "a/;x/b",
    "..;x",
  ]) {
    assert.equal(hasPlainSegments(name), false, name);
    assert.equal(isPathSafeModelName(name), false, name);
  }
  for (const name of ["a", "a/b", "...", "a/...", ".a", "a.", "a/.b", "a..b", "a/b..", "a;b"]) {
    assert.equal(hasPlainSegments(name), true, name);
  }
  for (const name of ["a#b", "a;b", "a/b;c"]) assert.equal(isPathSafeModelName(name), false, name);
  assert.equal(isPathSafeModelName("a[1m]/~b:c"), true);
});

test("hasPlainSegments agrees with looking at each segment", () => {
  const text = fc.stringMatching(/^[a./;]{0,12}$/);
  fc.assert(
    fc.property(text, (name) => {
      const isPlain = name.split("/").every((segment) => !/^\.{0,2}(;.*)?$/.test(segment));
      assert.equal(hasPlainSegments(name), isPlain, name);
    }),
    { numRuns: 3000 },
  );
});
