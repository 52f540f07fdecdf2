// Tests of `aliasguard check`: every line it explains with, its exit codes, and what it says of wrong flags. What it
// decides is compared with the server's decisions in test/cases.test.ts.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, beforeEach, describe, it, test } from "node:test";
import { stringify } from "yaml";
import { runCheck } from "../../../src/commands/check/check.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { type FakeKubeApi, sendStatus, startFakeKubeApi } from "../fake-kube-api.ts";
import { recordOutput } from "../output-recorder.ts";

const secret = "ag_check000_0123456789abcdefghijklmnopqrstuv";
const folder = createTempFolder("check");
after(() => folder.remove());

function file(name: string, text: string): string {
  const path = join(folder.path, name);
  writeFileSync(path, text);
  return path;
}

function manifest(kind: string, name: string, spec: object): string {
  return stringify({ apiVersion: "aliasguard.dev/v1alpha1", kind, metadata: { name }, spec });
}

const keyHash = `sha256:${hash("sha256", secret, "hex")}`;
const policy = file(
  "policy.yaml",
  [
    manifest("ModelAlias", "agentx", { alias: "AgentX-LLM", target: "vendor/model" }),
    manifest("ModelAlias", "cycle", { alias: "round", target: "round" }),
    manifest("Team", "research", { grants: { models: ["vendor/*", "other/*"] } }),
    manifest("VirtualKey", "alice", {
      team: "research",
      keyHash,
      grants: { models: ["vendor/*"] },
    }),
  ].join("---\n"),
);
const keyFile = file("key.txt", `${secret}\n`);

async function check(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const output = recordOutput();
  const code = await runCheck(args, { ...output, env }, { nowMs: 0, draw: 0 });
  const { stdout, stderr } = output.printed();
  assert.ok(!`${stdout}${stderr}`.includes(secret), "the secret is never printed");
  const shown = stdout.replace(/[0-9a-f]{16}\n$/, "REVISION\n");
  return { code, stdout: shown, stderr };
}

const alice = ["--policy", policy, "--key-file", keyFile];

test("runCheck explains an allow step by step and exits 0", async () => {
  const { code, stdout } = await check([...alice, "--model", "AgentX-LLM"]);
  assert.equal(code, 0);
  assert.deepEqual(stdout.split("\n"), [
    "request    POST /v1/chat/completions",
    "operation  chat.completions (openai)",
    "key        alice, team research",
    "requested  AgentX-LLM",
    "resolved   AgentX-LLM -> vendor/model",
    "decision   allow",
    "sets       x-model: vendor/model",
    "sets       x-aliasguard-key: alice",
    "sets       x-aliasguard-team: research",
    "sets       x-aliasguard-requested-model: AgentX-LLM",
    'edits      byte 9: "AgentX-LLM" becomes "vendor/model"',
    "revision   REVISION",
    "",
  ]);
});

test("runCheck says of each header that the backend does not get why", async () => {
  const names = ["x-tenant", "accept", "x-goog-request-params", "openai-project", "x-stainless-os"];
  const headers = names.flatMap((name) => ["--header", `${name}: v`]);
  const { stdout } = await check([...alice, "--model", "vendor/model", ...headers]);
  assert.deepEqual(
    stdout.split("\n").filter((line) => line.startsWith("drops")),
    [
      "drops      x-tenant (a header that nobody knows; --forward-headers lets it through)",
      "drops      x-goog-request-params (routing: the model, for gateways and backends)",
      "drops      openai-project (credential: accounts; --keep-credentials lets it through)",
    ],
  );
  const passed = await check([
    ...[...alice, "--method", "GET", "--path", "/v1/files", "--unchecked-routes", "GET /v1/files"],
    ...[...headers, "--forward-headers", "x-tenant"],
  ]);
  const dropped = passed.stdout.split("\n").filter((line) => line.startsWith("drops"));
  assert.equal(dropped.length, 2, passed.stdout);
});

