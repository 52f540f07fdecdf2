// Tests of `aliasguard serve` as a process: its start, its log, edits of its policy, and its end.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runServe } from "../../../src/commands/serve/serve.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { recordOutput } from "../output-recorder.ts";
import {
  ask,
  askAdmin,
  chat,
  goodPolicy,
  type LogLine,
  ServeProcess,
  savePolicy,
  secret,
  wordsOf,
} from "./serve-process.ts";

const folder = createTempFolder("serve");
const policy = join(folder.path, "policy.yaml");
const socket = join(folder.path, "serve.sock");
const started: ServeProcess[] = [];

function serve(args: readonly string[], env: Readonly<Record<string, string>> = {}): ServeProcess {
  const process = new ServeProcess(args, env);
  started.push(process);
  return process;
}

const manyKeys = `apiVersion: aliasguard.dev/v1alpha1
kind: VirtualKey
metadata: { name: "key-#" }
spec: { secretRef: { name: s, key: k }, grants: { models: ["vendor/*"] } }
`;

let shared: ServeProcess;
let ready: LogLine;

before(async () => {
  savePolicy(policy, goodPolicy);
  const addresses = ["--listen", "127.0.0.1:0", "--listen", `unix:${socket}`];
  shared = serve(["--policy", policy, ...addresses], { ALIASGUARD_LISTN: "x" });
  ready = await shared.line("ready");
});
after(async () => {
  await Promise.all(started.map(({ child }) => child.stop("SIGKILL")));
  folder.remove();
});

test("runServe says where it listens and which policy is in force once it is ready", async () => {
  const [tcp, unix] = wordsOf(ready["listen"]);
  assert.match(tcp ?? "", /^127\.0\.0\.1:[1-9]\d*$/);
  assert.equal(unix, `unix:${socket}`);
  assert.match(String(ready["revision"]), /^[0-9a-f]{16}$/);
  const readiness = await askAdmin(ready, "/readyz");
  assert.equal(readiness.status, 200);
  assert.match(readiness.text, /"ready":true.*"sourceHealthy":true/);
});

test("runServe names a variable that is not its own, and goes on", async () => {
  const line = await shared.line("unknown variable");
  assert.equal(line["variable"], "ALIASGUARD_LISTN");
});

test("runServe answers on TCP and on the Unix socket, with a log line that joins by both ids", async () => {
  for (const [index, address] of wordsOf(ready["listen"]).entries()) {
    const traceId = `${index}`.repeat(32);
    const headers = {
      "x-request-id": `request-${index}`,
      traceparent: `00-${traceId}-0123456789abcdef-01`,
    };
    const response = await ask(address, chat("AgentX-LLM", headers));
    assert.equal(response.status.code, 0);
    const line = await shared.line("decision", (each) => each["requestId"] === `request-${index}`);
    assert.deepEqual([line["traceId"], line["model"]], [traceId, "vendor/model"]);
  }
});

test("runServe never writes the secret, a body or a header", async () => {
  const [address = ""] = wordsOf(ready["listen"]);
  const mark = "a-private-mark";
  const hostile = [
    chat("__proto__"),
    chat("x".repeat(10_000)),
    chat("AgentX-LLM", { authorization: `Bearer ${secret}${mark}` }),
    chat("AgentX-LLM", { authorization: mark, cookie: mark, "x-api-key": `${secret}, ${mark}` }),
    { ...chat("AgentX-LLM"), raw_body: Buffer.from(`{"model": ${mark}`), size: 0 },
    { ...chat("AgentX-LLM"), path: `/v1/${mark}?${secret}` },
    { ...chat("AgentX-LLM"), method: mark },
  ];
  for (const http of hostile) assert.notEqual((await ask(address, http)).status.code, 0);
  await ask(address, chat("AgentX-LLM", { "x-request-id": "the-last" }));
  await shared.line("decision", (line) => line["requestId"] === "the-last");
  const metrics = await askAdmin(ready, "/metrics");
  const everything = `${shared.output()}${metrics.text}`;
  assert.match(everything, /"reason":"key_unknown"/);
  for (const text of [secret, secret.slice(3, 20), mark, "the body is private", "xxxxxxxx"]) {
    assert.ok(!everything.includes(text), text);
  }
});

