// Steps: what operators do to the pods, and what else happens to them, under steady requests of which none may fail.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, ask, codeIn } from "./ask.ts";
import { imageValue, installArgs, leaseHolder, readmeKey, target } from "./install.ts";
import { helm, isReady, kitCommand, kubectl, type Pod, pods, until } from "./kube.ts";
import { underLoad } from "./load.ts";
import { authorizerSelector, controllerSelector, namespace, release } from "./manifests.ts";
import { say, step, timed } from "./step.ts";
import { alias, aliasTo, effectMs, otherTarget, send } from "./traffic.ts";

const awayMs = 20_000;

step("restarts of authorizers and controllers and a deleted pod fail no request", async () => {
  const before = [...(await settled(authorizerSelector)), ...(await settled(controllerSelector))];
  const line = await underLoad(send, async () => {
    for (const component of ["authorizer", "controller"]) {
      const deployment = `deployment/${release}-${component}`;
      await kubectl("-n", namespace, "rollout", "restart", deployment);
      const status = ["rollout", "status", deployment, "--timeout=60s"];
      say(
        `${component}s restarted in ${await timed(() => kubectl("-n", namespace, ...status))} ms`,
      );
    }
    const victim = (await pods(namespace, authorizerSelector)).find(isReady)?.metadata.name ?? "";
    await kubectl("-n", namespace, "delete", "pod", victim, "--wait=false");
    const after = [...(await settled(authorizerSelector)), ...(await settled(controllerSelector))];
    assert.ok(after.every((name) => !before.includes(name) && name !== victim));
    const [leader = ""] = (await leaseHolder()).split("_");
    assert.ok(after.includes(leader), `the leader is ${leader}`);
  });
  say(line);
});

step(
  "helm upgrade with another setting fails no request, and the setting is in force",
  async () => {
    assert.equal((await ask(readmeKey, alias)).seen?.headers["x-llm-model"], undefined);
    const setting = ["--set", "settings.modelHeaders={x-model,x-llm-model}"];
    const line = await underLoad(send, async () => {
      const ms = await timed(() =>
        helm("upgrade", release, ...installArgs, ...imageValue, ...setting),
      );
      say(`helm upgrade --wait: ${ms} ms`);
      await settled(authorizerSelector);
    });
    say(line);
    assert.equal((await ask(readmeKey, alias)).seen?.headers["x-llm-model"], target);
  },
);

step("helm uninstall keeps definitions and resources and refuses requests", async () => {
  const before = await resources();
  assert.equal(before.length, 4);
  const serving = await pods(namespace, authorizerSelector);
  await helm("uninstall", release, "--namespace", namespace);
  // Left alone they would serve on for their grace, as in a rollout.
  for (const pod of serving) kill(pod);
  assert.deepEqual(await resources(), before);
  const answer = await ask(readmeKey, alias);
  assert.deepEqual([answer.status, codeIn(answer)], [503, "authorization_unavailable"]);
});

step("a second helm install of that name takes them over and serves again", async () => {
  const before = await resources();
  const ms = await timed(() => helm("install", release, ...installArgs, ...imageValue));
  assert.deepEqual(await resources(), before);
  const more = await timed(() =>
    until("service", async () => (await send()) === "" || undefined, 60_000),
  );
  say(`helm install --wait: ${ms} ms; Envoy's DNS and the first answer: ${more} ms more`);
  const changed = await effectMs([aliasTo(otherTarget)], shows(otherTarget));
  say(`a changed alias, once the Lease of the old leader has run out: ${changed} ms`);
  await effectMs([aliasTo(target)], shows(target));
});

step("a killed authorizer and a lost API server fail no request", async () => {
  const pod = (await pods(namespace, authorizerSelector)).find(isReady);
  assert.ok(pod !== undefined);
  const line = await underLoad(send, async () => {
    await kitCommand("component", "kill", "kube-apiserver");
    const end = performance.now() + awayMs;
    await sleep(2000);
    await killAndAwait(pod);
    await sleep(end - performance.now());
    await kitCommand("component", "start", "kube-apiserver");
    await until("API server", () => kubectl("get", "--raw", "/readyz").catch(none), 30_000);
  });
  say(line);
  const ms = await effectMs([aliasTo(otherTarget)], shows(otherTarget));
  say(`a changed alias after the API server's return: ${ms} ms`);
  await effectMs([aliasTo(target)], shows(target));
});

const none = (): undefined => undefined;

const shows =
  (to: string) =>
  (answer: Answer): boolean =>
    answer.seen?.headers["x-model"] === to;

/** The names of the component's pods once there are two, ready, and no others. */
async function settled(selector: string): Promise<readonly string[]> {
  const find = async (): Promise<readonly string[] | undefined> => {
    const all = await pods(namespace, selector);
    const good = all.length === 2 && all.every(isReady);
    return good ? all.map(({ metadata }) => metadata.name) : undefined;
  };
  return await until(`two pods of ${selector} and no others`, find, 90_000, 500);
}

/** Kills the process and waits until the kubelet's new one is ready. */
async function killAndAwait(pod: Pod): Promise<void> {
  const url = `http://${pod.status.podIP}:9192`;
  const startOf = async (): Promise<string | undefined> => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return /^process_start_time_seconds (\S+)$/m.exec(text)?.[1];
  };
  const before = await startOf();
  assert.ok(before !== undefined);
  kill(pod);
  const isBack = async (): Promise<true | undefined> => {
    if ((await startOf()) === before) return undefined;
    return (await fetch(`${url}/readyz`)).ok || undefined;
  };
  const ms = await timed(() =>
    until("a new process is ready", () => isBack().catch(none), 15_000, 50),
  );
  say(`killed without an API server, ready again after ${ms} ms`);
}

/** Ends the pod's process as the kernel would. The pod's own id finds it: status may name a container of before. */
function kill({ metadata: { name, uid } }: Pod): void {
  const victims = readdirSync("/proc").filter((pid) => /^[0-9]+$/.test(pid) && belongs(pid, uid));
  assert.equal(victims.length, 1, `processes of ${name}`);
  for (const victim of victims) process.kill(Number(victim), "SIGKILL");
}

/** Whether it is aliasguard in this pod. The node's processes stand in this machine's /proc. */
function belongs(pid: string, podUid: string): boolean {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    const groups = readFileSync(`/proc/${pid}/cgroup`, "utf8");
    return command.includes("/app/src/main.ts") && groups.includes(`pod${podUid}`);
  } catch {
    return false; // it has ended
  }
}

/** Every custom resource with its identity and what it says. */
async function resources(): Promise<readonly unknown[]> {
  const text = await kubectl("-n", namespace, "get", "aliasguard", "-o", "json");
  const { items } = JSON.parse(text) as {
    readonly items: readonly {
      readonly kind: string;
      readonly metadata: { readonly uid: string; readonly generation: number };
      readonly spec: unknown;
    }[];
  };
  return items.map(({ kind, metadata: { uid, generation }, spec }) => ({
    kind,
    uid,
    generation,
    spec,
  }));
}