test("runCheck says which reading of a Gemini path is not granted, and names a path that is none", async () => {
  const path = "/v1beta/models/vendor:x:free:generateContent";
  const some = manifest("VirtualKey", "bob", { keyHash, grants: { models: ["*:free"] } });
  const args = ["--policy", file("readings.yaml", some), "--key-file", keyFile];
  const body = ["--body", file("body.json", "{}")];
  const { code, stdout } = await check([...args, "--path", path, ...body]);
  assert.equal(code, 1);
  assert.match(stdout, /^refused +vendor:x:free -> vendor: not allowed by the key's grants$/m);
  const none = await check([...args, "--path", "/v1/nothing?a=1", ...body]);
  assert.match(none.stdout, /This gateway does not serve this path \(path: \/v1\/nothing\)/);
});

test("runCheck repeats no key that stands in the query", async () => {
  const path = `/v1beta/models/AgentX-LLM:generateContent?key=${secret}`;
  for (const more of [[], ["--keep-credentials", "true"]]) {
    const args = ["--policy", policy, "--path", path, "--body", file("body.json", "{}"), ...more];
    const { code, stdout } = await check(args);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^request +POST .*\?key=\(hidden\)$/m);
    assert.match(stdout, /^sets +:path: \/v1beta\/models\/vendor%2Fmodel:generateContent/m);
  }
});

test("runCheck explains a refusal with whose grant it was and what the caller reads, and exits 1", async () => {
  const { code, stdout } = await check([...alice, "--model", "other/model"]);
  assert.equal(code, 1);
  assert.deepEqual(stdout.split("\n").slice(3), [
    "requested  other/model",
    "refused    other/model: not allowed by the key's grants",
    "decision   deny: model_not_granted",
    'answer     403 {"error":{"message":"The virtual key may not use this model.",' +
      '"type":"permission_error","param":null,"code":"model_forbidden"}}',
    "revision   REVISION",
    "",
  ]);
});

test("runCheck says that an alias leads nowhere", async () => {
  const { code, stdout } = await check([...alice, "--model", "round"]);
  assert.equal(code, 1);
  assert.match(stdout, /^refused {4}round -> round: leads nowhere$/m);
  assert.match(stdout, /^decision {3}deny: alias_unusable$/m);
});

