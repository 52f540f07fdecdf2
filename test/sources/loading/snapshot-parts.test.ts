// Tests of snapshots in parts: what arrives is what was sent, and what was shared is shared again.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  createSnapshotBuilder,
  type ListedSnapshot,
  type SnapshotPart,
  sendSnapshot,
} from "../../../src/sources/loading/snapshot-parts.ts";
import { alias, compile, digest, keyHash, resource } from "../../policy/manifest-builder.ts";

function partsOf(snapshot: ListedSnapshot): readonly SnapshotPart[] {
  const parts: SnapshotPart[] = [];
  sendSnapshot(snapshot, (part) => parts.push(structuredClone(part)));
  return parts;
}

function rebuilt(snapshot: ListedSnapshot) {
  const builder = createSnapshotBuilder();
  return partsOf(snapshot).map((part) => builder.add(part));
}

const team = (name: string, aliases: object = {}) =>
  resource("Team", name, { grants: { models: ["vendor/*", "m"] }, aliases });
const key = (number: number, spec: object) =>
  resource("VirtualKey", `k${number}`, { keyHash: keyHash(number), ...spec });

const objects = [
  alias("fast", "m"),
  alias("slow", "fast", { teams: ["a", "b"], hidden: true }),
  resource("ModelAlias", "split", {
    targets: [{ model: "m" }, { model: "n", weight: 3 }],
    stickyBy: { header: "x-user" },
  }),
  team("a", { own: "m" }),
  team("b"),
  resource("AccessGroup", "g", { models: ["m", "vendor/x*"] }),
  resource("Model", "m", {
    upstreamName: "llama",
    backend: "leaf",
    bodyFields: ["x"],
    refusedFields: ["container"],
  }),
  resource("Model", "n", { ownedBy: "us" }),
  key(1, { team: "a" }),
  key(2, { team: "a", grants: { groups: ["g"], deny: ["n"] }, aliases: { __proto__x: "m" } }),
  key(3, { grants: { groups: ["g"] }, disabled: true, expiresAt: "2027-01-01T00:00:00Z" }),
  key(4, { team: "gone" }),
  key(5, {
    team: "b",
    grants: {},
    previous: { keyHash: keyHash(6), until: "2026-06-01T00:00:00Z" },
    notBefore: "2026-01-01T00:00:00Z",
  }),
];

test("createSnapshotBuilder gives the snapshot that was sent, for any policy", () => {
  fc.assert(
    fc.property(fc.subarray(objects), (some) => {
      const { snapshot } = compile(...some);
      const given = rebuilt(snapshot);
      assert.deepEqual(given.at(-1), snapshot);
      assert.ok(given.slice(0, -1).every((each) => each === undefined));
    }),
    { numRuns: 200 },
  );
});

test("createSnapshotBuilder shares what was shared", () => {
  const sent = compile(...objects).snapshot;
  const received = rebuilt(sent).at(-1);
  assert.ok(received !== undefined);
  const keyAt = (number: number) => received.keys.get(digest(number))?.key;
  assert.equal(keyAt(1)?.team?.team, keyAt(2)?.team?.team);
  assert.notEqual(keyAt(1)?.team?.team, undefined);
  assert.equal(keyAt(2)?.grant?.models[0], keyAt(3)?.grant?.models[0]);
  assert.equal(keyAt(5), keyAt(6));
  const slow = (number: number) => keyAt(number)?.team?.team?.aliases.exact.get("slow");
  assert.equal(slow(1), slow(5));
  assert.equal(keyAt(1)?.aliases, keyAt(3)?.aliases);
});

test("createSnapshotBuilder refuses a part whose predecessor is missing", () => {
  const parts = partsOf(compile(...objects).snapshot);
  for (const missing of ["catalogue", "patternSet", "grant", "alias", "scope", "team"] as const) {
    const builder = createSnapshotBuilder();
    const left = parts.filter(({ kind }) => kind !== missing);
    assert.throws(() => left.map((part) => builder.add(part)), /is not there yet/, missing);
  }
});
