// `aliasguard check --server`: a running authorizer, asked as Envoy asks it, over TCP and over a Unix socket.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runCheck } from "../../../src/commands/check/check.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { recordOutput } from "../output-recorder.ts";
import { goodPolicy, ServeProcess, savePolicy, secret, wordsOf } from "../serve/serve-process.ts";

const folder = createTempFolder("check-server");
const policy = join(folder.path, "policy.yaml");
let server: ServeProcess;
let addresses: readonly string[] = [];

before(async () => {
  savePolicy(policy, goodPolicy);
  const listen = ["--listen", "127.0.0.1:0", "--listen", `unix:${join(folder.path, "s")}`];
  server = new ServeProcess(["--policy", policy, ...listen]);
  addresses = wordsOf((await server.line("ready"))["listen"]);
});
after(async () => {
  await server.child.stop();
  folder.remove();
});

async function check(...args: readonly string[]) {
  const output = recordOutput();
  const code = await runCheck(args, { ...output, env: {} });
  return { code, ...output.printed() };
}

test("runCheck asks a server over every address it listens on, and exits as it answers", async () => {
  assert.equal(addresses.length, 2);
  for (const address of addresses) {
    const asked = ["--server", address, "--key", secret];
    const allowed = await check(...asked, "--model", "AgentX-LLM");
    assert.equal(allowed.code, 0, allowed.stderr);
    assert.match(allowed.stdout, /^decision {3}allow$/m);
    assert.match(allowed.stdout, /^model {6}vendor\/model$/m);
    assert.match(allowed.stdout, /^sets {7}x-model: vendor\/model$/m);
    const refused = await check(...asked, "--model", "other");
    assert.equal(refused.code, 1);
    assert.match(refused.stdout, /^reason {5}model_not_granted$/m);
    assert.match(refused.stdout, /^answer {5}403 /m);
    assert.ok(!`${allowed.stdout}${refused.stdout}`.includes(secret));
  }
});

test("runCheck takes an answer of the server's own for a yes", async () => {
  const [address = ""] = addresses;
  const listed = await check(
    "--server",
    address,
    "--key",
    secret,
    "--method",
    "GET",
    "--path",
    "/v1/models",
  );
  assert.equal(listed.code, 0);
  assert.match(listed.stdout, /^answer {5}200 .*AgentX-LLM/m);
});

test("runCheck names the server that does not answer and exits 1", async () => {
  const { code, stderr, stdout } = await check("--server", "127.0.0.1:9", "--model", "m");
  assert.equal(code, 1);
  assert.match(stderr, /127\.0\.0\.1:9/);
  assert.equal(stdout, "");
});

test("runCheck wants either a policy or a server", async () => {
  assert.equal((await check("--model", "m")).code, 2);
  const both = await check("--model", "m", "--policy", policy, "--server", "127.0.0.1:9");
  assert.equal(both.code, 2);
  assert.match(both.stderr, /one of --policy, --server and --kube is required, and only one/);
});

test("check says which of the --tls- flags lacks another, or cannot be read", async () => {
  const server = ["--model", "m", "--server", "127.0.0.1:9"];
  const file = import.meta.filename;
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["--model", "m", "--policy", file, "--tls-ca", file], /--tls- flags go with --server/],
    [[...server, "--tls-name", "a.example"], /need --tls-ca/],
    [[...server, "--tls-cert", file, "--tls-key", file], /need --tls-ca/],
    [[...server, "--tls-ca", file, "--tls-cert", file], /need each other/],
    [[...server, "--tls-ca", file, "--tls-key", file], /need each other/],
    [[...server, "--tls-ca", "/nowhere/ca"], /--tls-ca cannot be read: \/nowhere\/ca/],
    [
      [...server, "--tls-ca", file, "--tls-cert", "/nowhere/c", "--tls-key", file],
      /--tls-cert cannot be read/,
    ],
    [
      [...server, "--tls-ca", file, "--tls-cert", file, "--tls-key", "/nowhere/k"],
      /--tls-key cannot be read/,
    ],
  ];
  for (const [args, wanted] of cases) {
    const { code, stderr } = await check(...args);
    assert.equal(code, 2, args.join(" "));
    assert.match(stderr, wanted);
  }
  // With files that hold no certificate it is no usage, but a call that fails.
  const broken = await check(...server, "--tls-ca", file, "--tls-cert", file, "--tls-key", file);
  assert.deepEqual([broken.code, broken.stdout], [1, ""]);
});
