// Steps: images of this tree, the chart installed by helm, what its notes say, and the policy by kubectl.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { makeImages } from "./images.ts";
import {
  apply,
  chart,
  command,
  fileOf,
  helm,
  isReady,
  kubectl,
  pods,
  project,
  refusal,
  resource,
  until,
} from "./kube.ts";
import {
  authorizerSelector,
  controllerSelector,
  gatewayNamespace,
  images,
  namespace,
  namespaceObject,
  release,
  rootPod,
} from "./manifests.ts";
import { say, step, timed } from "./step.ts";

/** The target of the README's alias, and another that no grant covers. */
export const target = "openrouter/qwen/qwen3.5-flash-02-23";
const forbidden = "openrouter/anthropic/claude-sonnet-4.6";

/** Of the README's VirtualKey. */
export const readmeKey = "ag_readme01_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/** Secrets that must stand in no log. */
export const secrets = new Set([readmeKey]);

export const installArgs = [chart, "--namespace", namespace, "--wait", "--timeout", "90s"] as const;
export const imageValue = ["--set", `image.repository=${images.aliasguard}`] as const;

let notes = "";

step("images of this tree are built without a container engine", async () => {
  say(`aliasguard, Envoy and a backend: ${await timed(makeImages)} ms`);
});

step("both namespaces enforce restricted Pod Security", async () => {
  for (const name of [namespace, gatewayNamespace]) {
    await apply([namespaceObject(name)], "default");
    const pod = fileOf(JSON.stringify(rootPod));
    const refused = await refusal("kubectl", "apply", "-n", name, "-f", pod);
    assert.match(refused, /violates PodSecurity "restricted/);
  }
});

step(
  "helm lint has nothing to say, and the API server takes what helm template makes",
  async () => {
    const linted = await helm("lint", "--strict", chart);
    assert.match(linted, /1 chart\(s\) linted, 0 chart\(s\) failed/);
    assert.doesNotMatch(linted, /WARNING|ERROR/);
    const objects = await helm("template", release, chart, "--namespace", namespace, ...imageValue);
    const taken = await apply(objects, namespace, "--dry-run=server", "--validate=strict");
    assert.equal(taken.split("\n").length, objects.split(/^kind: /m).length - 1);
  },
);

step("helm install --wait brings definitions, controllers and authorizers", async () => {
  const ms = await timed(async () => {
    notes = await helm("install", release, ...installArgs, ...imageValue);
  });
  say(`helm install --wait: ${ms} ms`);
  await kubectl("wait", "--for=condition=Established", "--timeout=5s", "crd", "--all");
  const definitions = await kubectl("get", "crd", "-o", "name");
  assert.equal(definitions.split("\n").filter((name) => name.endsWith("aliasguard.dev")).length, 5);
  for (const selector of [controllerSelector, authorizerSelector]) {
    const found = await pods(namespace, selector);
    assert.deepEqual(found.map(isReady), [true, true]);
    const restarts = found.flatMap(({ status }) => status.containerStatuses ?? []);
    assert.deepEqual(
      restarts.map(({ restartCount }) => restartCount),
      [0, 0],
    );
  }
});

step("a pod of the chart can write nowhere", async () => {
  for (const component of ["controller", "authorizer"]) {
    const write = 'require("node:fs").writeFileSync("/tmp/x", "")';
    const pod = `deployment/${release}-${component}`;
    const words = ["exec", "-n", namespace, pod, "--", "node", "-e", write];
    assert.match(await refusal("kubectl", ...words), /EROFS|read-only file system/);
  }
});

step("one controller leads, the one that the Lease names", async () => {
  const [holder = ""] = (await leaseHolder()).split("_");
  const leading: string[] = [];
  for (const { metadata, status } of await pods(namespace, controllerSelector)) {
    const metrics = await (await fetch(`http://${status.podIP}:9192/metrics`)).text();
    if (/^leader_election_master_status\{.*\} 1$/m.test(metrics)) leading.push(metadata.name);
  }
  assert.deepEqual(leading, [holder]);
});

step("the notes' next commands work as they are printed", async () => {
  const commands = notes
    .split(/\n\n(?=kubectl )/)
    .slice(1)
    .map((part) => part.split("\n\n")[0]);
  assert.equal(commands.length, 4, notes);
  for (const line of commands) {
    // The secret is shown on stderr.
    const printed = await command("bash", "-euo", "pipefail", "-c", `exec 2>&1\n${line}`);
    say(`${line?.split("\n")[0]?.slice(0, 90)} ...`);
    for (const [secret] of printed.matchAll(/\bag_[0-9a-z]{8}_[\w-]{43}\b/g)) secrets.add(secret);
  }
  await kubectl("-n", namespace, "wait", "--for=condition=Programmed", "virtualkey/alice");
});

step("kubectl apply of the README's policy is accepted and in force", async () => {
  const readme = readFileSync(join(project, "README.md"), "utf8");
  const [, policy = ""] = /```yaml\n([\s\S]*?)```/.exec(readme) ?? [];
  await apply(policy, namespace);
  const smart = resource("ModelAlias", "smart", { alias: "smart", target: forbidden });
  await apply([smart], namespace);
  const ms = await timed(() =>
    kubectl("-n", namespace, "wait", "--for=condition=Ready", "aliasguard", "--all"),
  );
  say(`kubectl wait --for=condition=Ready: ${ms} ms`);
  const table = (await kubectl("-n", namespace, "get", "modelaliases")).split("\n");
  for (const line of table) say(line);
  const rows = table.map((line) => line.split(/ {2,}/).slice(0, 5));
  assert.deepEqual(rows, [
    ["NAME", "ALIAS", "TARGET", "READY", "REASON"],
    ["agentx", "AgentX-LLM", target, "True", "Ready"],
    ["smart", "smart", forbidden, "True", "Ready"],
  ]);
});

export async function leaseHolder(): Promise<string> {
  const lease = `lease/${release}-controller`;
  const path = "jsonpath={.spec.holderIdentity}";
  return await until(
    "the Lease has a holder",
    async () => {
      const holder = await kubectl("-n", namespace, "get", lease, "-o", path);
      return holder === "" ? undefined : holder;
    },
    20_000,
  );
}