test("runCheck explains what the gateway answers itself, and exits 0", async () => {
  const { code, stdout } = await check([...alice, "--method", "GET", "--path", "/v1/models"]);
  assert.equal(code, 0);
  assert.match(stdout, /^operation {2}models\.list \(openai\)$/m);
  assert.match(stdout, /^decision {3}answered by the gateway$/m);
  assert.match(stdout, /^body {7}\{"object":"list","data":\[\{"id":"AgentX-LLM",/m);
});

test("runCheck says no more than it knows of a request without a key or a route", async () => {
  const noKey = await check(["--policy", policy, "--model", "AgentX-LLM"]);
  assert.equal(noKey.code, 1);
  assert.match(noKey.stdout, /^decision {3}deny: key_missing$/m);
  assert.doesNotMatch(noKey.stdout, /^(key|requested|refused) /m);
  const noRoute = await check([...alice, "--path", "/nowhere"]);
  assert.equal(noRoute.code, 1);
  assert.doesNotMatch(noRoute.stdout, /^operation /m);
});

test("runCheck takes the key from the command line, a body from a file, and more headers", async () => {
  const body = file("body.json", '{"messages":[],"model":"AgentX-LLM"}');
  const args = ["--policy", policy, "--body", body, "--path", "/api/chat"];
  const form = "Content-Type: application/x-www-form-urlencoded";
  const { code, stdout } = await check([...args, "--key", secret, "--header", form]);
  assert.equal(code, 0);
  assert.match(stdout, /^operation {2}ollama\.chat \(ollama\)$/m);
  assert.match(stdout, /^edits {6}byte 23: /m);
  const refused = await check([...args, "--key", secret, "--header", "x-http-method: GET"]);
  assert.equal(refused.code, 1);
  assert.match(refused.stdout, /header_not_allowed/);
});

test("runCheck joins copies of a header as Envoy does", async () => {
  const header = ["--header", "X-Api-Key: other-key-000000000000001"];
  const twice = await check([...alice, "--model", "AgentX-LLM", ...header, ...header]);
  assert.match(twice.stdout, /deny: key_ambiguous/);
  const second = ["--header", "authorization: Bearer other-key-000000000000001"];
  const both = await check([...alice, "--model", "AgentX-LLM", ...second]);
  assert.match(both.stdout, /deny: key_ambiguous/);
  const type = ["--header", "content-type: text/plain"];
  const typed = await check([...alice, "--model", "AgentX-LLM", ...type]);
  assert.match(typed.stdout, /deny: media_type_unsupported/);
});

test("runCheck decides with the server's flags and variables", async () => {
  const args = [...alice, "--model", "AgentX-LLM"];
  const flags = await check([...args, "--model-headers", "x-llm", "--body-edits", "header-only"]);
  assert.match(flags.stdout, /^sets {7}x-llm: vendor\/model$/m);
  assert.doesNotMatch(flags.stdout, /^edits /m);
  const variables = await check(args, { ALIASGUARD_PATH_PREFIXES: "/llm" });
  assert.match(variables.stdout, /^decision {3}deny: route_not_allowed$/m);
});

test("runCheck prints the decision as one line of JSON with --json", async () => {
  const { code, stdout } = await check([...alice, "--model", "AgentX-LLM", "--json"]);
  assert.equal(code, 0);
  assert.equal(stdout.split("\n").length, 2);
  const decision: { readonly kind?: unknown; readonly model?: unknown } = JSON.parse(stdout);
  assert.deepEqual([decision.kind, decision.model], ["allow", "vendor/model"]);
});

test("runCheck exits 1 and points at lint when the policy cannot be used", async () => {
  const bad = file("bad.yaml", manifest("Team", "research", { grant: {} }));
  const empty = file("empty.yaml", "");
  for (const path of [bad, empty, join(folder.path, "missing.yaml")]) {
    const { code, stdout, stderr } = await check(["--policy", path, "--model", "m"]);
    assert.deepEqual([code, stdout], [1, ""], path);
    assert.equal(
      stderr,
      `aliasguard check: the policy cannot be used; see: aliasguard lint ${path}\n`,
    );
  }
});

const missing = join(folder.path, "missing.txt");
const misuses: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["no policy", ["--model", "m"], /one of --policy, --server and --kube is required/],
  ["two policies", [...alice, "--kube"], /one of .* is required, and only one/],
  ["a policy and a server", [...alice, "--server", "localhost:1"], /is required, and only one/],
  ["a context without --kube", [...alice, "--context", "c"], /--context wants --kube/],
  ["what can be no namespace", ["--kube", "--namespace", "a/b"], /--namespace must be .*"a\/b"/],
  ["an unknown flag", [...alice, "--modle", "m"], /--modle/],
  ["an argument", [...alice, "stray"], /stray/],
  ["a flag without its value", [...alice, "--model"], /--model/],
  ["two keys", [...alice, "--key", "k"], /--key and --key-file exclude each other/],
  ["two bodies", [...alice, "--model", "m", "--body", policy], /--body and --model exclude/],
  [
    "a key file that is not there",
    ["--policy", policy, "--key-file", missing],
    /--key-file cannot/,
  ],
  ["a body that is not there", [...alice, "--body", missing], /--body cannot be read: .*missing/],
  [
    "two readers of standard input",
    ["--policy", policy, "--key-file", "-", "--body", "-"],
    /--key-file and --body cannot both be standard input/,
  ],
  [
    "a header without a colon",
    [...alice, "--header", "x"],
    /--header must be .*: current value is "x"/,
  ],
  ["a header without a name", [...alice, "--header", ":path: x"], /--header must be/],
  ["a bad setting", [...alice, "--body-edits", "none"], /--body-edits must be .*"none"/],
];

for (const [what, args, message] of misuses) {
  test(`runCheck refuses ${what}, decides nothing and exits 2`, async () => {
    const { code, stdout, stderr } = await check(args);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, message);
    assert.match(stderr, /^Usage: aliasguard check/m);
  });
}

test("runCheck names a bad variable", async () => {
  const { code, stderr } = await check([...alice], { ALIASGUARD_BODY_BYTES_MAX: "lots" });
  assert.equal(code, 2);
  assert.match(stderr, /ALIASGUARD_BODY_BYTES_MAX must be a whole number .*"lots"/);
});

test("runCheck explains itself with --help and exits 0", async () => {
  const { code, stdout } = await check(["--help"]);
  assert.equal(code, 0);
  assert.match(stdout, /^Usage: aliasguard check \(--policy PATH \| --server ADDRESS \| --kube\)/);
});

describe("runCheck with --kube", () => {
  let api: FakeKubeApi;
  beforeEach(async () => {
    await api?.stop();
    api = await startFakeKubeApi();
    api.put("modelaliases", "agentx", { spec: { alias: "AgentX-LLM", target: "vendor/model" } });
    api.put("teams", "research", { spec: { grants: { models: ["vendor/*"] } } });
    api.put("virtualkeys", "alice", {
      spec: { team: "research", secretRef: { name: "alice-key", key: "key" } },
    });
    api.put("secrets", "alice-key", {
      data: { key: Buffer.from(`${secret}\n`).toString("base64") },
    });
  });
  after(() => api.stop());

  const checkCluster = (...args: readonly string[]) =>
    check(["--kube", "--kubeconfig", api.kubeconfig, "--key-file", keyFile, ...args]);

  it("explains an allow by objects and Secrets as it does by files", async () => {
    const { code, stdout, stderr } = await checkCluster("--model", "AgentX-LLM");
    assert.deepEqual([code, stderr], [0, ""]);
    const byFiles = await check([...alice, "--model", "AgentX-LLM"]);
    assert.equal(stdout, byFiles.stdout);
  });

  it("explains a refusal, and exits 1", async () => {
    const { code, stdout } = await checkCluster("--model", "other/model");
    assert.equal(code, 1);
    assert.match(stdout, /^refused {4}other\/model: not allowed by the team's grants$/m);
  });

  it("decides in spite of an object that cannot be read, and without it", async () => {
    api.put("modelaliases", "bad", { spec: { target: "a,b" } });
    api.put("virtualkeys", "mallory", { spec: { keyHash } });
    assert.equal((await checkCluster("--model", "AgentX-LLM")).code, 0);
    assert.match((await checkCluster("--model", "bad")).stdout, /deny: model_not_granted/);
    // A catalogue is closed by word, whatever Models there are.
    api.put("models", "other", { spec: {} });
    const model = ["--model", "vendor/model"];
    assert.equal((await checkCluster(...model)).code, 0);
    assert.equal((await checkCluster(...model, "--catalogue", "closed")).code, 1);
    assert.equal((await checkCluster(...model, "--catalogue", "shut")).code, 2);
  });

  it("takes a missing Secret for no key", async () => {
    api.objects.get("secrets")?.delete("alice-key");
    const { code, stdout, stderr } = await checkCluster("--model", "AgentX-LLM");
    assert.deepEqual([code, stderr], [1, ""]);
    assert.match(stdout, /^decision {3}deny: key_unknown$/m);
  });

  it("says that a Secret may not be read, decides without it and exits 1, whatever it decides", async () => {
    api.put("virtualkeys", "bob", {
      spec: { team: "research", secretRef: { name: "shut", key: "k" } },
    });
    api.intercept = ({ url }, response) =>
      url?.endsWith("/secrets/shut") === true && sendStatus(response, 403, { message: secret });
    const { code, stdout, stderr } = await checkCluster("--model", "AgentX-LLM");
    assert.equal(code, 1);
    assert.match(stdout, /^decision {3}allow$/m);
    assert.match(
      stderr,
      /^aliasguard check: VirtualKey\/bob spec\.secretRef: Secret shut may not be read [^\n]+\n$/,
    );
  });

  it("prints JSON and nothing else with --json", async () => {
    const { code, stdout } = await checkCluster("--model", "AgentX-LLM", "--json");
    assert.equal(code, 0);
    assert.equal((JSON.parse(stdout) as { readonly kind?: unknown }).kind, "allow");
  });

  it("exits 1 with one line when there is nothing, or nothing to be had", async () => {
    const empty = await checkCluster("--model", "m", "--namespace", "other");
    assert.equal(
      empty.stderr,
      "aliasguard check: no resource of a policy found in namespace other\n",
    );
    api.intercept = (_request, response) => sendStatus(response, 404, { message: "no such page" });
    const missing = await checkCluster("--model", "m");
    assert.match(missing.stderr, /^aliasguard check: [^\n]*custom resource definitions[^\n]*\n$/);
    assert.deepEqual([empty.code, empty.stdout, missing.code, missing.stdout], [1, "", 1, ""]);
  });
});
