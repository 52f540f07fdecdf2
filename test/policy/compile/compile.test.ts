// Tests of the compiler: who wins a conflict, what is left out, and that the order of the resources means nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compilePolicy } from "../../../src/policy/compile/compile.ts";
import {
  alias,
  compile,
  compileClosed,
  digest,
  keyHash,
  lines,
  resource,
} from "../manifest-builder.ts";

const older = "2025-01-01T00:00:00Z";
const newer = "2025-06-01T00:00:00Z";

test("compilePolicy lets the older of two aliases with one name win, in any order", () => {
  const first = resource("ModelAlias", "z", { alias: "fast", target: "a" }, older);
  const second = resource("ModelAlias", "a", { alias: "fast", target: "b" }, newer);
  for (const policy of [compile(first, second), compile(second, first)]) {
    assert.deepEqual(policy.snapshot.aliases.exact.get("fast")?.targets, [
      { model: "a", weight: 1 },
    ]);
    assert.equal(lines(policy).length, 1);
    assert.match(lines(policy)[0] ?? "", /^disabled ModelAlias a: .*taken by ModelAlias z/);
  }
});

test("compilePolicy breaks a tie by name, and an alias without a time comes last", () => {
  const tie = compile(alias("b", "x", { alias: "n" }), alias("a", "y", { alias: "n" }));
  assert.equal(tie.snapshot.aliases.exact.get("n")?.targets[0]?.model, "y");
  const dated = resource("ModelAlias", "b", { alias: "n", target: "x" }, newer);
  const untimed = compile(alias("a", "y", { alias: "n" }), dated);
  assert.equal(untimed.snapshot.aliases.exact.get("n")?.targets[0]?.model, "x");
});

test("compilePolicy leaves out an alias named like a Model, but a team may have one", () => {
  const policy = compileClosed(
    resource("Model", "gold", {}),
    alias("gold", "gold"),
    resource("Model", "other", {}),
    resource("Team", "t", { grants: { models: ["*"] }, aliases: { gold: "other" } }),
    resource("VirtualKey", "k", { team: "t", keyHash: keyHash(1) }),
  );
  assert.equal(policy.snapshot.aliases.exact.has("gold"), false);
  const key = policy.snapshot.keys.get(digest(1))?.key;
  assert.equal(key?.team?.team?.aliases.exact.get("gold")?.targets[0]?.model, "other");
  assert.deepEqual(lines(policy), [
    "disabled ModelAlias gold: the alias gold is named like a Model, and the Model wins",
  ]);
});

test("compilePolicy lets a Team's own alias beat a ModelAlias for that team", () => {
  const policy = compile(
    alias("fast", "a", { teams: ["t", "u"] }),
    resource("Team", "t", { grants: { models: ["a"] }, aliases: { fast: "b" } }),
    resource("Team", "u", { grants: { models: ["a"] } }),
    resource("VirtualKey", "k", { team: "t", keyHash: keyHash(1) }),
    resource("VirtualKey", "l", { team: "u", keyHash: keyHash(2) }),
  );
  const targetOf = (number: number) =>
    policy.snapshot.keys.get(digest(number))?.key.team?.team?.aliases.exact.get("fast")?.targets[0]
      ?.model;
  assert.equal(targetOf(1), "b");
  assert.equal(targetOf(2), "a");
  assert.equal(policy.snapshot.aliases.exact.size, 0);
  assert.deepEqual(
    policy.problems.map(({ severity }) => severity),
    ["advice"],
  );
});

test("compilePolicy makes a key of a missing team unusable", () => {
  const policy = compile(resource("VirtualKey", "k", { team: "t", keyHash: keyHash(1) }));
  assert.deepEqual(policy.snapshot.keys.get(digest(1))?.key.team, { name: "t", team: undefined });
  assert.deepEqual(lines(policy), [
    "disabled VirtualKey k: there is no Team t: the key is unusable",
  ]);
});

test("compilePolicy gives one digest to one key only, previous digests included", () => {
  const until = "2026-02-01T00:00:00Z";
  const rotated = {
    keyHash: keyHash(1),
    previous: { keyHash: keyHash(2), until },
    grants: { models: ["a"] },
  };
  const policy = compile(
    resource("VirtualKey", "a", rotated),
    resource("VirtualKey", "b", { keyHash: keyHash(2), grants: { models: ["a"] } }),
  );
  assert.equal(policy.snapshot.keys.get(digest(1))?.validUntilMs, undefined);
  assert.equal(policy.snapshot.keys.get(digest(2))?.key.name, "a");
  assert.equal(policy.snapshot.keys.get(digest(2))?.validUntilMs, Date.parse(until));
  assert.match(lines(policy)[0] ?? "", /^disabled VirtualKey b: .*VirtualKey a/);
  assert.equal(policy.counts.keys, 1);
});

test("compilePolicy refers to access groups, and a missing one grants nothing", () => {
  const policy = compile(
    resource("AccessGroup", "g", { models: ["a", "b/*"] }),
    resource("VirtualKey", "k", { keyHash: keyHash(1), grants: { groups: ["g", "gone"] } }),
  );
  const grant = policy.snapshot.keys.get(digest(1))?.key.grant;
  const [group, ...others] = grant?.models ?? [];
  assert.deepEqual([...(group?.exact ?? [])], ["a"]);
  assert.deepEqual(
    group?.wildcards.map(({ pattern }) => pattern),
    ["b/*"],
  );
  assert.deepEqual(others, []);
  assert.deepEqual(lines(policy), [
    "disabled VirtualKey k: there is no AccessGroup gone: it grants nothing",
  ]);
});

