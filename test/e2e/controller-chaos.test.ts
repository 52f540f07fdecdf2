// Every way in which calls to a real API server can fail, for the controller and an authorizer at once, while checks go
// on: none of them fails or is answered wrongly, nobody floods the server, and both follow again.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { askAdmin, ServeProcess, wordsOf } from "../commands/serve/serve-process.ts";
import { type Child, run } from "../support/child.ts";
import { type Fault, type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { getKubeBinaries, type KubeApi, startKubeApi } from "../support/kube-api.ts";
import { requirement } from "../support/requirements.ts";
import {
  type Asker,
  applyCrds,
  createAsker,
  eventually,
  keyHashOf,
  logged,
  put,
  secretOf,
  startController,
} from "../support/start-controller.ts";

const binaries = await requirement(() => getKubeBinaries());
const secret = secretOf(0);
/** After a watch that lived for 5 s, waits begin from the shortest again. */
const healthyMs = 5500;
/** The longest wait between two tries, with its jitter, and some for a busy machine. */
const recoveryMsMax = 40_000;

describe("a controller and an authorizer whose API server fails", { skip: binaries.skip }, () => {
  let api: KubeApi;
  let proxies: readonly FaultProxy[] = [];
  let controller: Child;
  let server: ServeProcess;
  let asker: Asker;
  const checking = new AbortController();
  let checks: Promise<void> = Promise.resolve();
  const wrong: string[] = [];
  /** What the changing alias led to, each once, in order. */
  const seen: string[] = [];
  let checked = 0;
  let target = 0;

  const state = (): string => dirname(api.kubeconfig);
  const component = async (...args: readonly string[]): Promise<void> => {
    const script = join(import.meta.dirname, "../cluster/component");
    const all = [script, "--state", state(), ...args];
    const { code, stderr } = await run({ name: "component", command: "bash", args: all }, 60_000);
    assert.equal(code, 0, stderr);
  };
  const change = async (): Promise<void> => {
    target += 1;
    await put(api, "modelaliases", "changing", { alias: "Changing", target: `vendor/m${target}` });
  };
  const isUp = (): Promise<true> =>
    eventually("the API server", async () =>
      api.send("GET", "/readyz").then(
        ({ status }) => (status === 200 ? true : undefined),
        () => undefined,
      ),
    );
  /** Changes something while the fault lasts; counts calls, and how long both take to follow once it is over. */
  async function during(fault: Fault, ms: number): Promise<{ calls: number; followMs: number }> {
    await sleep(healthyMs);
    const before = proxies.reduce((sum, { requests }) => sum + requests.length, 0);
    for (const proxy of proxies) {
      proxy.set(fault);
      proxy.resetAll();
    }
    await change();
    await sleep(ms);
    const calls = proxies.reduce((sum, { requests }) => sum + requests.length, 0) - before;
    for (const proxy of proxies) proxy.set({ kind: "none" });
    const startMs = performance.now();
    await asker.until("Changing", secret, `vendor/m${target}`, recoveryMsMax);
    return { calls, followMs: performance.now() - startMs };
  }
  /** Seven watches and lists with waits of 0.1, 0.2, 0.4 .. s, a lease, the policy, and eight statuses at a time. */
  const callsMax = (ms: number): number => 100 + 10 * (ms / 1000);
  const expectNoneWrong = async (): Promise<void> => {
    // A process that died is known to be dead a moment later.
    await sleep(100);
    for (const child of [controller, server.child]) {
      const said = [...child.stdout, ...child.stderr].slice(-30).join("\n");
      assert.equal(child.exit, undefined, said);
    }
    assert.deepEqual(wrong, []);
    const order = seen.map((model) => Number(model.replace("vendor/m", "")));
    assert.deepEqual(
      order,
      [...order].sort((a, b) => a - b),
    );
  };

  before(async () => {
    api = await startKubeApi(binaries.value ?? "");
    await applyCrds(api);
    proxies = [await startFaultProxy(api.kubeconfig), await startFaultProxy(api.kubeconfig)];
    const [ofController, ofServer] = proxies.map(({ kubeconfig }) => kubeconfig);
    await put(api, "teams", "team", { grants: { models: ["vendor/*"] } });
    await put(api, "virtualkeys", "key", { team: "team", keyHash: keyHashOf(secret) });
    await put(api, "modelaliases", "stable", { alias: "Stable", target: "vendor/stable" });
    await change();
    controller = startController(ofController ?? "");
    await logged(controller, "leading");
    server = new ServeProcess(["--policy-configmap", "default/policy", "--listen", "127.0.0.1:0"], {
      KUBECONFIG: ofServer ?? "",
      ALIASGUARD_LOG_ALLOW_SAMPLE: "0",
    });
    const [address = ""] = wordsOf((await server.line("ready"))["listen"]);
    asker = createAsker(address);
    await asker.until("Changing", secret, "vendor/m1");
    checks = (async () => {
      while (!checking.signal.aborted) {
        checked += 1;
        try {
          const stable = await asker.modelOf("Stable", secret);
          if (stable !== "vendor/stable") wrong.push(`Stable: ${stable}`);
          const changing = await asker.modelOf("Changing", secret);
          if (!/^vendor\/m\d+$/.test(changing)) wrong.push(`Changing: ${changing}`);
          if (seen.at(-1) !== changing) seen.push(changing);
        } catch (error) {
          wrong.push(String(error));
        }
        await sleep(10);
      }
    })();
  });
  after(async () => {
    checking.abort();
    await checks;
    asker?.close();
    await server?.child.stop();
    await controller?.stop();
    for (const proxy of proxies) await proxy.stop();
    await api?.stop();
  });

  const faults: readonly Fault[] = [
    { kind: "reset" },
    { kind: "status", status: 410 },
    { kind: "gone-event" },
    { kind: "status", status: 429, retryAfter: "1" },
    { kind: "status", status: 500 },
    { kind: "half-line" },
    { kind: "delay", ms: 500 },
  ];
  for (const fault of faults) {
    const shown = Object.values(fault).join(" ");
    it(`decides on, asks seldom and follows again: ${shown}`, async (t) => {
      const ms = 3000;
      const { calls, followMs } = await during(fault, ms);
      t.diagnostic(`${calls} calls in ${ms / 1000} s, followed after ${followMs.toFixed(0)} ms`);
      assert.ok(calls > 3 && calls <= callsMax(ms), `${calls} calls`);
      await expectNoneWrong();
    });
  }

  it("decides on, asks seldom and follows again: hang for longer than a call or a lease may take", async (t) => {
    const ms = 35_000;
    const { calls, followMs } = await during({ kind: "hang" }, ms);
    t.diagnostic(`${calls} calls in ${ms / 1000} s, followed after ${followMs.toFixed(0)} ms`);
    assert.ok(calls <= callsMax(ms), `${calls} calls`);
    await logged(controller, "no longer leading");
    await expectNoneWrong();
  });

  it("decides on while the API server is stopped for longer than every wait, and follows when it is back", async (t) => {
    const before = proxies.reduce((sum, { requests }) => sum + requests.length, 0);
    await component("stop", "kube-apiserver");
    const ms = 60_000;
    await sleep(ms);
    const calls = proxies.reduce((sum, { requests }) => sum + requests.length, 0) - before;
    await component("start", "kube-apiserver");
    await isUp();
    const startMs = performance.now();
    await change();
    await asker.until("Changing", secret, `vendor/m${target}`, recoveryMsMax);
    const followMs = performance.now() - startMs;
    t.diagnostic(`${calls} calls in ${ms / 1000} s, followed after ${followMs.toFixed(0)} ms`);
    assert.ok(calls <= callsMax(ms), `${calls} calls`);
    await expectNoneWrong();
  });

  it("begins anew where etcd was compacted and the server knows the old versions no more", async (t) => {
    const etcd = readFileSync(join(state(), "run/etcd.sh"), "utf8");
    const [, address = ""] = /--listen-client-urls=(http:\/\/127\.0\.0\.1:\d+)/.exec(etcd) ?? [];
    const post = async (path: string, body: unknown): Promise<Record<string, unknown>> => {
      const answer = await fetch(`${address}${path}`, {
        method: "POST",
        body: JSON.stringify(body),
      });
      assert.equal(answer.status, 200, path);
      return (await answer.json()) as Record<string, unknown>;
    };
    // Not a failure that it could take for a reason to list anew: the watches only hear nothing.
    for (const proxy of proxies) {
      proxy.set({ kind: "hang" });
      proxy.resetAll();
    }
    for (let times = 0; times < 20; times++) await change();
    const { header } = await post("/v3/kv/range", { key: "AA==" });
    const { revision } = header as { revision: string };
    await post("/v3/kv/compaction", { revision, physical: true });
    // Its cache of recent versions goes with it.
    await component("restart", "kube-apiserver");
    await isUp();
    await change();
    const told = (child: Child): number =>
      child.stdout.filter((line) => /resource ?version.*(too old|expired)|too old/i.test(line))
        .length;
    const before = [told(controller), told(server.child)];
    for (const proxy of proxies) {
      proxy.set({ kind: "none" });
      proxy.resetAll();
    }
    const startMs = performance.now();
    await asker.until("Changing", secret, `vendor/m${target}`, recoveryMsMax);
    t.diagnostic(`followed after ${(performance.now() - startMs).toFixed(0)} ms`);
    assert.ok(told(controller) > (before[0] ?? 0));
    assert.ok(told(server.child) > (before[1] ?? 0));
    await expectNoneWrong();
  });

  it("is healthy in the end, and has written what the objects are", async (t) => {
    const ready = await server.line("ready");
    await eventually("health", async () => {
      const { sourceHealthy } = JSON.parse((await askAdmin(ready, "/readyz")).text);
      return sourceHealthy === true ? true : undefined;
    });
    t.diagnostic(`${checked} checks of each of two aliases, ${seen.length} targets`);
    assert.ok(checked > 1000);
    await expectNoneWrong();
  });
});
