// Advice: each code of the list is given for what it is for, by object, and not for what is right.

import assert from "node:assert/strict";
import { test } from "node:test";
import { adviceRows } from "../../../src/policy/compile/advice.ts";
import type { CompiledPolicy } from "../../../src/policy/compile/compile.ts";
import { problemsPerObjectMax } from "../../../src/policy/compile/context.ts";
import { alias, compile, compileClosed, keyHash, resource } from "../manifest-builder.ts";

const hidden: object = { grants: { models: ["hidden"] } };

/** `code Kind name path` of each advice. */
function adviceOf({ advice }: CompiledPolicy): readonly string[] {
  return [...advice].flatMap(([{ kind, name }, all]) =>
    all.map(({ code, path }) => `${code} ${kind} ${name} ${path.join(".")}`),
  );
}

const sixteen = (prefix: string): object[] =>
  Array.from({ length: 16 }, (_, at) => ({ model: `${prefix}-${at}` }));

const everything = compile(
  alias("fast", "m"),
  alias("smart", "openrouter/auto"),
  alias("vendor-x", "vendor/y", { alias: "vendor/x" }),
  alias("agent", "vendor/x"),
  alias("wide", "m", { teams: ["t", "nobody"] }),
  alias("own", "m", { teams: ["t"] }),
  resource("ModelAlias", "deep", { targets: sixteen("d") }),
  ...sixteen("d").map((_, at) => resource("ModelAlias", `d-${at}`, { targets: sixteen(`e${at}`) })),
  resource("Model", "hidden", { upstreamName: "openrouter/fusion" }),
  resource("Model", "weak", { fallbacks: ["hidden", "fast"] }),
  resource("Team", "t", {
    grants: { models: ["*", "fast", "vendor/*"], aliases: ["gone", "smart"] },
    aliases: { own: "m" },
  }),
  resource("Team", "sentinels", { grants: { models: ["all-team-models"] } }),
  resource("Team", "reach", hidden),
  resource("Team", "none", {}),
  resource("Team", "huge", {
    grants: { models: ["m"], deny: Array.from({ length: 1000 }, (_, at) => `*x${at}*`) },
  }),
  resource("AccessGroup", "g", { models: ["a", "openrouter/auto", "b/*"] }),
  resource("VirtualKey", "k", {
    team: "t",
    keyHash: keyHash(1),
    expiresAt: "2025-01-01T00:00:00Z",
    previous: { keyHash: keyHash(2), until: "2025-01-01T00:00:00Z" },
  }),
);

test("compilePolicy gives each advice for what it is for", () => {
  assert.deepEqual(
    adviceOf(everything)
      .filter((each) => !each.startsWith("too_much_work"))
      .sort(),
    [
      "alias_granted_as_model Team t spec.grants.models.1",
      "alias_named_like_model ModelAlias fast spec.alias",
      "alias_named_like_model ModelAlias vendor-x spec.alias",
      "alias_overridden ModelAlias own spec.alias",
      "fallback_is_alias Model weak spec.fallbacks.1",
      "granted_alias_missing Team t spec.grants.aliases.0",
      "grants_everything Team t spec.grants.models.0",
      "grants_nothing Team none spec.grants",
      "key_expired VirtualKey k spec.expiresAt",
      "litellm_sentinel Team sentinels spec.grants.models.0",
      "previous_expired VirtualKey k spec.previous.until",
      "stand_in_reached AccessGroup g spec.models.1",
      "stand_in_reached Team reach spec.grants.models.0",
      "stand_in_reached Team t spec.grants.aliases.1",
      "team_missing ModelAlias wide spec.teams.1",
    ],
  );
  assert.deepEqual(
    adviceOf(everything)
      .filter((each) => each.startsWith("too_much_work"))
      .sort(),
    [
      "too_much_work ModelAlias deep spec.targets",
      ...sixteen("d").map((_, at) => `too_much_work ModelAlias d-${at} spec.targets`),
      "too_much_work Team huge spec.grants",
    ].sort(),
  );
});

test("compilePolicy has an advice for every code of the list", () => {
  const given = new Set(adviceOf(everything).map((each) => each.split(" ")[0]));
  // A digest that a Secret gave is needed for it: test/controller has it.
  const missing = adviceRows.map(([code]) => code).filter((code) => !given.has(code));
  assert.deepEqual(missing, ["previous_is_current"]);
});

test("compilePolicy says nothing of a closed catalogue, chains and grants that are right", () => {
  const policy = compileClosed(
    resource("Model", "gold", { name: "vendor/gold", fallbacks: ["vendor/cheap"] }),
    resource("Model", "cheap", { name: "vendor/cheap" }),
    alias("a", "b"),
    alias("b", "vendor/gold"),
    alias("any", "vendor/cheap", { alias: "claude-*" }),
    resource("Team", "t", { grants: { models: ["*", "vendor/*"], aliases: ["a", "claude-*"] } }),
    resource("VirtualKey", "k", { team: "t", keyHash: keyHash(1) }),
  );
  assert.deepEqual(policy.problems, []);
});

test("compilePolicy bounds the problems of one object, and says that there are more", () => {
  const groups = Array.from({ length: 1024 }, (_, at) => `g${at}`);
  const policy = compile(resource("Team", "t", { grants: { groups } }), alias("a", "a"));
  const ofTeam = policy.problems.filter(({ object }) => object === "Team t");
  assert.equal(ofTeam.length, problemsPerObjectMax + 1);
  assert.match(ofTeam.at(-1)?.message ?? "", /more problems/);
  assert.equal(policy.problems.filter(({ object }) => object === "ModelAlias a").length, 1);
});
