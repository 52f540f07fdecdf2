// Tests of the decoder: everything wrong is found at once, with its path, and nothing makes it throw.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeResource } from "../../../src/policy/decode/decode.ts";
import { keyHash, manifest } from "../manifest-builder.ts";

function paths(value: unknown): readonly string[] {
  return decodeResource(value).problems.map(
    ({ severity, path }) => `${severity} ${path.join(".")}`,
  );
}

test("decodeResource fills in the defaults of a ModelAlias", () => {
  const { resource, problems } = decodeResource(manifest("ModelAlias", "fast", { target: "a/b" }));
  assert.deepEqual(problems, []);
  assert.ok(resource?.kind === "ModelAlias");
  assert.equal(resource.alias, "fast");
  assert.deepEqual(resource.targets, [{ model: "a/b", weight: 1 }]);
  assert.equal(resource.hidden, false);
  assert.equal(resource.teams, undefined);
});

test("decodeResource reports every mistake of one object at once", () => {
  const value = manifest("ModelAlias", "Fast!", {
    targets: [{ model: "a,b", weight: 1.5 }, { weight: 1 }],
    hidden: "yes",
    teams: ["No Team"],
    unheard: 1,
  });
  const found = paths(value);
  for (const path of [
    "metadata.name",
    "spec.targets.0.model",
    "spec.targets.0.weight",
    "spec.hidden",
    "spec.teams.0",
    "spec.unheard",
  ]) {
    assert.ok(found.includes(`invalid ${path}`), `${path} in ${found.join(", ")}`);
  }
});

const rejected: readonly (readonly [string, object])[] = [
  ["both target and targets", manifest("ModelAlias", "a", { target: "b", targets: [] })],
  ["neither target nor targets", manifest("ModelAlias", "a", {})],
  [
    "no target with a weight",
    manifest("ModelAlias", "a", { targets: [{ model: "b", weight: 0 }] }),
  ],
  ["an empty list of targets", manifest("ModelAlias", "a", { targets: [] })],
  ["17 targets", manifest("ModelAlias", "a", { targets: Array(17).fill({ model: "b" }) })],
  ["a star within a granted alias", manifest("Team", "a", { grants: { aliases: ["a*b"] } })],
  ["a star within an alias", manifest("ModelAlias", "a", { alias: "a*b", target: "b" })],
  ["two stars in an alias", manifest("ModelAlias", "a", { alias: "**", target: "b" })],
  ["a star within a Team's alias", manifest("Team", "a", { aliases: { "*a": "b" } })],
  ["a star in a target", manifest("ModelAlias", "a", { target: "b*" })],
  ["a star in a fallback", manifest("Model", "a", { fallbacks: ["b*"] })],
  ["17 fallbacks", manifest("Model", "a", { fallbacks: Array(17).fill("b") })],
  ["an unquoted number as a model", manifest("Team", "a", { grants: { models: [4] } })],
  ["a key without a secret", manifest("VirtualKey", "a", {})],
  ["an upper-case digest", manifest("VirtualKey", "a", { keyHash: `sha256:${"A".repeat(64)}` })],
  [
    "both keyHash and secretRef",
    manifest("VirtualKey", "a", { keyHash: keyHash(1), secretRef: { name: "a", key: "b" } }),
  ],
  [
    "expiresAt before notBefore",
    manifest("VirtualKey", "a", {
      keyHash: keyHash(1),
      notBefore: "2026-01-02T00:00:00Z",
      expiresAt: "2026-01-01T00:00:00Z",
    }),
  ],
  [
    "a time without a zone",
    manifest("VirtualKey", "a", { keyHash: keyHash(1), expiresAt: "2026-01-01T00:00:00" }),
  ],
  [
    "a day that does not exist",
    manifest("VirtualKey", "a", { keyHash: keyHash(1), expiresAt: "2026-02-30T00:00:00Z" }),
  ],
  ["null for grants", manifest("VirtualKey", "a", { keyHash: keyHash(1), grants: null })],
  ["another version", { ...manifest("Team", "a", {}), apiVersion: "aliasguard.dev/v1" }],
  [
    "a known kind of another group",
    { ...manifest("ModelAlias", "a", { target: "b" }), apiVersion: "example.com/v1" },
  ],
  ["a name of 10,000 characters", manifest("Team", "a".repeat(10_000), {})],
  [
    "a __proto__ alias that is no model",
    manifest("Team", "a", JSON.parse('{"aliases":{"__proto__":1}}')),
  ],
  ["a bidi character in a model", manifest("ModelAlias", "a", { target: "gpt\u202e4" })],
];

for (const [what, value] of rejected) {
  test(`decodeResource refuses ${what}`, () => {
    const { resource, problems } = decodeResource(value);
    assert.equal(resource, undefined);
    assert.ok(problems.some(({ severity }) => severity === "invalid"));
  });
}

test("decodeResource says what has come in the place of strictFields", () => {
  for (const strictFields of [true, false]) {
    const { resource, problems } = decodeResource(manifest("Model", "a", { strictFields }));
    assert.equal(resource, undefined);
    assert.deepEqual(
      problems.map(({ path }) => path.join(".")),
      ["spec.strictFields"],
    );
    assert.match(problems[0]?.message ?? "", /remove it: .*refusedFields .*tools\[\]\.type=mcp/);
  }
});

test("decodeResource reads the fields that a Model admits and refuses, and bounds them", () => {
  const spec = { bodyFields: ["x_new", "metadata.tags"], refusedFields: ["tools[].type=mcp"] };
  const { resource } = decodeResource(manifest("Model", "a", spec));
  assert.partialDeepStrictEqual(resource, spec);
  const plain = decodeResource(manifest("Model", "a", {})).resource;
  assert.partialDeepStrictEqual(plain, { bodyFields: [], refusedFields: [] });
  for (const wrong of [{ bodyFields: ["model"] }, { refusedFields: Array(65).fill("x") }]) {
    assert.equal(decodeResource(manifest("Model", "a", wrong)).resource, undefined);
  }
});

test("decodeResource skips objects of other groups with advice", () => {
  const value = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x" } };
  const { resource, problems } = decodeResource(value);
  assert.equal(resource, undefined);
  assert.deepEqual(
    problems.map(({ severity }) => severity),
    ["advice"],
  );
});

test("decodeResource says of which kind an object is that it cannot read", () => {
  assert.equal(decodeResource(manifest("Model", "a", { backend: "x" })).kind, "Model");
  assert.equal(decodeResource({ ...manifest("Model", "a", {}), apiVersion: "x" }).kind, "Model");
  assert.equal(decodeResource({ apiVersion: "v1", kind: "ConfigMap" }).kind, undefined);
  for (const value of [undefined, null, 7, "Model", ["Model"], {}, { kind: "__proto__" }]) {
    assert.equal(decodeResource(value).kind, undefined);
  }
});

test("decodeResource never repeats what may be a secret", () => {
  const { problems } = decodeResource(manifest("VirtualKey", "a", { keyHash: "hunter2-hunter2" }));
  assert.equal(problems.length, 1);
  assert.doesNotMatch(JSON.stringify(problems), /hunter2/);
});

test("decodeResource never throws on any JSON value", () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.constantFrom("ModelAlias", "Team", "VirtualKey", "Model", "AccessGroup"),
      (value, kind) => {
        for (const tried of [
          value,
          { ...manifest("Team", "a", {}), kind, spec: value, metadata: value },
        ]) {
          const { resource, problems } = decodeResource(tried);
          assert.equal(resource === undefined, problems.length > 0);
        }
      },
    ),
    { numRuns: 300 },
  );
});