test("compilePolicy leaves out a key whose Secret cannot be read", () => {
  const policy = compile(
    resource("VirtualKey", "k", { secretRef: { name: "s", key: "t" }, grants: { models: ["a"] } }),
  );
  assert.equal(policy.counts.keys, 0);
  assert.deepEqual(
    policy.problems.map(({ severity }) => severity),
    ["disabled"],
  );
});

test("compilePolicy advises on grants that do not do what they seem to", () => {
  const policy = compile(
    alias("fast", "a"),
    resource("Team", "none", {}),
    resource("Team", "open", { grants: { models: ["*", "fast"], aliases: ["unknown"] } }),
    resource("Team", "denies", { grants: { deny: ["a"] } }),
    resource("VirtualKey", "old", { team: "open", keyHash: keyHash(1), expiresAt: older }),
    resource("VirtualKey", "poor", { keyHash: keyHash(2) }),
  );
  assert.deepEqual(
    policy.problems.map(({ severity, object, path }) => `${severity} ${object} ${path.join(".")}`),
    [
      "advice ModelAlias fast spec.alias",
      "advice Team denies spec.grants",
      "advice Team none spec.grants",
      "advice Team open spec.grants.models.0",
      "advice Team open spec.grants.models.1",
      "advice Team open spec.grants.aliases.0",
      "advice VirtualKey old spec.expiresAt",
      "advice VirtualKey poor spec",
    ],
  );
});

test("compilePolicy calls the same object twice invalid", () => {
  const policy = compile(alias("a", "x"), alias("a", "y"));
  assert.deepEqual(
    policy.problems.map(({ severity }) => severity),
    ["invalid"],
  );
});

const mixed = [
  alias("a", "m", { alias: "n" }),
  alias("b", "n", { alias: "n" }),
  alias("c", "d", { teams: ["t"] }),
  alias("d", "c"),
  resource("Team", "t", { grants: { models: ["m"] }, aliases: { x: "n" } }),
  resource("VirtualKey", "k", { team: "t", keyHash: keyHash(1) }),
  resource("VirtualKey", "l", { team: "u", keyHash: keyHash(1) }),
  resource("AccessGroup", "g", { models: ["m"] }),
];

test("compilePolicy gives one snapshot and one list of problems whatever the order", () => {
  const expected = compile(...mixed);
  const order = fc.shuffledSubarray(mixed, { minLength: mixed.length });
  fc.assert(
    fc.property(order, (resources) => {
      const policy = compile(...resources);
      assert.deepEqual(lines(policy), lines(expected));
      assert.deepEqual(policy.snapshot, expected.snapshot);
    }),
    { numRuns: 50 },
  );
});

test("compilePolicy closes the catalogue by word alone", () => {
  const key = resource("VirtualKey", "k", { keyHash: keyHash(1), grants: { models: ["*"] } });
  const closed = compilePolicy([key], { nowMs: 0, catalogue: "closed" });
  assert.deepEqual(closed.snapshot.catalogue, { closed: true, models: new Map() });
  const open = compilePolicy([key], { nowMs: 0 });
  assert.deepEqual(open.snapshot.catalogue, { closed: false, models: new Map() });
  assert.notEqual(open.snapshot.revision, closed.snapshot.revision);
  const twice = compile(resource("Model", "m", {}), resource("Model", "m", { name: "n" }));
  assert.equal(twice.snapshot.catalogue.models.size, 1);
});

test("compilePolicy compiles equal grants once, and unequal ones never into one", () => {
  const key = (number: number, grants: object) =>
    resource("VirtualKey", `k${number}`, { keyHash: keyHash(number), grants });
  const policy = compile(
    resource("AccessGroup", "g", { models: ["a", "b/*"] }),
    key(1, { groups: ["g"] }),
    key(2, { groups: ["g"] }),
    key(3, { groups: ["g"], deny: ["a"] }),
    key(4, { models: ["g"] }),
    key(5, { deny: ["g"] }),
  );
  const grant = (number: number) => policy.snapshot.keys.get(digest(number))?.key.grant;
  assert.equal(grant(1), grant(2));
  assert.notEqual(grant(1), grant(3));
  assert.equal(grant(1)?.models, grant(3)?.models);
  assert.deepEqual([...(grant(3)?.deny.exact ?? [])], ["a"]);
  assert.deepEqual([...(grant(4)?.models[0]?.exact ?? [])], ["g"]);
  assert.deepEqual(grant(5)?.models, []);
});

test("compilePolicy reports a missing group of every key that shares the grant", () => {
  const key = (number: number) =>
    resource("VirtualKey", `k${number}`, {
      keyHash: keyHash(number),
      grants: { groups: ["gone"] },
    });
  assert.deepEqual(
    compile(key(1), key(2)).problems.map(({ object }) => object),
    ["VirtualKey k1", "VirtualKey k2"],
  );
});

test("compilePolicy advises to drop a previous secret that has expired, and no other", () => {
  const key = (number: number, until: string) =>
    resource("VirtualKey", `k${number}`, {
      keyHash: keyHash(number),
      grants: { models: ["a"] },
      previous: { keyHash: keyHash(number + 10), until },
    });
  const policy = compile(key(1, "2026-01-01T00:00:00Z"), key(2, "2026-01-01T00:00:01Z"));
  assert.deepEqual(
    policy.problems.map(({ severity, object, path }) => [severity, object, path.join(".")]),
    [["advice", "VirtualKey k1", "spec.previous.until"]],
  );
});

test("compilePolicy changes the revision exactly when the meaning changes", () => {
  const revision = (target: string, created?: string) =>
    compile(resource("ModelAlias", "a", { target }, created)).snapshot.revision;
  assert.match(revision("m"), /^[0-9a-f]{16}$/);
  assert.equal(revision("m"), revision("m", older));
  assert.notEqual(revision("m"), revision("n"));
});
