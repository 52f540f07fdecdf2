// The table of models that stand for others: every row is met, with whatever stands before and behind, and names that only
// look alike are not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isModelName } from "../../../src/core/permission/model-name.ts";
import { standInOf, standInRows } from "../../../src/core/permission/stand-in-models.ts";

/** Names of each row, by its place in the table. */
const names: readonly (readonly string[])[] = [
  [
    "openrouter/auto",
    "openrouter/auto-beta",
    "auto",
    "kilo-auto/free",
    "vllm-sr/auto",
    "a/autorouter",
  ],
  [
    "openrouter/cloaked-x",
    "openrouter/openrouter/bodybuilder",
    "or/openrouter/free",
    "openrouter:owl",
  ],
  ["fusion", "or/fusion-flash", "or/pareto-code", "bodybuilder", "free"],
  ["@preset/x", "openrouter/@preset/x", "openai/gpt-5@preset/x"],
  ["~anthropic/claude-latest", "openrouter/~openai/gpt-latest", "or:~a/b"],
  ["all-proxy-models", "all-team-models", "no-default-models", "all-org-models"],
  [
    "router",
    "a/model-router",
    "router@q:1",
    "model-router-2026-01-01",
    "typesafe/jev-router",
    "smart_router",
  ],
  ["auto_router/x", "accounts/f/routers/x", "arn:aws:bedrock:eu:1:default-prompt-router/x"],
  ["arn:aws:bedrock:us-east-1:1:application-inference-profile/x", "bedrock/arn:aws:bedrock:x/y"],
  ["compound", "groq/compound-mini", "compound-beta"],
  ["dynamic/support", "policy/x", "cf/dynamic/x"],
  ["notdiamond", "not-diamond/x", "nvidia/switchyard", "MoM"],
];

test("standInOf finds the names of every row, in any case, with a variant, a suffix or a prefix", () => {
  assert.equal(names.length, standInRows.length);
  for (const [at, ofRow] of names.entries()) {
    for (const name of ofRow) {
      const row = standInRows[at];
      assert.ok(row !== undefined);
      assert.notEqual(standInOf(name), undefined, name);
      for (const other of [
        name.toUpperCase(),
        `${name}:nitro`,
        `openrouter/${name}`,
        `x/${name}`,
      ]) {
        assert.equal(isModelName(other), true, other);
        assert.notEqual(standInOf(other), undefined, other);
      }
    }
  }
});

test("standInOf needs each of its rows: without it one of its names is missed", () => {
  for (const [at, row] of standInRows.entries()) {
    const isMissedBy = (name: string): boolean => {
      const others = standInRows.filter((each) => each !== row);
      return (
        standInOf(name) === row &&
        !others.some(({ in: where, pattern }) => where === "whole" && pattern.test(name))
      );
    };
    assert.ok(names[at]?.some(isMissedBy), `row ${at}: ${row.names}`);
  }
});

test("standInOf leaves models alone that only look like one", () => {
  const models = [
    "openrouter/qwen/qwen3.5-flash-02-23",
    "qwen3:free",
    "meta/llama:auto",
    "my-router/gpt-5.5",
    "vendor/autoglm-9b",
    "claude-opus-latest",
    "gpt-4o-latest",
    "composer-1",
    "a/freedom",
    "a/moment",
    "policies/x",
    "dynamics-1",
    "automl/x",
    "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "accounts/fireworks/models/deepseek-v4",
    "@cf/meta/llama-3",
    "all-models-large",
    "MiniCPM-V-2_6",
  ];
  for (const name of models) assert.equal(standInOf(name), undefined, name);
});
