// `npm run test:cluster`: the whole product on a real Kubernetes node of its own. Starts the node, runs steps.ts in its
// network and removes the node again, also after a failure or ctrl-C. Needs Linux, root and the kit's programs.

import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { run } from "../support/child.ts";
import { kitFolder } from "../support/kube-api.ts";
import { onProcessEnd } from "../support/process-end.ts";
import { MissingComponent, requirement } from "../support/requirements.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const kit = join(import.meta.dirname, "../cluster");
const buildMsMax = 45 * 60_000;

async function findKit(): Promise<string> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    throw new MissingComponent("a node needs Linux and root");
  }
  const programs = [
    "kubectl",
    "helm",
    "etcd",
    "kube-apiserver",
    "kubelet",
    "coredns",
    "kube-proxy",
  ];
  if (programs.every((name) => existsSync(join(kitFolder(), name)))) return kitFolder();
  if (process.env["CI"] !== "true") {
    throw new MissingComponent("`test/cluster/build` builds a node's programs (10 minutes, once)");
  }
  const made = await run(
    { name: "build", command: "bash", args: [join(kit, "build")] },
    buildMsMax,
  );
  if (made.code !== 0) throw new MissingComponent(`test/cluster/build failed: ${made.stderr}`);
  return kitFolder();
}

/** Runs a command with this process's output; gives its exit code. */
function attached(args: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
  const child = spawn("bash", args, { stdio: "inherit", env: { ...process.env, ...env } });
  const disarm = onProcessEnd(() => child.kill("SIGTERM"));
  return new Promise((resolve) => {
    child.once("close", (code) => {
      disarm();
      resolve(code ?? 1);
    });
  });
}

const found = await requirement(findKit);
if (found.skip !== false) {
  process.stdout.write(`test:cluster is skipped: ${found.skip}\n`);
  process.exit(0);
}
const begun = performance.now();
const folder = createTempFolder("node");
const state = join(folder.path, "s");
onProcessEnd(() => {
  spawnSync("bash", [join(kit, "down"), "--state", state], { stdio: "inherit" });
});
// kubectl and helm remember what clusters can do, by address; this one has its address for minutes.
const caches = ["KUBECACHEDIR", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"];
const env = {
  ALIASGUARD_CLUSTER: state,
  ...Object.fromEntries(caches.map((name) => [name, join(folder.path, name.toLowerCase())])),
};
process.exitCode = await attached([join(kit, "up"), "node"], env);
if (process.exitCode === 0) {
  const steps = [process.execPath, "--test-reporter=spec", join(import.meta.dirname, "steps.ts")];
  // `down` ends every process with this name in its environment.
  process.exitCode = await attached([join(kit, "in"), ...steps], {
    ...env,
    ALIASGUARD_STATE: state,
  });
}
process.stdout.write(`test:cluster took ${((performance.now() - begun) / 1000).toFixed(0)} s\n`);
