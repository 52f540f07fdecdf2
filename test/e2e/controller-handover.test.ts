// Two controllers on a real API server, each behind a proxy that notes what the server took from it: whoever leads is
// killed, stopped and woken, or asked to go while changes come in, and no two of them ever write in turns.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { plurals } from "../../src/commands/controller/watches.ts";
import { createKubeWriters } from "../../src/commands/controller/writers.ts";
import type { PolicyObject } from "../../src/controller/objects.ts";
import { createConfigMapWriter } from "../../src/controller/writing/config-maps.ts";
import { createKubeClient, type KubeClient } from "../../src/kubernetes/client.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import type { Child } from "../support/child.ts";
import { type FaultProxy, startFaultProxy, type Write } from "../support/fault-proxy.ts";
import { getKubeBinaries, type KubeApi, startKubeApi } from "../support/kube-api.ts";
import { requirement } from "../support/requirements.ts";
import {
  applyCrds,
  configMapsPath,
  eventually,
  keyHashOf,
  logged,
  put,
  resourcesPath,
  secretOf,
  startController,
} from "../support/start-controller.ts";

const binaries = await requirement(() => getKubeBinaries());
/** How long a Lease binds the others, and how long its holder goes without renewing before it stops. */
const leaseMs = 15_000;

type Candidate = { readonly name: string; readonly proxy: FaultProxy; readonly child: Child };

const isLease = ({ call }: Write): boolean => call.includes("/leases");

