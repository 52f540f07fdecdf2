// The chart on a real API server: every object is accepted, every pod passes restricted Pod Security, releases live side
// by side, and an uninstall keeps the definitions and what was made of them.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { decodeResource } from "../../src/policy/decode/decode.ts";
import { type RunResult, run } from "../support/child.ts";
import { getHelm } from "../support/get-helm.ts";
import { getKubeBinaries, type KubeApi, startKubeApi } from "../support/kube-api.ts";
import { requirement } from "../support/requirements.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { fullValues } from "./full-values.ts";
import { chartFolder, createHelm, type Helm, type Rendered, readObjects } from "./run-helm.ts";

const helmPath = await requirement(() => getHelm());
const binaries = await requirement(() => getKubeBinaries());
const skip = helmPath.skip || binaries.skip;

const aliases = "/apis/aliasguard.dev/v1alpha1/namespaces/one/modelaliases";
const deployment = "/apis/apps/v1/namespaces/one/deployments/guard-aliasguard-authorizer";

describe("the chart on an API server", { skip }, () => {
  let api: KubeApi;
  let helm: Helm;
  const folder = createTempFolder("chart");
  after(async () => {
    helm?.remove();
    folder.remove();
    await api?.stop();
  });
  before(async () => {
    api = await startKubeApi(binaries.value ?? "");
    helm = createHelm(helmPath.value ?? "", api.kubeconfig);
    for (const name of ["one", "two", "three", "n".repeat(63)]) {
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
  });

  const kubectl = (...args: string[]): Promise<RunResult> => {
    const all = ["--kubeconfig", api.kubeconfig, ...args];
    return run({ name: "kubectl", command: api.kubectl, args: all }, 60_000);
  };

  const apply = (objects: readonly unknown[], ...flags: string[]): Promise<RunResult> => {
    const file = `${folder.path}/objects.json`;
    writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
    return kubectl("apply", "--validate=strict", ...flags, "-f", file);
  };

  const install = (release: string, namespace: string, ...args: string[]): Promise<RunResult> =>
    helm.run(["install", release, chartFolder, "--namespace", namespace, ...args]);

  const variants: readonly (readonly [name: string, values: object, at: object])[] = [
    ["the defaults", {}, { namespace: "three" }],
    ["everything on", fullValues, { namespace: "three" }],
    ["the longest names", {}, { namespace: "n".repeat(63), release: "x".repeat(53) }],
    ["a release that begins with a digit", {}, { namespace: "three", release: "1.st" }],
  ];
  for (const [name, values, at] of variants) {
    it(`takes every object with ${name}, without a warning`, async () => {
      const objects = await helm.template(values, at);
      const { code, stdout, stderr } = await apply(objects, "--dry-run=server");
      assert.equal(code, 0, stderr);
      assert.equal(stderr, "");
      assert.equal(stdout.split("\n").length, objects.length);
    });

    it(`takes the pods with ${name} under restricted Pod Security`, async () => {
      const objects = await helm.template(values, at);
      const accounts = objects.filter(({ kind }) => kind === "ServiceAccount");
      const made = await apply(accounts);
      assert.equal(made.code, 0, made.stderr);
      const pods = podsOf(objects);
      assert.equal(pods.length, values === fullValues ? 3 : 2);
      const { code, stderr } = await apply(pods, "--dry-run=server");
      assert.equal(code, 0, stderr);
      assert.equal(stderr, "");
    });
  }

  it("refuses such a pod when it may become root: Pod Security is on", async () => {
    const [pod] = podsOf(await helm.template({}, { namespace: "three" }));
    const root = structuredClone(pod) as { spec: { securityContext: object } };
    root.spec.securityContext = {};
    const { code, stderr } = await apply([root], "--dry-run=server");
    assert.equal(code, 1);
    assert.match(stderr, /violates PodSecurity "restricted/);
  });

  let notes = "";
  it("installs, and defines the custom resources", async () => {
    const installed = await install("guard", "one");
    assert.equal(installed.code, 0, installed.stderr);
    assert.doesNotMatch(installed.stderr, /[Ww]arning/);
    notes = installed.stdout;
    const wait = await kubectl("wait", "--for=condition=Established", "crd", "--all");
    assert.equal(wait.code, 0, wait.stderr);
  });

  it("upgrades what runs", async () => {
    const args = ["upgrade", "guard", chartFolder, "--namespace", "one"];
    const upgraded = await helm.run([...args, "--set", "authorizer.replicas=5"]);
    assert.equal(upgraded.code, 0, upgraded.stderr);
    const { body } = await api.send("GET", deployment);
    assert.equal((body["spec"] as { readonly replicas: number }).replicas, 5);
  });

  it("keeps the number that somebody has scaled to, and upgrades all the same", async () => {
    const scaled = await kubectl(
      ...["scale", "deployment/guard-aliasguard-authorizer", "--replicas=3", "-n", "one"],
    );
    assert.equal(scaled.code, 0, scaled.stderr);
    const args = ["upgrade", "guard", chartFolder, "--namespace", "one"];
    for (const more of [
      [],
      ["--set", "authorizer.autoscaling.enabled=true"],
      ["--set", "authorizer.podLabels.round=two"],
    ]) {
      const upgraded = await helm.run([...args, ...more]);
      assert.equal(upgraded.code, 0, upgraded.stderr);
      const { body } = await api.send("GET", deployment);
      assert.equal((body["spec"] as { readonly replicas: number }).replicas, 3);
    }
  });

  it("says next commands that work", () => checkNotes());

  it("leaves definitions and resources when it is uninstalled, and takes them over again", async () => {
    const alias = {
      apiVersion: "aliasguard.dev/v1alpha1",
      kind: "ModelAlias",
      metadata: { name: "agentx" },
      spec: { target: "vendor/model" },
    };
    assert.equal((await api.send("POST", aliases, alias)).status, 201);
    const removed = await helm.run(["uninstall", "guard", "--namespace", "one"]);
    assert.equal(removed.code, 0, removed.stderr);
    assert.equal((await api.send("GET", deployment)).status, 404);
    assert.equal((await api.send("GET", `${aliases}/agentx`)).status, 200);
    const again = await install("guard", "one");
    assert.equal(again.code, 0, again.stderr);
    assert.equal((await api.send("GET", `${aliases}/agentx`)).status, 200);
  });

  /** The notes' manifests are resources, and the server takes them; their commands name what there is. */
  async function checkNotes(): Promise<void> {
    const [, manifest = ""] = /<<EOF\n([\s\S]*?)\n\s*EOF/.exec(notes) ?? [];
    const objects = readObjects(manifest.replaceAll(/^ {4}/gm, ""));
    assert.equal(objects.length, 2);
    for (const object of objects) assert.deepEqual(decodeResource(object).problems, []);
    const applied = await apply(objects, "--dry-run=server", "--namespace", "one");
    assert.equal(applied.code, 0, applied.stderr);
    const named = [...notes.matchAll(/deployment\/([a-z-]+)/g)].map(([, name]) => name);
    assert.deepEqual(new Set(named), new Set(["guard-aliasguard-authorizer"]));
    const service = /([a-z-]+)\.one\.svc:9191/.exec(notes)?.[1];
    assert.equal((await api.send("GET", `/api/v1/namespaces/one/services/${service}`)).status, 200);
  }

  it("lives beside a release in another namespace that brings no definitions", async () => {
    const refused = await install("guard", "two");
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /aliasguard\.dev.*cannot be imported|invalid ownership/);
    const args = ["--set", "crds.install=false"];
    const installed = await install("guard", "two", ...args);
    assert.equal(installed.code, 0, installed.stderr);
    assert.match(installed.stdout, /brings no custom resource definitions/);
    const removed = await helm.run(["uninstall", "guard", "--namespace", "two"]);
    assert.equal(removed.code, 0, removed.stderr);
    const kept = await kubectl("get", "clusterrole,deployment", "-A", "-o", "name");
    const left = kept.stdout.split("\n").filter((name) => name.includes("guard-aliasguard"));
    assert.deepEqual(left, [
      "clusterrole.rbac.authorization.k8s.io/aliasguard:one:guard-aliasguard:edit",
      "clusterrole.rbac.authorization.k8s.io/aliasguard:one:guard-aliasguard:view",
      "deployment.apps/guard-aliasguard-authorizer",
      "deployment.apps/guard-aliasguard-controller",
    ]);
  });
});

/** The pods that Deployments would make: only a bare pod is refused for what it may do. */
function podsOf(objects: readonly Rendered[]): readonly unknown[] {
  return objects
    .filter(({ kind }) => kind === "Deployment")
    .map(({ metadata: { name, namespace }, spec }) => {
      const { template } = spec as {
        readonly template: { readonly metadata: object; readonly spec: object };
      };
      const metadata = { ...template.metadata, name, namespace };
      return { apiVersion: "v1", kind: "Pod", metadata, spec: template.spec };
    });
}
