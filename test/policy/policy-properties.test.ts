// Properties of the policy as a whole: decoding is total, the order of the objects is nothing, and what the compiler
// reports as unusable is exactly what core/resolve refuses.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { noAliases } from "../../src/core/permission/alias-scope.ts";
import type { Snapshot, VirtualKey } from "../../src/core/permission/snapshot.ts";
import { type CompiledPolicy, compilePolicy } from "../../src/policy/compile/compile.ts";
import { decodeResource } from "../../src/policy/decode/decode.ts";
import { type Resource, resourceKinds } from "../../src/policy/resources.ts";
import { resolveName } from "../core/snapshot-builder.ts";

const digest = "ab".repeat(32);
const runs = { numRuns: 300 };

function manifest(kind: string, name: string, spec: unknown): object {
  return { apiVersion: "aliasguard.dev/v1alpha1", kind, metadata: { name }, spec };
}

function decoded(kind: string, name: string, spec: unknown): Resource {
  const { resource, problems } = decodeResource(manifest(kind, name, spec));
  assert.ok(resource, JSON.stringify(problems));
  return resource;
}

function keyOf({ snapshot }: CompiledPolicy): VirtualKey {
  const key = snapshot.keys.get(digest)?.key;
  assert.ok(key);
  return key;
}

function isUsable(snapshot: Snapshot, key: VirtualKey, name: string): boolean {
  return resolveName(snapshot, key, name, { draw: 0, headers: new Map() }).ok;
}

function isReported({ problems }: CompiledPolicy, object: string, alias?: string): boolean {
  return problems.some(
    (problem) =>
      problem.severity === "disabled" &&
      problem.object === object &&
      (alias === undefined || problem.path.includes(alias)),
  );
}

const fieldNames = [
  ...["alias", "target", "targets", "stickyBy", "teams", "hidden", "grants", "aliases", "models"],
  ...["keyHash", "secretRef", "previous", "notBefore", "expiresAt", "disabled", "name", "backend"],
  ...["__proto__", "constructor", "toString", ""],
];
const values = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom("a", `sha256:${digest}`, "2026-12-01T00:00:00Z", "\u202e", "x".repeat(10_000)),
  fc.constantFrom<unknown>(["a"], { a: "b" }, [{ model: "m", weight: 1 }], { header: "x" }),
);

test("decodeResource never throws on any JSON value", () => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => void decodeResource(value)));
});

test("decodeResource gives a resource or an invalid problem, never both, and prints ASCII", () => {
  const kinds = fc.constantFrom(...resourceKinds);
  const specs = fc.dictionary(fc.constantFrom(...fieldNames), values);
  fc.assert(
    fc.property(kinds, specs, (kind, spec) => {
      const { resource, problems } = decodeResource(manifest(kind, "n", spec));
      const isInvalid = problems.some(({ severity }) => severity === "invalid");
      assert.equal(resource === undefined, isInvalid);
      for (const { message } of problems) assert.match(message, /^[\x20-\x7e]{1,1000}$/);
    }),
    { numRuns: 1000 },
  );
});

test("compilePolicy gives the same revision and problems for the same objects in any order", () => {
  const resources = [
    decoded("ModelAlias", "a", { target: "b" }),
    decoded("ModelAlias", "b", { target: "a" }),
    decoded("ModelAlias", "other", { alias: "a", target: "m" }),
    decoded("Team", "t", { grants: { models: ["*", "a"], groups: ["none"] } }),
    decoded("VirtualKey", "k", { keyHash: `sha256:${digest}`, team: "t" }),
    decoded("VirtualKey", "twin", { keyHash: `sha256:${digest}`, team: "none" }),
  ];
  const outcome = (given: readonly Resource[]): unknown => {
    const { snapshot, problems, counts } = compilePolicy(given, { nowMs: 0 });
    const plain = problems.map(({ severity, object, path, message }) => [
      ...[severity, object, path.join("."), message],
    ]);
    return { revision: snapshot.revision, problems: plain, counts };
  };
  const wanted = outcome(resources);
  const shuffled = fc.shuffledSubarray(resources, { minLength: resources.length });
  fc.assert(
    fc.property(shuffled, (given) => {
      assert.deepEqual(outcome(given), wanted);
    }),
    runs,
  );
});

test("compilePolicy changes the revision with what a decision reads", () => {
  const revisionOf = (spec: object): string =>
    compilePolicy([decoded("ModelAlias", "a", spec)], { nowMs: 0 }).snapshot.revision;
  const plain = revisionOf({ target: "m" });
  assert.match(plain, /^[0-9a-f]{16}$/);
  assert.equal(revisionOf({ target: "m", hidden: false, description: "the same" }), plain);
  assert.notEqual(revisionOf({ target: "n" }), plain);
  assert.notEqual(revisionOf({ target: "m", hidden: true }), plain);
});

test("compilePolicy reports an alias of a key, team or everybody exactly when resolve refuses it", () => {
  const names = ["a", "b", "c", "d", "e"];
  const model = fc.constantFrom(...names, "served", "unknown");
  const own = fc.dictionary(fc.constantFrom(...names), model);
  const targets = fc.array(model, { minLength: 1, maxLength: 3 });
  const everybody = fc.dictionary(fc.constantFrom(...names), targets);
  fc.assert(
    fc.property(everybody, own, own, (global, ofTeam, ofKey) => {
      const policy = compilePolicy(
        [
          decoded("Model", "served", {}),
          decoded("Team", "t", { aliases: ofTeam }),
          decoded("VirtualKey", "k", { keyHash: `sha256:${digest}`, team: "t", aliases: ofKey }),
          ...Object.entries(global).map(([name, models]) =>
            decoded("ModelAlias", name, { targets: models.map((target) => ({ model: target })) }),
          ),
        ],
        { nowMs: 0 },
      );
      const { snapshot } = policy;
      const key = keyOf(policy);
      for (const name of Object.keys(ofKey)) {
        const isBad = isReported(policy, "VirtualKey k", name);
        assert.equal(isUsable(snapshot, key, name), !isBad, `key ${name}`);
      }
      const inTeam = { ...key, aliases: noAliases };
      for (const name of Object.keys(ofTeam)) {
        const isBad = isReported(policy, "Team t", name);
        assert.equal(isUsable(snapshot, inTeam, name), !isBad, `team ${name}`);
      }
      const outside = { ...inTeam, team: undefined };
      for (const name of Object.keys(global)) {
        const isBad = isReported(policy, `ModelAlias ${name}`);
        assert.equal(isUsable(snapshot, outside, name), !isBad, `everybody ${name}`);
      }
    }),
    runs,
  );
});

test("compilePolicy agrees with resolve on long and branching chains", () => {
  const length = 12;
  const nameAt = (at: number): string => (at < length ? `a${at}` : "served");
  const jumps = fc.array(fc.nat({ max: length }), { minLength: length, maxLength: length });
  fc.assert(
    fc.property(jumps, (to) => {
      const aliases = to.map((jump, at) =>
        decoded("ModelAlias", nameAt(at), {
          targets: [{ model: nameAt(at + 1) }, { model: nameAt(jump) }],
        }),
      );
      const key = decoded("VirtualKey", "k", { keyHash: `sha256:${digest}` });
      const policy = compilePolicy([decoded("Model", "served", {}), key, ...aliases], { nowMs: 0 });
      for (let at = 0; at < length; at++) {
        const isBad = isReported(policy, `ModelAlias ${nameAt(at)}`);
        assert.equal(isUsable(policy.snapshot, keyOf(policy), nameAt(at)), !isBad, nameAt(at));
      }
    }),
    runs,
  );
});
