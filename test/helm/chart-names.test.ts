// Names of what the chart makes: long ones are cut and stay apart, odd ones are made fit.

import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { getHelm } from "../support/get-helm.ts";
import { requirement } from "../support/requirements.ts";
import { createHelm, type Rendered } from "./run-helm.ts";

const helmPath = await requirement(() => getHelm());

/** Every string under a key of this name, at any depth. */
function valuesOf(value: unknown, keys: ReadonlySet<string>): readonly string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    const own = keys.has(key) && typeof inner === "object" && inner !== null;
    const found = own ? Object.values(inner).filter((each) => typeof each === "string") : [];
    return [...found, ...valuesOf(inner, keys)];
  });
}

describe("names of the chart", { skip: helmPath.skip }, () => {
  const helm = createHelm(helmPath.value ?? "");
  after(() => helm.remove());

  const longest = "x".repeat(53);
  const withoutCrds = { crds: { install: false } };

  const namesOf = (objects: readonly Rendered[]): readonly string[] =>
    objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ""}/${metadata.name}`);

  for (const release of [longest, "1st", "a.b", "9", "aliasguard"]) {
    it(`of release ${release} are DNS labels of at most 63 characters`, async () => {
      const namespace = "n".repeat(63);
      const objects = await helm.template(withoutCrds, { release, namespace });
      const local = objects.filter(({ kind }) => kind !== "ClusterRole");
      const bad = local.filter(
        ({ metadata }) => !/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(metadata.name),
      );
      assert.deepEqual(namesOf(bad), []);
      assert.ok(local.length > 10);
      const labels = valuesOf(objects, new Set(["labels", "matchLabels"]));
      assert.deepEqual(
        labels.filter((label) => label.length > 63),
        [],
      );
      assert.ok(labels.length > 50);
    });
  }

  it("of releases that differ at the end only stay apart", async () => {
    const names = new Set<string>();
    let count = 0;
    for (const end of ["a", "b"]) {
      const release = `${"x".repeat(52)}${end}`;
      const objects = await helm.template(withoutCrds, { release });
      count += objects.length;
      for (const name of namesOf(objects)) names.add(name);
    }
    assert.equal(names.size, count);
  });

  it("of cluster-wide objects of releases in two namespaces stay apart", async () => {
    const clusterWide = async (namespace: string, fullnameOverride: string): Promise<string[]> =>
      (await helm.template({ ...withoutCrds, fullnameOverride }, { namespace }))
        .filter(({ metadata }) => metadata.namespace === undefined)
        .map(({ metadata }) => metadata.name);
    // Joined by a dash, these would be one: a-b-c.
    const names = [...(await clusterWide("a", "b-c")), ...(await clusterWide("a-b", "c"))];
    assert.equal(new Set(names).size, 4);
  });

  it("follow fullnameOverride, and nameOverride beside the release", async () => {
    const service = async (values: object): Promise<string | undefined> =>
      (await helm.template({ ...withoutCrds, ...values })).find(({ kind }) => kind === "Service")
        ?.metadata.name;
    assert.equal(await service({ fullnameOverride: "guard" }), "guard");
    assert.equal(await service({ nameOverride: "guard" }), "agt-guard");
    assert.equal(await service({}), "agt-aliasguard");
    assert.match((await service({ fullnameOverride: "f".repeat(253) })) ?? "", /^f+-[0-9a-f]{8}$/);
  });
});
