// 10,000 objects through a real API server, a controller and an authorizer: time, memory and writes; and a torn set.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { askAdmin, ServeProcess, wordsOf } from "../commands/serve/serve-process.ts";
import type { Child } from "../support/child.ts";
import { getKubeBinaries, type KubeApi, startKubeApi } from "../support/kube-api.ts";
import { requirement } from "../support/requirements.ts";
import {
  type Asker,
  applyCrds,
  conditionsOf,
  configMapsPath,
  createAll,
  createAsker,
  eventually,
  heapEnv,
  keyHashOf,
  logged,
  memoryOf,
  metricOf,
  objectOf,
  type Plural,
  put,
  type Read,
  resourcesPath,
  secretOf,
  startController,
} from "../support/start-controller.ts";

const binaries = await requirement(() => getKubeBinaries());
const each = 5000;
const teams = 20;

function* objects(): Iterable<readonly [Plural, string, unknown]> {
  for (let at = 0; at < teams; at++) {
    yield ["teams", `team-${at}`, { grants: { models: ["vendor/*"] } }];
  }
  for (let at = 0; at < each; at++) {
    const keyHash = keyHashOf(secretOf(at));
    yield ["virtualkeys", `key-${at}`, { team: `team-${at % teams}`, keyHash }];
    yield ["modelaliases", `alias-${at}`, { alias: `Alias-${at}`, target: `vendor/model-${at}` }];
  }
}

type ConfigMap = {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly data?: Readonly<Record<string, string>>;
};

