// One object that is wrong, one Secret that fails, one definition that is gone: whatever it is, keys that are withdrawn
// meanwhile stop working within a second, and what is wrong looks wrong. A real API server, the controller behind a proxy
// that fails calls, and an authorizer.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { after, afterEach, before, describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { askAdmin, ServeProcess, wordsOf } from "../commands/serve/serve-process.ts";
import { type Child, run } from "../support/child.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
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
  keyHashOf,
  logged,
  metricOf,
  type Plural,
  put,
  readObject,
  resourcesPath,
  secretOf,
  startController,
} from "../support/start-controller.ts";

const binaries = await requirement(() => getKubeBinaries());
const crds = join(import.meta.dirname, "../../helm/aliasguard/files/crds");
const hitsBadSecret = (call: string): boolean => call.includes("/secrets/bad");

describe("a controller with something wrong in its namespace", { skip: binaries.skip }, () => {
  let api: KubeApi;
  let proxy: FaultProxy;
  let controller: Child;
  let server: ServeProcess;
  let asker: Asker;
  let made = 0;

  /**
   * Each of so many keys is refused within a second of its end. A busy machine may be late with one of them: it is asked
   * again with others, for what waits for another object's fault is late each time.
   */
  async function disable(count: number, t: TestContext): Promise<void> {
    let most = await slowestOf(count, t);
    for (let tries = 1; tries < 3 && most >= 1000; tries++) most = await slowestOf(count, t);
    assert.ok(most < 1000, `${most} ms`);
  }

  /** Makes keys, waits until they count, disables them one after another; how long one was still good at most, in ms. */
  async function slowestOf(count: number, t: TestContext): Promise<number> {
    const numbers = Array.from({ length: count }, () => ++made);
    const spec = (number: number) => ({ team: "team", keyHash: keyHashOf(secretOf(number)) });
    await createAll(
      api,
      numbers.map((number) => ["virtualkeys", `k${number}`, spec(number)] as const),
    );
    for (const number of numbers) await asker.until("vendor/a", secretOf(number), "vendor/a");
    const times: number[] = [];
    for (const number of numbers) {
      await put(api, "virtualkeys", `k${number}`, { ...spec(number), disabled: true });
      times.push(await asker.until("vendor/a", secretOf(number), "401", 10_000));
    }
    const most = Math.max(...times);
    t.diagnostic(`${count} keys disabled, the slowest refused after ${most.toFixed(0)} ms`);
    return most;
  }
  const makeSecret = async (name: string): Promise<void> => {
    const { status } = await api.send("POST", "/api/v1/namespaces/default/secrets", {
      ...{ apiVersion: "v1", kind: "Secret", metadata: { name, namespace: "default" } },
      stringData: { key: `ag_secretab_${name.padEnd(43, "x")}` },
    });
    assert.equal(status, 201);
  };
  const isReady = async (plural: Plural, name: string, wanted: string, msMax = 20_000) => {
    let last = "";
    const found = await eventually(
      `Ready of ${plural}/${name} to be ${wanted}`,
      async () => {
        const { status, metadata } = await readObject(api, plural, name);
        const ready = status?.conditions?.find(({ type }) => type === "Ready");
        const text = `${ready?.status}/${ready?.reason}`;
        last = `${text}: ${ready?.message} of ${ready?.observedGeneration}/${metadata.generation}`;
        return text === wanted && ready?.observedGeneration === metadata.generation
          ? ready
          : undefined;
      },
      msMax,
    ).catch((error: unknown) => {
      throw new Error(`last: ${last}`, { cause: error });
    });
    return found.message;
  };
  const kubectl = (...args: string[]) =>
    run(
      { name: "kubectl", command: api.kubectl, args: ["--kubeconfig", api.kubeconfig, ...args] },
      60_000,
    );
  const restoreCrds = async (): Promise<void> => {
    const applied = await kubectl("apply", "--server-side", "--force-conflicts", "-f", crds);
    assert.equal(applied.code, 0, applied.stderr);
  };
  const remove = (plural: Plural, name: string) =>
    api.send("DELETE", `${resourcesPath}/${plural}/${name}`);

  before(async () => {
    api = await startKubeApi(binaries.value ?? "");
    await applyCrds(api);
    proxy = await startFaultProxy(api.kubeconfig);
    await put(api, "teams", "team", { grants: { models: ["vendor/*"] } });
    for (const name of ["bad", "good"]) {
      await makeSecret(name);
      const secretRef = { name, key: "key" };
      await put(api, "virtualkeys", `of-${name}`, { team: "team", secretRef });
    }
    controller = startController(proxy.kubeconfig);
    server = new ServeProcess(["--policy-configmap", "default/policy", "--listen", "127.0.0.1:0"], {
      KUBECONFIG: api.kubeconfig,
      ALIASGUARD_LOG_ALLOW_SAMPLE: "0",
    });
    const [address = ""] = wordsOf((await server.line("ready"))["listen"]);
    asker = createAsker(address);
  });
  // A test that failed is no reason for the next one to fail.
  afterEach(() => proxy.set({ kind: "none" }));
  after(async () => {
    asker?.close();
    await server?.child.stop();
    await controller?.stop();
    await proxy?.stop();
    await api?.stop();
  });

  it("says on a fresh start that there is no policy yet, and not as an error", () => {
    assert.deepEqual(
      server.log().filter(({ level }) => Number(level) >= 50),
      [],
    );
  });

  it("turns off the key of a Secret that may not be read, and no other (cluster.md F1)", async (t) => {
    await isReady("virtualkeys", "of-bad", "True/Ready");
    proxy.set({ kind: "status", status: 403 }, hitsBadSecret);
    const message = await isReady("virtualkeys", "of-bad", "False/SecretForbidden", 40_000);
    assert.match(message, /Secret bad \(403\)/);
    await disable(200, t);
    await isReady("virtualkeys", "of-good", "True/Ready");
    assert.ok((await asker.modelOf("vendor/a", `ag_secretab_${"bad".padEnd(43, "x")}`)) === "401");
    assert.equal(
      await asker.modelOf("vendor/a", `ag_secretab_${"good".padEnd(43, "x")}`),
      "vendor/a",
    );
    const { stdout } = await kubectl("get", "vkey", "of-bad", "of-good");
    assert.match(stdout, /of-bad +team +.*False +SecretForbidden +.*may not read Secret bad/);
    assert.match(stdout, /of-good +team +secretab +.*True +Ready +In force\./);
    const events = await api.send("GET", "/api/v1/namespaces/default/events");
    assert.match(JSON.stringify(events.body), /SecretForbidden/);
    const labels = '{kind="VirtualKey",reason="SecretForbidden"}';
    assert.equal(await metricOf(controller, `aliasguard_controller_objects_not_ready${labels}`), 1);
    proxy.set({ kind: "none" });
    await isReady("virtualkeys", "of-bad", "True/Ready", 40_000);
  });

  for (const fault of [{ kind: "status", status: 500 }, { kind: "hang" }] as const) {
    it(`keeps the key of a Secret that fails with ${JSON.stringify(fault)}, and no other waits`, async (t) => {
      proxy.set(fault, hitsBadSecret);
      const secretRef = { name: "bad-and-new", key: "key" };
      await put(api, "virtualkeys", "of-new", { team: "team", secretRef });
      await isReady("virtualkeys", "of-new", "False/SecretUnavailable", 40_000);
      await disable(40, t);
      await isReady("virtualkeys", "of-bad", "True/Ready");
      assert.equal(
        await asker.modelOf("vendor/a", `ag_secretab_${"bad".padEnd(43, "x")}`),
        "vendor/a",
      );
      proxy.set({ kind: "none" });
      proxy.resetAll();
      await remove("virtualkeys", "of-new");
    });
  }

  it("places the largest objects that the definitions take, under ground names too (attacks.md A3)", async (t) => {
    const names = (letter: string): string[] =>
      Array.from({ length: 1024 }, (_, at) => `${letter}${at}`.padEnd(253, "x"));
    const all = { models: names("m"), aliases: names("a"), groups: names("g"), deny: names("d") };
    const path = `${resourcesPath}/teams`;
    const big = { apiVersion: "aliasguard.dev/v1alpha1", kind: "Team", metadata: { name: "big" } };
    const refused = await api.send("POST", path, { ...big, spec: { grants: all } });
    assert.equal(refused.status, 422);
    assert.match(String(refused.body["message"]), /at most 524288 characters together/);
    const { groups: _, aliases: __, ...half } = all;
    await put(api, "teams", "big", { grants: half });
    const ground: string[] = [];
    for (let at = 0; ground.length < 5; at++) {
      const digest = createHash("sha256").update(`AccessGroup g${at}`).digest("hex");
      if (Number.parseInt(digest.slice(0, 8), 16) % 1024 === 7) ground.push(`g${at}`);
    }
    for (const name of ground) await put(api, "accessgroups", name, { models: names("m") });
    await isReady("accessgroups", ground[4] ?? "", "True/Ready");
    await isReady("teams", "big", "True/Ready");
    try {
      await disable(200, t);
    } finally {
      for (const name of ground) await remove("accessgroups", name);
      await remove("teams", "big");
    }
  });

  it("leaves out an object that no ConfigMap can hold, stored before the definitions said so", async (t) => {
    const crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/teams.aliasguard.dev";
    const { body } = await api.send("GET", crd);
    const text = JSON.stringify(body).replaceAll("<= 524288", "<= 5242880");
    assert.ok((await api.send("PUT", crd, JSON.parse(text))).status < 300);
    const list = Array.from({ length: 1024 }, (_, at) => `m${at}`.padEnd(250, "x"));
    const grants = { models: list, deny: list, aliases: list };
    await eventually("the wider definition", async () => {
      const object = {
        ...{ apiVersion: "aliasguard.dev/v1alpha1", kind: "Team", metadata: { name: "huge" } },
        spec: { grants },
      };
      const { status } = await api.send("POST", `${resourcesPath}/teams`, object);
      return status === 201 ? true : undefined;
    });
    assert.match(await isReady("teams", "huge", "False/Invalid"), /at most 524288 are allowed/);
    try {
      await disable(40, t);
    } finally {
      await remove("teams", "huge");
      await restoreCrds();
    }
  });

  it("says of a field that it does not know that it does not, and goes on with the others (cluster.md F4)", async (t) => {
    const crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/teams.aliasguard.dev";
    const { body } = await api.send("GET", crd);
    const text = JSON.stringify(body).replace(
      '"disabled":{',
      '"budget":{"type":"integer"},"disabled":{',
    );
    assert.ok((await api.send("PUT", crd, JSON.parse(text))).status < 300);
    const object = {
      ...{ apiVersion: "aliasguard.dev/v1alpha1", kind: "Team", metadata: { name: "newer" } },
      spec: { grants: { models: ["a"] }, budget: 5 },
    };
    await eventually("the newer definition", async () => {
      const { body: kept } = await api.send("POST", `${resourcesPath}/teams?dryRun=All`, object);
      return JSON.stringify(kept["spec"])?.includes("budget") ? true : undefined;
    });
    // Watches of the older definition, which drops the field, end a moment later.
    await sleep(3000);
    assert.equal((await api.send("POST", `${resourcesPath}/teams`, object)).status, 201);
    const message = await isReady("teams", "newer", "False/UnknownField");
    assert.match(message, /spec\.budget: is not a known field.*older than the definition/);
    try {
      await disable(20, t);
    } finally {
      await remove("teams", "newer");
      await restoreCrds();
    }
  });

  it("goes on when a status or an event is refused for one object, and tries that again", async (t) => {
    const isHit = (call: string): boolean =>
      call.includes("/teams/unlucky/status") ||
      call.includes("POST /api/v1/namespaces/default/events");
    for (const status of [422, 403, 409, 500]) {
      proxy.set({ kind: "status", status }, isHit);
      await put(api, "teams", "unlucky", { grants: { groups: [`gone-${status}`] } });
      await put(api, "teams", "lucky", { grants: { models: [`m${status}`] } });
      await isReady("teams", "lucky", "True/Ready");
      await disable(10, t);
    }
    proxy.set({ kind: "none" });
    await isReady("teams", "unlucky", "False/GroupNotFound", 60_000);
    await remove("teams", "unlucky");
  });

  it("tells how old the confirmed policy is while it cannot be written, stays ready, and says when it is again", async () => {
    const confirmed = await eventually("a confirmation", async () => {
      const { body, status } = await api.send("GET", `${configMapsPath}/policy-confirmed`);
      return status === 200 ? (body as { data?: Record<string, string> }).data : undefined;
    });
    const { revision } = JSON.parse(confirmed?.["confirmed.json"] ?? "{}");
    const readyz = async (): Promise<Readonly<Record<string, unknown>>> => {
      const { admin } = await server.line("ready");
      return JSON.parse((await askAdmin({ admin }, "/readyz")).text);
    };
    assert.match(revision, /^[0-9a-f]{16}$/);
    await eventually("a confirmed policy", async () =>
      Number((await readyz())["policyConfirmedAgeSeconds"]) < 30 ? true : undefined,
    );
    proxy.set({ kind: "status", status: 500 }, (call) => /PATCH .*configmaps\/policy/.test(call));
    await put(api, "teams", "changed", { grants: { models: ["x"] } });
    const line = await logged(controller, "policy not confirmed", 60_000);
    assert.match(String(line["reason"]), /fault 500/);
    assert.ok(Number(line["seconds"]) >= 30);
    const during = await readyz();
    assert.equal(during["ready"], true);
    // The authorizer heard of the last confirmation a moment after it was written.
    assert.ok(Number(during["policyConfirmedAgeSeconds"]) >= 29);
    const { admin } = await logged(controller, "ready");
    const own = JSON.parse((await askAdmin({ admin }, "/readyz")).text);
    assert.equal(own["ready"], true);
    assert.match(own["lastError"], /fault 500/);
    const told = await eventually("the event", async () => {
      const { body } = await api.send("GET", "/api/v1/namespaces/default/events");
      return JSON.stringify(body).includes("PolicyNotConfirmed") ? true : undefined;
    });
    assert.ok(told);
    proxy.set({ kind: "none" });
    await logged(controller, "policy confirmed again", 60_000);
    await eventually("a fresh policy", async () =>
      Number((await readyz())["policyConfirmedAgeSeconds"]) < 20 ? true : undefined,
    );
  });

  it("names a definition that is deleted, goes on with the other kinds, at a start too, and takes it when it is back", async (t) => {
    assert.equal((await kubectl("delete", "crd", "accessgroups.aliasguard.dev")).code, 0);
    const labels = '{definition="accessgroups.aliasguard.dev"}';
    const missing = (): Promise<number> =>
      metricOf(controller, `aliasguard_controller_definitions_missing${labels}`);
    // It may be on its way for five seconds, in which nothing else is let go.
    await eventually("the loss", async () => ((await missing()) === 1 ? true : undefined), 30_000);
    await disable(20, t);
    await controller.stop();
    controller = startController(proxy.kubeconfig);
    await logged(controller, "leading", 60_000);
    const { admin } = await logged(controller, "ready");
    await eventually("the missing definition", async () => {
      const { text, status } = await askAdmin({ admin }, "/readyz");
      const { ready, lastError } = JSON.parse(text);
      const isTold = lastError === "the definition accessgroups.aliasguard.dev is not installed";
      return status === 200 && ready === true && isTold ? true : undefined;
    });
    assert.equal(await missing(), 1);
    await disable(20, t);
    const line = controller.stdout.find((each) => each.includes("is not installed"));
    assert.match(line ?? "", /the definition accessgroups\.aliasguard\.dev is not installed/);
    const applied = await kubectl("apply", "--server-side", "-f", join(crds, "accessgroups.yaml"));
    assert.equal(applied.code, 0, applied.stderr);
    await eventually("the group", async () => {
      const object = {
        ...{
          apiVersion: "aliasguard.dev/v1alpha1",
          kind: "AccessGroup",
          metadata: { name: "back" },
        },
        spec: { models: ["vendor/b"] },
      };
      const { status } = await api.send("POST", `${resourcesPath}/accessgroups`, object);
      return status === 201 || status === 409 ? true : undefined;
    });
    await isReady("accessgroups", "back", "True/Ready", 40_000);
    const found = await conditionsOf(api, "accessgroups", "back");
    assert.ok(found.length >= 4);
  });
});