test("runServe keeps the last good policy when an edit is bad, and says so until it is fixed", async () => {
  savePolicy(policy, goodPolicy.replace("vendor/*", '"a,b/*"'));
  const rejected = await shared.line("policy rejected");
  assert.match(String(rejected["reason"]), /policy\.yaml:\d+:\d+: VirtualKey alice: /);
  assert.equal(rejected["keptRevision"], ready["revision"]);
  const problem = await shared.line("policy problem");
  assert.match(String(problem["where"]), /policy\.yaml:\d+:\d+$/);
  const readiness = await askAdmin(ready, "/readyz");
  assert.equal(readiness.status, 200);
  assert.match(readiness.text, /"ready":true.*"sourceHealthy":false,"lastError":"/);
  const bad = await askAdmin(ready, "/metrics");
  assert.match(bad.text, /^aliasguard_policy_last_load_successful 0$/m);
  assert.match(bad.text, /^aliasguard_policy_loads_total\{result="rejected"\} 1$/m);
  const [address = ""] = wordsOf(ready["listen"]);
  assert.equal((await ask(address, chat("AgentX-LLM"))).status.code, 0);
});

test("runServe says when a bad edit is taken back", async () => {
  savePolicy(policy, goodPolicy);
  const recovered = await shared.line("policy recovered");
  assert.equal(recovered["revision"], ready["revision"]);
  const { text } = await askAdmin(ready, "/metrics");
  assert.match(text, /^aliasguard_policy_last_load_successful 1$/m);
  assert.match(text, /^aliasguard_policy_loads_total\{result="recovered"\} 1$/m);
});

test("runServe takes the next good edit", async () => {
  savePolicy(policy, goodPolicy.replace("vendor/*", "other/*"));
  const isNew = (line: LogLine): boolean => line["revision"] !== ready["revision"];
  await shared.line("policy loaded", isNew);
  const [address = ""] = wordsOf(ready["listen"]);
  assert.equal((await ask(address, chat("AgentX-LLM"))).status.code, 7);
  const good = await askAdmin(ready, "/metrics");
  assert.match(good.text, /^aliasguard_policy_last_load_successful 1$/m);
});

test("runServe refuses to start on an address in use, says which, and exits 1", async () => {
  const [address = ""] = wordsOf(ready["listen"]);
  const second = serve(["--policy", policy, "--listen", address]);
  const { code } = await second.child.exited;
  assert.equal(code, 1);
  assert.ok(second.output().includes(`cannot listen on ${address}`));
  const third = serve(["--policy", policy, "--listen=127.0.0.1:0", `--admin=${ready["admin"]}`]);
  assert.equal((await third.child.exited).code, 1);
  assert.ok(third.output().includes(`cannot listen on ${String(ready["admin"])}`));
});

test("runServe says why it cannot start also where the log is silent", async () => {
  const output = recordOutput();
  const never = new AbortController().signal;
  const args = ["--policy", policy, "--log-level=silent", "--listen=127.0.0.1:0"];
  const code = await runServe(
    [...args, `--admin=${String(ready["admin"])}`],
    { ...output, env: {} },
    never,
  );
  assert.equal(code, 1);
  const { stderr } = output.printed();
  assert.ok(stderr.startsWith(`aliasguard serve: cannot listen on ${String(ready["admin"])}`));
});

test("runServe ends with code 0 on SIGTERM, with its last lines written and its socket gone", async () => {
  shared.child.signal("SIGTERM");
  const { code } = await shared.child.exited;
  assert.equal(code, 0);
  const last = shared.log().slice(-2);
  assert.deepEqual(
    last.map((line) => line["msg"]),
    ["stopping", "stopped"],
  );
  assert.deepEqual(shared.child.stderr, []);
  assert.equal(existsSync(socket), false);
});

test("runServe without a usable policy stays up, refuses, and becomes ready when it is fixed", async () => {
  const broken = join(folder.path, "broken.yaml");
  savePolicy(broken, "kind: [");
  const process = serve(["--policy", broken, "--listen=127.0.0.1:0"]);
  await process.line("policy rejected");
  const listening = await process.line("not ready");
  const before = await askAdmin(listening, "/readyz");
  assert.equal(before.status, 503);
  assert.match(before.text, /"ready":false/);
  assert.equal((await askAdmin(listening, "/healthz")).status, 200);
  const [address = ""] = wordsOf(listening["listen"]);
  assert.equal((await ask(address, chat("AgentX-LLM"))).status.code, 14);
  assert.ok(!process.log().some((line) => line["msg"] === "ready"));
  savePolicy(broken, goodPolicy);
  await process.line("ready");
  assert.equal((await askAdmin(listening, "/readyz")).status, 200);
  assert.equal((await ask(address, chat("AgentX-LLM"))).status.code, 0);
});

test("runServe still answers while it drains, is not ready, and ends at once on a second signal", async () => {
  const again = join(folder.path, "again.yaml");
  savePolicy(again, goodPolicy);
  const process = serve(["--policy", again, "--listen=127.0.0.1:0", "--drain-delay-ms=600000"]);
  const line = await process.line("ready");
  process.child.signal("SIGTERM");
  await process.line("stopping");
  assert.equal((await askAdmin(line, "/readyz")).status, 503);
  const [address = ""] = wordsOf(line["listen"]);
  assert.equal((await ask(address, chat("AgentX-LLM"))).status.code, 0);
  process.child.signal("SIGTERM");
  assert.equal((await process.child.exited).code, 1);
});

test("runServe ends at once on SIGTERM while it still loads its first policy", async () => {
  const large = join(folder.path, "large.yaml");
  const keys = Array.from({ length: 20_000 }, (_, number) => manyKeys.replaceAll("#", `${number}`));
  savePolicy(large, keys.join("---\n"));
  const path = join(folder.path, "large.sock");
  const process = serve(["--policy", large, "--listen", `unix:${path}`]);
  await process.child.until(() => (existsSync(path) ? true : undefined), 20_000);
  process.child.signal("SIGTERM");
  assert.equal((await process.child.exited).code, 0);
  assert.deepEqual(
    process.log().map((line) => line["msg"]),
    ["stopping", "stopped"],
  );
});

test("runServe that is asked to stop while it starts ends with code 0 and without a drain", async () => {
  const stop = new AbortController();
  const output = recordOutput();
  const args = ["--policy", join(folder.path, "none.yaml"), "--listen=127.0.0.1:0"];
  const more = ["--admin=127.0.0.1:0", "--log-level=silent", "--drain-delay-ms=3600000"];
  const running = runServe([...args, ...more], { ...output, env: {} }, stop.signal);
  stop.abort();
  assert.equal(await running, 0);
  assert.deepEqual(output.printed(), { stdout: "", stderr: "" });
});

test("runServe names every wrong setting and exits 2 without binding anything", async () => {
  const output = recordOutput();
  const never = new AbortController().signal;
  const env = { ALIASGUARD_LOG_LEVEL: "loud" };
  const code = await runServe(["--admin=x"], { ...output, env }, never);
  assert.equal(code, 2);
  assert.deepEqual(output.printed().stderr.trimEnd().split("\n"), [
    "aliasguard serve: --policy or --policy-configmap is required: where the policy is",
    'aliasguard serve: --admin must be host:port: current value is "x"',
    "aliasguard serve: ALIASGUARD_LOG_LEVEL must be one of debug, info, warn, error, silent: " +
      'current value is "loud"',
  ]);
});