describe("5,000 VirtualKeys and 5,000 ModelAliases on a real API server", {
  skip: binaries.skip,
}, () => {
  let api: KubeApi;
  let controller: Child;
  let server: ServeProcess;
  let asker: Asker;

  const configMaps = async (): Promise<readonly ConfigMap[]> => {
    const path = `${configMapsPath}?labelSelector=aliasguard.dev/policy=policy`;
    return (await api.send("GET", path)).body["items"] as readonly ConfigMap[];
  };
  const versions = async (): Promise<ReadonlyMap<string, string>> =>
    new Map(
      (await configMaps()).map(
        ({ metadata }) => [metadata.name, metadata.resourceVersion] as const,
      ),
    );
  const statusesWritten = (): Promise<number> =>
    metricOf(controller, "aliasguard_controller_statuses_written_total");

  const startServer = (): ServeProcess =>
    new ServeProcess(["--policy-configmap", "default/policy", "--listen", "127.0.0.1:0"], {
      KUBECONFIG: api.kubeconfig,
      ...heapEnv.authorizer,
    });
  const readiness = async (): Promise<{ sourceHealthy: boolean; lastError?: string }> =>
    JSON.parse((await askAdmin(await server.line("ready"), "/readyz")).text);
  const shardText = async (name: string): Promise<string | undefined> =>
    (await configMaps()).find(({ metadata }) => metadata.name === name)?.data?.["policy.json"];
  const aliases = async (): Promise<readonly Read[]> => {
    const path = `${resourcesPath}/modelaliases?limit=${each}&resourceVersion=0`;
    return (await api.send("GET", path)).body["items"] as readonly Read[];
  };
  const setKey = (at: number, more: object): Promise<unknown> => {
    const keyHash = keyHashOf(secretOf(at));
    return put(api, "virtualkeys", `key-${at}`, { team: `team-${at % teams}`, keyHash, ...more });
  };

  before(async () => {
    api = await startKubeApi(binaries.value ?? "");
    await applyCrds(api);
    controller = startController(api.kubeconfig);
    await logged(controller, "leading");
    server = startServer();
    const [address = ""] = wordsOf((await server.line("ready"))["listen"]);
    asker = createAsker(address);
  });
  after(async () => {
    asker?.close();
    await server?.child.stop();
    await controller?.stop();
    await api?.stop();
  });

  it("are in force soon after the last one is created, the policy before the statuses", async (t) => {
    const startMs = performance.now();
    await createAll(api, objects());
    const createdMs = performance.now();
    const last = each - 1;
    await asker.until(`Alias-${last}`, secretOf(last), `vendor/model-${last}`, 60_000);
    const answeredMs = performance.now();
    const early = await statusesWritten();
    const isSound = ({ status }: Read): boolean =>
      status?.conditions?.find(({ type }) => type === "Ready")?.status === "True";
    await eventually(
      "statuses",
      async () => {
        if ((await statusesWritten()) < 2 * each) return undefined;
        return (await aliases()).every(isSound) ? true : undefined;
      },
      120_000,
    );
    const writtenMs = performance.now();
    const maps = await configMaps();
    const bytes = maps.map(({ data = {} }) => Object.values(data).join("").length);
    const time = "controller_runtime_reconcile_time_seconds_";
    const runs = await metricOf(controller, `${time}count{controller="policy"}`);
    const seconds = await metricOf(controller, `${time}sum{controller="policy"}`);
    t.diagnostic(`created in ${((createdMs - startMs) / 1000).toFixed(1)} s`);
    t.diagnostic(`last create to first answer ${(answeredMs - createdMs).toFixed(0)} ms`);
    t.diagnostic(`statuses: ${early} by then, ${await statusesWritten()} in the end`);
    t.diagnostic(`last create to last status ${((writtenMs - createdMs) / 1000).toFixed(1)} s`);
    t.diagnostic(`${maps.length} ConfigMaps of ${bytes.join(", ")} bytes`);
    t.diagnostic(`${runs} runs of ${((seconds / runs) * 1000).toFixed(0)} ms`);
    t.diagnostic(`controller ${JSON.stringify(memoryOf(controller))}`);
    t.diagnostic(`authorizer ${JSON.stringify(memoryOf(server.child))}`);
    assert.ok(maps.length >= 3);
    assert.ok(memoryOf(controller).mostMb < 512);
  });

  it("take one changed key into force by writing its shard and the index alone", async (t) => {
    const times: number[] = [];
    for (let at = 1; at <= 10; at++) {
      const before = await versions();
      const startMs = performance.now();
      await setKey(at, { disabled: true });
      await asker.until(`Alias-${at}`, secretOf(at), "401");
      times.push(performance.now() - startMs);
      const now = await versions();
      const changed = [...now].filter(
        // Written every 10 s, whatever changes.
        ([name, version]) => name !== "policy-confirmed" && before.get(name) !== version,
      );
      assert.equal(changed.length, 2);
      assert.ok(changed.some(([name]) => name === "policy"));
    }
    times.sort((a, b) => a - b);
    const [middle = 0, most = 0] = [times[5], times[9]];
    t.diagnostic(
      `a changed key to answer: middle ${middle.toFixed(0)} ms, most ${most.toFixed(0)} ms`,
    );
    assert.ok(most < 10_000, `${most} ms`);
  });

  it("say how many keys can use an alias, in their own time and not all at once", async (t) => {
    const startMs = performance.now();
    const written = await statusesWritten();
    const someAlias = async (): Promise<true | undefined> =>
      (await aliases()).some(({ status }) => status?.["usableByKeys"] === each - 10)
        ? true
        : undefined;
    await eventually("numbers", someAlias, 60_000);
    const seconds = (performance.now() - startMs) / 1000;
    const rate = ((await statusesWritten()) - written) / seconds;
    t.diagnostic(
      `first number after ${seconds.toFixed(1)} s, ${rate.toFixed(0)} statuses a second`,
    );
    // 50 a second, reported by the hundred.
    assert.ok(rate < 50 + 200 / seconds, `${rate} statuses a second`);
  });

  it("get a shard back that somebody deletes, or replaces by one of an older revision", async (t) => {
    const before = await shardText("policy-2");
    for (const at of Array.from({ length: 20 }, (_, index) => index + 20)) {
      await setKey(at, { disabled: true });
      await asker.until(`Alias-${at}`, secretOf(at), "401");
      if ((await shardText("policy-2")) !== before) break;
    }
    const now = await shardText("policy-2");
    assert.notEqual(now, before);
    const path = `${configMapsPath}/policy-2`;
    for (const [what, damage] of [
      ["deleted", () => api.send("DELETE", path)],
      [
        "an older one",
        () =>
          api.send(
            "PATCH",
            path,
            { data: { "policy.json": before } },
            "application/merge-patch+json",
          ),
      ],
    ] as const) {
      const startMs = performance.now();
      assert.equal((await damage()).status, 200);
      await eventually(what, async () =>
        (await shardText("policy-2")) === now ? true : undefined,
      );
      t.diagnostic(`${what}: repaired after ${(performance.now() - startMs).toFixed(0)} ms`);
      for (let tries = 0; tries < 50; tries++) {
        assert.equal(await asker.modelOf("Alias-20", secretOf(20)), "401");
        assert.equal(await asker.modelOf("Alias-100", secretOf(100)), "vendor/model-100");
      }
    }
    assert.equal((await readiness()).sourceHealthy, true);
  });

  it("are never served from a torn set: who has a policy keeps it and says so, who has none is not ready", async () => {
    await controller.stop();
    await api.send("DELETE", `${configMapsPath}/policy-3`);
    const late = startServer();
    const told = await eventually("health", async () => {
      const { sourceHealthy, lastError } = await readiness();
      return sourceHealthy ? undefined : lastError;
    });
    assert.match(told, /shard 3 of 4 is missing/);
    assert.equal(await asker.modelOf("Alias-100", secretOf(100)), "vendor/model-100");
    await late.line("not ready");
    controller = startController(api.kubeconfig);
    await late.line("ready");
    await late.child.stop();
    await eventually("health", async () => ((await readiness()).sourceHealthy ? true : undefined));
  });

  it("stay in force, each of them, beside one that the schema of an earlier time let in", async () => {
    const crd =
      "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/modelaliases.aliasguard.dev";
    const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    const text = { type: "string" };
    const spec = { ...open, properties: { alias: text, target: text } };
    const value = { openAPIV3Schema: { ...open, properties: { spec } } };
    const patch = [{ op: "replace", path: "/spec/versions/0/schema", value }];
    const loosened = await api.send("PATCH", crd, patch, "application/json-patch+json");
    assert.equal(loosened.status, 200, JSON.stringify(loosened.body));
    const bad = objectOf("modelaliases", "bad", { alias: "Bad", target: "vendor,x" });
    await eventually("a looser schema", async () => {
      const { status } = await api.send("POST", `${resourcesPath}/modelaliases`, bad);
      return status === 201 ? true : undefined;
    });
    const conditions = await conditionsOf(api, "modelaliases", "bad");
    const accepted = conditions.find(({ type }) => type === "Accepted");
    assert.deepEqual([accepted?.status, accepted?.reason], ["False", "Invalid"]);
    assert.match(accepted?.message ?? "", /spec\.target/);
    await put(api, "modelaliases", "good", { alias: "Good", target: "vendor/good" });
    await asker.until("Good", secretOf(100), "vendor/good");
    // Whatever names the bad one is a model like any other.
    assert.equal(await asker.modelOf("Bad", secretOf(100)), "403");
    for (let at = 0; at < each; at++) {
      assert.equal(await asker.modelOf(`Alias-${at}`, secretOf(100)), `vendor/model-${at}`);
    }
  });
});
