// Client, reflector and election against a real API server, behind a proxy that fails: whatever happened, the reflector
// ends with exactly the server's objects.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createKubeClient, type KubeClient } from "../../src/kubernetes/client.ts";
import { createLeaderElection } from "../../src/kubernetes/lease.ts";
import { createReflector, type Reflector } from "../../src/kubernetes/reflector.ts";
import { KubeError, type KubeObject } from "../../src/kubernetes/transport.ts";
import { run } from "../support/child.ts";
import { type Fault, type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { getKubeBinaries, type KubeApi, startKubeApi } from "../support/kube-api.ts";
import { requirement } from "../support/requirements.ts";

const binaries = await requirement(getKubeBinaries);
const skip = binaries.skip;
const crds = join(import.meta.dirname, "../../helm/aliasguard/files/crds");
const aliases = "/apis/aliasguard.dev/v1alpha1/namespaces/default/modelaliases";
const maps = "/api/v1/namespaces/default/configmaps";

let api: KubeApi;
let proxy: FaultProxy;
/** Straight to the server. */
let direct: KubeClient;
let client: KubeClient;
let reflector: Reflector<KubeObject>;
let changed = (): void => {};

const aliasOf = (name: string, target = "gpt-4o"): unknown => ({
  apiVersion: "aliasguard.dev/v1alpha1",
  kind: "ModelAlias",
  metadata: { name },
  spec: { alias: name, target },
});
const delay = async (ms: number, signal: AbortSignal): Promise<void> => {
  await sleep(ms, undefined, { signal });
};
const make = (onChange: () => void): Reflector<KubeObject> =>
  createReflector({
    transport: client.collection<KubeObject>(aliases),
    onChange,
    nowMs: () => performance.now(),
    random: Math.random,
    delay,
    limits: { idleMsMax: 3000, listMsMax: 1000, healthyMs: 500 },
  });

async function expectSame(): Promise<void> {
  const versions = (objects: Iterable<KubeObject>): readonly string[] =>
    [...objects].map((each) => `${each.metadata.name} ${each.metadata.resourceVersion}`).sort();
  const signal = AbortSignal.timeout(5000);
  const { items } = await direct.collection<KubeObject>(aliases).list({ limit: 500 }, signal);
  const wanted = versions(items);
  for (let tries = 0; tries < 240; tries += 1) {
    if (versions(reflector.items().values()).join() === wanted.join()) break;
    await sleep(50);
  }
  assert.deepEqual(versions(reflector.items().values()), wanted);
}

before(async () => {
  if (binaries.value === undefined) return;
  api = await startKubeApi(binaries.value);
  const args = ["--kubeconfig", api.kubeconfig, "apply", "-f", crds];
  await run({ name: "kubectl", command: api.kubectl, args }, 30_000);
  proxy = await startFaultProxy(api.kubeconfig);
  direct = createKubeClient({ kubeconfig: api.kubeconfig });
  client = createKubeClient({ kubeconfig: proxy.kubeconfig });
  for (let tries = 0; tries < 100; tries += 1) {
    if ((await api.send("GET", aliases)).status === 200) break;
    await sleep(100);
  }
});
/** Each test has a reflector of its own, which has not yet failed. */
beforeEach(async () => {
  if (binaries.value === undefined) return;
  await reflector?.stop();
  reflector = make(() => changed());
  reflector.start();
  await expectSame();
  for (let tries = 0; tries < 100 && !reflector.synced(); tries += 1) await sleep(20);
  await sleep(100);
});
after(async () => {
  await reflector?.stop();
  client?.close();
  direct?.close();
  await proxy?.stop();
  await api?.stop();
});

test("createReflector follows what is created, updated and deleted", { skip }, async (t) => {
  await expectSame();
  const seen = new Promise<number>((resolve) => {
    changed = () => resolve(performance.now());
  });
  const begun = performance.now();
  const created = await direct.create(aliases, aliasOf("one"));
  t.diagnostic(`event after ${((await seen) - begun).toFixed(1)} ms, the create included`);
  await direct.update(`${aliases}/one`, { ...created, spec: { alias: "one", target: "other" } });
  await direct.create(aliases, aliasOf("two"));
  await expectSame();
  assert.equal(reflector.items().size, 2);
  await direct.delete(`${aliases}/two`);
  await expectSame();
});

const faults: readonly Fault[] = [
  { kind: "reset" },
  { kind: "hang" },
  { kind: "delay", ms: 300 },
  { kind: "status", status: 410 },
  { kind: "status", status: 429, retryAfter: "1" },
  { kind: "status", status: 500 },
  { kind: "half-line" },
];
for (const [index, fault] of faults.entries()) {
  const shown = Object.values(fault).join(" ");
  test(`createReflector makes good what it missed during: ${shown}`, { skip }, async () => {
    const before = proxy.requests.length;
    proxy.set(fault);
    proxy.resetAll();
    await direct.create(aliases, aliasOf(`during-${index}`));
    await sleep(1500);
    const sent = proxy.requests.length - before;
    assert.ok(sent >= 1 && sent <= 6, `${sent} requests`);
    proxy.set({ kind: "none" });
    await expectSame();
  });
}

test("createReflector survives a server that stops and starts again", { skip }, async () => {
  const script = join(import.meta.dirname, "../cluster/component");
  const args = [script, "--state", dirname(api.kubeconfig), "restart", "kube-apiserver"];
  const { code } = await run({ name: "component", command: "bash", args }, 30_000);
  assert.equal(code, 0);
  for (let tries = 0; tries < 150; tries += 1) {
    const made = await direct.create(aliases, aliasOf("after")).catch(() => undefined);
    if (made !== undefined) break;
    await sleep(100);
  }
  await expectSame();
  assert.ok(reflector.items().has("after"));
});

test("apply writes fields and status of its manager alone", { skip }, async () => {
  const base = { apiVersion: "aliasguard.dev/v1alpha1", kind: "ModelAlias" };
  const status = { ...base, metadata: { name: "one" }, status: { resolvesTo: ["other"] } };
  const options = { fieldManager: "test", force: true, subresource: "status" };
  const { status: written, spec } = (await client.apply(`${aliases}/one`, status, options)) as {
    status?: unknown;
    spec?: unknown;
  } & KubeObject;
  assert.deepEqual([written, spec], [status.status, { alias: "one", target: "other" }]);
  const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "m" }, data: { k: "é" } };
  await client.apply(`${maps}/m`, map, { fieldManager: "test" });
  assert.deepEqual(((await client.get(`${maps}/m`)) as { data?: unknown }).data, { k: "é" });
  const other = { ...map, data: { k: "x" } };
  await assert.rejects(client.apply(`${maps}/m`, other, { fieldManager: "other" }), {
    status: 409,
  });
  await assert.rejects(client.get(`${maps}/none`), { name: KubeError.name, status: 404 });
});

test("createLeaderElection elects one of two on a real server, and hands on", {
  skip,
}, async () => {
  const log: string[] = [];
  const candidate = (identity: string) =>
    createLeaderElection({
      client: direct,
      namespace: "default",
      name: "leader",
      identity,
      onElected: () => log.push(`${identity} leads`),
      onLost: () => log.push(`${identity} lost`),
      onProblem: (message) => log.push(message),
      nowMs: () => performance.now(),
      wallMs: Date.now,
      random: Math.random,
      delay,
      leaseSeconds: 3,
      renewSeconds: 2,
      retrySeconds: 0.3,
    });
  const [a, b] = [candidate("a"), candidate("b")];
  const until = async (wanted: readonly string[]): Promise<void> => {
    for (let tries = 0; tries < 200 && log.length < wanted.length; tries++) await sleep(50);
    assert.deepEqual(log, wanted);
  };
  try {
    a.start();
    await until(["a leads"]);
    b.start();
    await sleep(1500);
    assert.deepEqual(log, ["a leads"]);
    await a.stop();
    await until(["a leads", "a lost", "b leads"]);
  } finally {
    await a.stop();
    await b.stop();
  }
});