describe("controllers that hand over on a real API server", { skip: binaries.skip }, () => {
  let api: KubeApi;
  let client: KubeClient;
  const candidates: Candidate[] = [];
  const changing = new AbortController();
  let changes: Promise<void> = Promise.resolve();
  let changed = 0;

  async function start(name: string): Promise<Candidate> {
    const proxy = await startFaultProxy(api.kubeconfig);
    const candidate = { name, proxy, child: startController(proxy.kubeconfig) };
    candidates.push(candidate);
    await logged(candidate.child, "ready");
    return candidate;
  }
  const leadings = ({ child }: Candidate): number =>
    child.stdout.filter((line) => line.includes('"msg":"leading"')).length;
  const leads = (candidate: Candidate, times = 1): Promise<true> =>
    eventually(
      `${candidate.name} leads`,
      async () => (leadings(candidate) >= times ? true : undefined),
      leaseMs * 2,
    );
  /** Everything that the server took, but for Leases, by writer in the order in which etcd has it. */
  const turns = (): readonly string[] => {
    const all = candidates.flatMap(({ name, proxy }) =>
      proxy.writes.filter((write) => !isLease(write)).map(({ version }) => ({ name, version })),
    );
    const inOrder = all
      .filter(({ version }) => !Number.isNaN(version))
      .sort((a, b) => a.version - b.version)
      .map(({ name }) => name);
    return inOrder.filter((name, at) => name !== inOrder[at - 1]);
  };
  const change = async (): Promise<void> => {
    changed += 1;
    const name = `alias-${changed % 10}`;
    await put(api, "modelaliases", name, { alias: name, target: `vendor/m${changed}` });
  };
  /** The policy holds the newest change. */
  const settled = (): Promise<true> =>
    eventually("the last change", async () => {
      const { body } = await api.send("GET", `${configMapsPath}/policy`);
      const text = JSON.stringify(body["data"] ?? {});
      return text.includes(`vendor/m${changed}\\"`) ? true : undefined;
    });

  before(async () => {
    api = await startKubeApi(binaries.value ?? "");
    await applyCrds(api);
    client = createKubeClient({ kubeconfig: api.kubeconfig });
    await put(api, "teams", "team", { grants: { models: ["vendor/*"] } });
    await put(api, "virtualkeys", "key", { team: "team", keyHash: keyHashOf(secretOf(0)) });
    changes = (async () => {
      while (!changing.signal.aborted) {
        await change();
        await sleep(20);
      }
    })();
  });
  after(async () => {
    changing.abort();
    await changes;
    for (const { child, proxy } of candidates) {
      child.signal("SIGCONT");
      await child.stop();
      await proxy.stop();
    }
    client?.close();
    await api?.stop();
  });

  it("never write in turns: one killed, one stopped for longer than the lease and woken, one asked to go", async (t) => {
    const first = await start("first");
    await leads(first);
    const second = await start("second");
    await sleep(1000);
    let fromMs = performance.now();
    const tell = (what: string): void => {
      t.diagnostic(
        `${what}: next leads after ${((performance.now() - fromMs) / 1000).toFixed(1)} s`,
      );
    };
    first.child.signal("SIGKILL");
    await leads(second);
    tell("killed");
    const third = await start("third");
    await sleep(1000);
    fromMs = performance.now();
    second.child.signal("SIGSTOP");
    await leads(third);
    tell("stopped");
    await sleep(5000);
    const wokenMs = performance.now();
    second.child.signal("SIGCONT");
    await logged(second.child, "no longer leading");
    await sleep(3000);
    const late = second.proxy.writes.filter(({ atMs }) => atMs >= wokenMs);
    assert.deepEqual(late, []);
    fromMs = performance.now();
    await third.child.stop();
    await leads(second, 2);
    tell("asked to go");
    assert.ok(performance.now() - fromMs < leaseMs / 2);
    changing.abort();
    await changes;
    await settled();
    await sleep(500);
    assert.deepEqual(turns(), ["first", "second", "third", "second"]);
    const counts = candidates.map(
      ({ name, proxy }) => `${name} ${proxy.writes.filter((each) => !isLease(each)).length}`,
    );
    t.diagnostic(`writes: ${counts.join(", ")}; changes: ${changed}`);
  });

  it("are refused by the server itself what they send when another has taken over", async () => {
    const [held] = candidates.filter(({ name }) => name === "second");
    await held?.child.stop();
    const writersOf = (identity: string) =>
      createKubeWriters(client, {
        ...{ namespace: "default", configMap: "fence", plurals, lease: "fence", identity },
        maySend: () => true,
        logger: createLogger("silent"),
      });
    const [old, next] = [writersOf("old"), writersOf("next")];
    const writerOf = ({ configMaps }: typeof old) =>
      createConfigMapWriter({ api: configMaps, namespace: "default", name: "fence" });
    const [oldWriter, nextWriter] = [writerOf(old), writerOf(next)];
    const document = (text: string, shards: number) => ({
      index: text,
      shards: new Map(Array.from({ length: shards }, (_, at) => [at + 1, text] as const)),
    });
    assert.equal(await oldWriter.write(document("a", 2)), 3);
    // It finds everything as it should be, and takes it over all the same.
    assert.equal(await nextWriter.write(document("a", 2)), 0);
    const read = async (name: string): Promise<unknown> =>
      (await api.send("GET", `${configMapsPath}/${name}`)).body["data"];
    await assert.rejects(oldWriter.write(document("late", 2)), { status: 409 });
    await assert.rejects(oldWriter.write(document("late", 2)), /another controller leads/);
    assert.deepEqual(await read("fence-1"), { "policy.json": "a" });
    assert.deepEqual(await read("fence"), { "index.json": "a" });
    await assert.rejects(old.configMaps.remove("fence-2", "1"), { status: 409 });
    assert.equal(await nextWriter.write(document("b", 2)), 3);

    const path = `${resourcesPath}/modelaliases/alias-1`;
    const object = (await api.send("GET", path)).body as unknown as PolicyObject;
    const { resourceVersion } = object.metadata;
    const version = await next.writeStatus(object, { resolvesTo: ["next"] }, resourceVersion);
    assert.notEqual(version, undefined);
    assert.equal(
      await old.writeStatus(object, { resolvesTo: ["late"] }, resourceVersion),
      undefined,
    );
    const { status } = (await api.send("GET", path)).body as unknown as PolicyObject;
    assert.deepEqual(status?.resolvesTo, ["next"]);
    const gone = { ...object, metadata: { ...object.metadata, name: "none" } };
    assert.equal(await next.writeStatus(gone, {}, resourceVersion), undefined);
  });
});
