// Every resource of the documents' examples on a real API server: the README's are taken by kubectl as they stand, in force
// by their statuses, and enforced as the README says; those of docs/ are taken, and so are the documents' kubectl commands.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { ServeProcess, wordsOf } from "../commands/serve/serve-process.ts";
import { blocksOf, manifestBlocks, readme, readmePolicy } from "../docs/pages.ts";
import { commands, isAboutOurs } from "../docs/shell.ts";
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
const secret = /--key (ag_readme01_[A-Za-z0-9]+)/.exec(readme)?.[1] ?? "";
const target = "openrouter/qwen/qwen3.5-flash-02-23";

describe("the README's resources on a real API server", { skip: binaries.skip }, () => {
  const folder = createTempFolder("readme-cluster");
  let api: KubeApi;
  let controller: Child;
  let server: ServeProcess;

  const kubectl = (...args: readonly string[]) => {
    const all = ["--kubeconfig", api.kubeconfig, "--namespace", "default", ...args];
    return run({ name: "kubectl", command: api.kubectl, args: all }, 60_000);
  };

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
    const file = `${folder.path}/all.yaml`;
    writeFileSync(file, readmePolicy);
    const applied = await kubectl("apply", "-f", file);
    assert.equal(applied.code, 0, applied.stderr);
    const names = [...applied.stdout.matchAll(/^(\w+)\.aliasguard\.dev\/(\S+) created$/gm)];
    assert.equal(names.length, readmePolicy.match(/^kind: /gm)?.length);
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

  it("stand beside those of docs/, which the API server takes too", async () => {
    assert.ok(manifestBlocks.length > 8);
    for (const { place, text } of [...manifestBlocks, ...blocksOf("yaml kubernetes")]) {
      const file = `${folder.path}/block.yaml`;
      writeFileSync(file, text);
      const { code, stderr } = await kubectl("apply", "--dry-run=server", "-f", file);
      assert.equal(code, 0, `${place}: ${stderr}`);
      assert.doesNotMatch(stderr, /unknown field/, place);
    }
  });

  it("are what the documents' kubectl commands can be run on", async () => {
    const ours = commands.filter(({ words }) => isAboutOurs(words));
    assert.ok(ours.length > 8);
    for (const { place, words } of ours) {
      const at = words.indexOf("--namespace");
      const args = words.slice(1).filter((_, index) => at < 0 || ![at - 1, at].includes(index));
      const dry = words[1] === "get" ? [] : ["--dry-run=server"];
      const { code, stderr } = await kubectl(...args, ...dry);
      assert.equal(code, 0, `${place}: ${stderr}`);
    }
  });

  it("come back from the backup that docs/operations.md makes", async () => {
    const all = "modelaliases,teams,virtualkeys,accessgroups,models";
    const file = `${folder.path}/backup.yaml`;
    const backup = await kubectl("get", all, "-o", "yaml");
    writeFileSync(file, backup.stdout);
    assert.equal((await kubectl("delete", all, "--all")).code, 0);
    assert.equal((await kubectl("get", all, "-o", "name")).stdout, "");
    const restored = await kubectl("apply", "-f", file);
    assert.equal(restored.code, 0, restored.stderr);
    const { stdout } = await kubectl("get", all, "-o", "name");
    assert.equal(stdout.trim().split("\n").length, readmePolicy.match(/^kind: /gm)?.length);
  });
});
