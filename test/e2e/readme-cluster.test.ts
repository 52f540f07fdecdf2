// Every resource of the README's examples on a real API server: taken by kubectl as it stands, in force by its status,
// and enforced as the README says.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { ServeProcess, wordsOf } from "../commands/serve/serve-process.ts";
import { type Child, run } from "../support/child.ts";
import { getKubeBinaries, type KubeApi, startKubeApi } from "../support/kube-api.ts";
import { requirement } from "../support/requirements.ts";
import {
  applyCrds,
  conditionsOf,
  createAsker,
  kinds,
  logged,
  type Plural,
  startController,
} from "../support/start-controller.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const binaries = await requirement(() => getKubeBinaries());
const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const manifests = [...readme.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = ""]) => text);
const secret = /--key (ag_readme01_[A-Za-z0-9]+)/.exec(readme)?.[1] ?? "";
const target = "openrouter/qwen/qwen3.5-flash-02-23";

describe("the README's resources on a real API server", { skip: binaries.skip }, () => {
  const folder = createTempFolder("readme-cluster");
  let api: KubeApi;
  let controller: Child;
  let server: ServeProcess;

  before(async () => {
    api = await startKubeApi(binaries.value ?? "");
    await applyCrds(api);
    controller = startController(api.kubeconfig);
    await logged(controller, "ready");
  });
  after(async () => {
    await server?.child.stop();
    await controller?.stop();
    await api?.stop();
    folder.remove();
  });

  it("are taken by kubectl apply, and in force by their statuses", async () => {
    assert.ok(manifests.length >= 2);
    const file = `${folder.path}/all.yaml`;
    writeFileSync(file, manifests.join("---\n"));
    const args = ["--kubeconfig", api.kubeconfig, "apply", "--namespace", "default", "-f", file];
    const applied = await run({ name: "kubectl", command: api.kubectl, args }, 60_000);
    assert.equal(applied.code, 0, applied.stderr);
    const names = [...applied.stdout.matchAll(/^(\w+)\.aliasguard\.dev\/(\S+) created$/gm)];
    assert.equal(names.length, manifests.join("").match(/^kind: /gm)?.length);
    const plurals = new Map(
      Object.entries(kinds).map(([plural, kind]) => [kind.toLowerCase(), plural as Plural]),
    );
    for (const [, kind = "", name = ""] of names) {
      const plural = plurals.get(kind);
      assert.ok(plural !== undefined, kind);
      const conditions = await conditionsOf(api, plural, name, (all) =>
        all.some(({ type, status }) => type === "Programmed" && status === "True"),
      );
      assert.deepEqual(
        conditions.filter(({ status }) => status !== "True"),
        [],
        `${kind} ${name}`,
      );
    }
  });

  it("are enforced as the README says", async () => {
    const env = { KUBECONFIG: api.kubeconfig };
    server = new ServeProcess(
      ["--policy-configmap", "default/policy", "--listen", "127.0.0.1:0"],
      env,
    );
    const [address = ""] = wordsOf((await server.line("ready"))["listen"]);
    const asker = createAsker(address);
    try {
      assert.notEqual(secret, "");
      await asker.until("AgentX-LLM", secret, target);
      assert.equal(await asker.modelOf(target, secret), target);
      assert.equal(await asker.modelOf("vendor/other", secret), "403");
      assert.equal(await asker.modelOf("AgentX-LLM", `${secret}x`), "401");
    } finally {
      asker.close();
    }
  });
});
