// Every rendering for a gateway on a real API server with the gateways' own definitions: schemas, their CEL rules and
// defaults, and no field that a definition does not have. What a definition leaves free (an EnvoyFilter's value, a patch)
// the doctor and a real Envoy look at: chart-gateway.test.ts.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { gatewayManifests } from "../../deploy/manifests.ts";
import { type RunResult, run } from "../support/child.ts";
import { definitionsOf, getGatewayCrds } from "../support/get-gateway-crds.ts";
import { getHelm } from "../support/get-helm.ts";
import { getKubeBinaries, type KubeApi, startKubeApi } from "../support/kube-api.ts";
import { requirement } from "../support/requirements.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { gatewayVariants } from "./gateway-variants.ts";
import { createHelm, type Rendered, readObjects } from "./run-helm.ts";

const helmPath = await requirement(() => getHelm());
const binaries = await requirement(() => getKubeBinaries());
const crds = await requirement(() => getGatewayCrds());
const skip = helmPath.skip || binaries.skip || crds.skip;

/** Kinds that the gateways bring, by where the group ends. */
const isForeign = ({ apiVersion }: Rendered): boolean =>
  /^(gateway\.envoyproxy\.io|gateway\.networking\.k8s\.io|[a-z]+\.istio\.io)\//.test(apiVersion);
const kindOf = ({ apiVersion, kind }: Rendered): string => `${apiVersion.split("/")[0]}/${kind}`;

describe("the chart for gateways on an API server", { skip }, () => {
  let api: KubeApi;
  const helm = createHelm(helmPath.value ?? "");
  const folder = createTempFolder("gateway-crds");
  const rendered = new Map<string, readonly Rendered[]>();

  const kubectl = (...args: string[]): Promise<RunResult> => {
    const all = ["--kubeconfig", api.kubeconfig, ...args];
    return run({ name: "kubectl", command: api.kubectl, args: all }, 120_000);
  };
  const apply = (objects: readonly unknown[], ...flags: string[]): Promise<RunResult> => {
    const file = `${folder.path}/objects.json`;
    writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
    return kubectl("apply", "--validate=strict", ...flags, "-f", file);
  };

  after(async () => {
    helm.remove();
    folder.remove();
    await api?.stop();
  });
  before(async () => {
    for (const [name, values] of gatewayVariants) rendered.set(name, await helm.template(values));
    api = await startKubeApi(binaries.value ?? "");
    for (const name of ["aliasguard", "apps", "istio-system", "llm"]) {
      const labels = Object.fromEntries(
        ["enforce", "warn"].map((mode) => [`pod-security.kubernetes.io/${mode}`, "restricted"]),
      );
      const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
      assert.equal((await api.send("POST", "/api/v1/namespaces", namespace)).status, 201);
      // What a cluster's controllers make in each namespace, and pods need.
      const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default" } };
      const accounts = `/api/v1/namespaces/${name}/serviceaccounts`;
      assert.equal((await api.send("POST", accounts, account)).status, 201);
    }
    const kinds = new Set([...rendered.values()].flat().filter(isForeign).map(kindOf));
    const definitions = definitionsOf(crds.value ?? "", kinds);
    const defined = definitions.map(({ spec }) => `${spec.group}/${spec.names.kind}`);
    assert.deepEqual(defined.sort(), [...kinds].sort());
    const made = await apply(definitions, "--server-side");
    assert.equal(made.code, 0, made.stderr);
    const wait = await kubectl("wait", "--for=condition=Established", "crd", "--all");
    assert.equal(wait.code, 0, wait.stderr);
  });

  for (const [name] of gatewayVariants) {
    it(`takes every object of ${name}, without a warning`, async () => {
      const objects = rendered.get(name) ?? [];
      // As Helm does: client-side apply keeps each object a second time, in an annotation with a limit of its own.
      const { code, stdout, stderr } = await apply(objects, "--server-side", "--dry-run=server");
      assert.equal(stderr, "");
      assert.equal(code, 0);
      assert.equal(stdout.trim().split("\n").length, objects.length);
    });
  }

  const deployed = gatewayManifests.map(({ file }) => file);
  for (const file of ["kubernetes/aliasguard.yaml", ...deployed]) {
    it(`takes every object of deploy/${file}, without a warning`, async () => {
      const path = join(import.meta.dirname, "../../deploy", file);
      const objects = readObjects(readFileSync(path, "utf8"));
      const { code, stdout, stderr } = await apply(objects, "--server-side", "--dry-run=server");
      assert.equal(stderr, "");
      assert.equal(code, 0);
      assert.equal(stdout.trim().split("\n").length, objects.length);
    });
  }

  it("refuses each kind when a field is misspelt: the definitions are looked at", async () => {
    const byKind = new Map(
      [...rendered.values()]
        .flat()
        .filter(isForeign)
        .map((object) => [kindOf(object), object] as const),
    );
    assert.ok(byKind.size >= 12, [...byKind.keys()].join(" "));
    for (const [kind, object] of byKind) {
      const wrong = { ...object, spec: { ...(object.spec as object), misspelt: true } };
      const { code, stderr } = await apply([wrong], "--dry-run=server");
      assert.equal(code, 1, kind);
      assert.match(stderr, /unknown field "(spec\.)?misspelt"/, kind);
    }
  });
});
