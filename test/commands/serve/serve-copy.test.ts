// `aliasguard serve` with a mounted copy of the policy and no API server: a copy that is whole is decided from at once,
// any other is as good as none.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { compilePolicy } from "../../../src/policy/compile/compile.ts";
import { decodeResource } from "../../../src/policy/decode/decode.ts";
import { type DocumentSet, encodeDocument } from "../../../src/policy/document/document.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { ask, askAdmin, chat, goodPolicy, ServeProcess, wordsOf } from "./serve-process.ts";

const folder = createTempFolder("serve-copy");
const processes: ServeProcess[] = [];
after(async () => {
  await Promise.all(processes.map(({ child }) => child.stop()));
  folder.remove();
});

function documentOf(text: string): DocumentSet {
  const resources = parseAllDocuments(text).flatMap((each) => {
    const { resource } = decodeResource(each.toJS());
    return resource === undefined ? [] : [resource];
  });
  const { snapshot, counts } = compilePolicy(resources, { nowMs: 0 });
  const document = encodeDocument(resources, {
    ...{ revision: snapshot.revision, counts, catalogue: "open" },
  });
  assert.ok("index" in document);
  return document;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** With this copy, and an API server that refuses every connection. */
async function serve(copy: string): Promise<{ process: ServeProcess; admin: string }> {
  const port = await freePort();
  const kubeconfig = join(folder.path, "kubeconfig");
  writeFileSync(
    kubeconfig,
    `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:${port}"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
`,
  );
  const admin = `127.0.0.1:${await freePort()}`;
  const args = ["--policy-configmap", "default/policy", "--policy", copy];
  const more = ["--listen", "127.0.0.1:0", "--admin", admin];
  const process = new ServeProcess([...args, ...more], { KUBECONFIG: kubeconfig });
  processes.push(process);
  return { process, admin };
}

function write(name: string, { index, records }: { index: string; records: string }): string {
  const path = createTempFolder(name).path;
  writeFileSync(join(path, "index.json"), index);
  writeFileSync(join(path, "policy.json"), records);
  return path;
}

const good = documentOf(goodPolicy);
const records = good.shards.get(0) ?? "";

test("runServe decides from a mounted copy at once while the API server is away, and says so", async () => {
  const { process } = await serve(write("good", { index: good.index, records }));
  const taken = await process.line("policy copy taken");
  const ready = await process.line("ready");
  assert.equal(taken["revision"], ready["revision"]);
  const [address = ""] = wordsOf(ready["listen"]);
  assert.equal((await ask(address, chat("AgentX-LLM"))).status.code, 0);
  const { status, text } = await askAdmin(ready, "/readyz");
  assert.equal(status, 200);
  const readiness = JSON.parse(text) as {
    ready: boolean;
    sourceHealthy: boolean;
    lastError: string;
  };
  assert.deepEqual([readiness.ready, readiness.sourceHealthy], [true, false]);
  assert.match(readiness.lastError, /mounted copy/);
  const metrics = (await askAdmin(ready, "/metrics")).text;
  assert.match(metrics, /^aliasguard_policy_last_load_successful 0$/m);
});

for (const [what, files, reason] of [
  ["is torn", { index: good.index, records: "[\n]" }, /shard 0 of 1 is not the one in the index/],
  ["is no policy", { index: "{}", records }, /the index/],
] as const) {
  test(`runServe is not ready with a mounted copy that ${what}, and the log says which`, async () => {
    const copy = write("bad", files);
    const { process, admin } = await serve(copy);
    const ignored = await process.line("policy copy ignored");
    assert.equal(ignored["path"], copy);
    assert.match(String(ignored["reason"]), reason);
    assert.equal((await askAdmin({ admin }, "/readyz")).status, 503);
    assert.ok(!process.log().some((line) => line["msg"] === "ready"));
  });
}
