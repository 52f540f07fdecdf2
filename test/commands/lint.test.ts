// Tests of `aliasguard lint`: every problem with its place, and the exit status.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, it, test } from "node:test";
import { runLint } from "../../src/commands/lint.ts";
import { problemsPerFileMax } from "../../src/sources/files/problem-list.ts";
import { kubeconfigText, saveText } from "../kubernetes/loopback-server.ts";
import { run } from "../support/child.ts";
import { type FakeKubeApi, sendStatus, startFakeKubeApi } from "./fake-kube-api.ts";
import { recordOutput } from "./output-recorder.ts";

const policies = join(import.meta.dirname, "..", "policies");

async function lint(...args: readonly string[]) {
  const io = recordOutput();
  const status = await runLint(args, io, 0);
  return { status, ...io.printed() };
}

test("runLint exits 0 on a good policy", async () => {
  const { status, stdout, stderr } = await lint(join(policies, "whole.good.yaml"));
  assert.equal(status, 0);
  assert.equal(stdout, "4 resources in 1 files: 0 invalid, 0 disabled, 0 advice\n");
  assert.equal(stderr, "");
});

test("runLint takes --policy as the other commands do, alone, repeated and beside a PATH", async () => {
  const [good, bad] = [join(policies, "whole.good.yaml"), join(policies, "mistakes.bad.yaml")];
  assert.deepEqual(await lint("--policy", good), await lint(good));
  const both = await lint(good, bad);
  assert.equal(both.status, 1);
  assert.deepEqual(await lint("--policy", good, "--policy", bad), both);
  assert.deepEqual(await lint(bad, `--policy=${good}`), both);
  const kube = await lint("--kube", "--policy", good);
  assert.equal(kube.status, 2);
  assert.match(kube.stderr, /wants either --kube or PATHs/);
  assert.equal((await lint("--policy")).status, 2);
});

test("runLint prints every mistake of a bad policy with file, line and column, and exits 1", async () => {
  const { status, stdout } = await lint(join(policies, "mistakes.bad.yaml"));
  const golden = await readFile(join(policies, "mistakes.bad.issues.json"), "utf8");
  const expected: unknown = JSON.parse(golden);
  assert.equal(status, 1);
  assert.deepEqual(stdout.replaceAll(`${policies}/`, "").trimEnd().split("\n"), expected);
});

test("runLint names the first problems of a file, and counts all", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "aliasguard-lint-"));
  t.after(() => rm(directory, { recursive: true }));
  const document =
    "apiVersion: aliasguard.dev/v1alpha1\nkind: Team\nmetadata: { name: X }\nspec: {}\n";
  await writeFile(join(directory, "p.yaml"), Array(500).fill(document).join("---\n"));
  const { status, stdout } = await lint(directory);
  assert.equal(status, 1);
  const lines = stdout.trimEnd().split("\n");
  assert.equal(lines.length, problemsPerFileMax + 2);
  assert.match(lines[0] ?? "", /p\.yaml:1:1: invalid: 300 more problems in this file$/);
  assert.equal(lines.at(-1), "0 resources in 1 files: 500 invalid, 0 disabled, 0 advice");
});

test("runLint refuses a file that is not UTF-8, with the place of the first wrong byte", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "aliasguard-lint-"));
  t.after(() => rm(directory, { recursive: true }));
  await writeFile(join(directory, "p.yaml"), Buffer.from("# \xe9\n# ab\xff\n", "latin1"));
  await writeFile(join(directory, "q.yaml"), "# \u00e9\u{1f600}\n");
  const { status, stdout } = await lint(directory);
  assert.equal(status, 1);
  assert.match(stdout, /p\.yaml:1:3: invalid: cannot be read: it is not UTF-8 here\n/);
  assert.doesNotMatch(stdout, /q\.yaml/);
});

test("runLint exits 1 when there is no file, and when there is nothing in it", async (t) => {
  const missing = await lint(join(policies, "no-such-file.yaml"));
  assert.equal(missing.status, 1);
  assert.match(
    missing.stdout,
    /no-such-file\.yaml:1:1: invalid: cannot be read: there is no such file or directory\n/,
  );
  const directory = await mkdtemp(join(tmpdir(), "aliasguard-lint-"));
  t.after(() => rm(directory, { recursive: true }));
  const empty = await lint(directory);
  assert.equal(empty.status, 1);
  assert.match(empty.stderr, /no resource of a policy found/);
});

test("runLint exits 2 without a path and with an unknown flag, and 0 for --help", async () => {
  const none = await lint();
  assert.equal(none.status, 2);
  assert.match(none.stderr, /wants at least one PATH/);
  for (const [args, message] of [
    [["--kube", "x"], /either --kube or PATHs, found both/],
    [["--namespace", "x", "y"], /--namespace wants --kube/],
    [["--context", "x", "y"], /--context wants --kube/],
    [["--kube", "--namespace", "../x"], /--namespace must be a namespace name/],
    [["--kube", "--namespace", ""], /--namespace must be a namespace name/],
    [["--kube", "--namespace"], /--namespace/],
  ] as const) {
    const wrong = await lint(...args);
    assert.deepEqual([wrong.status, wrong.stdout], [2, ""]);
    assert.match(wrong.stderr, message);
  }
  const unknown = await lint("--fix", "x");
  assert.equal(unknown.status, 2);
  assert.match(unknown.stderr, /--fix/);
  const help = await lint("--help");
  assert.equal(help.status, 0);
  assert.match(help.stdout, /^Usage: aliasguard lint/);
});

const key = "ag_lint0000_0123456789abcdefghijklmnopqrstuv";
const base64 = Buffer.from(key).toString("base64");

describe("runLint with --kube", () => {
  let api: FakeKubeApi;
  beforeEach(async () => {
    await api?.stop();
    api = await startFakeKubeApi();
  });
  after(() => api.stop());

  const lintCluster = (...args: readonly string[]) =>
    lint("--kube", "--kubeconfig", api.kubeconfig, ...args);

  it("exits 0 on a good policy, Secrets and all, in the context's namespace", async () => {
    api.put("teams", "research", { spec: { grants: { models: ["a"] } } });
    api.put("secrets", "keys", { data: { alice: base64 } });
    const secretRef = { name: "keys", key: "alice" };
    api.put("virtualkeys", "alice", { spec: { team: "research", secretRef } });
    const { status, stdout, stderr } = await lintCluster();
    assert.equal(stdout, "2 resources in namespace prod: 0 invalid, 0 disabled, 0 advice\n");
    assert.deepEqual([status, stderr], [0, ""]);
  });

  it("names the object and the path of each problem; an invalid object spoils itself alone", async () => {
    api.put("models", "good", { spec: { name: "vendor/a" } });
    api.put("models", "bad", { spec: { name: "a,b" } });
    api.put("modelaliases", "round", { spec: { target: "round" } });
    api.put("virtualkeys", "bob", {
      spec: { grants: { models: ["x", "y?"] }, keyHash: `sha256:${"a".repeat(64)}` },
    });
    api.put("virtualkeys", "carol", { spec: { team: "none", secretRef: { name: "s", key: "k" } } });
    api.put("virtualkeys", "dave", { spec: { team: "none", keyHash: key } });
    const { status, stdout } = await lintCluster();
    assert.equal(status, 1);
    assert.deepEqual(
      stdout.split("\n").map((line) => line.split(": ").slice(0, 2).join(": ")),
      [
        "Model/bad spec.name: invalid",
        "ModelAlias/round spec: disabled",
        "VirtualKey/bob spec.grants.models[1]: invalid",
        "VirtualKey/carol spec.secretRef: disabled",
        "VirtualKey/dave spec.keyHash: invalid",
        "3 resources in namespace prod: 3 invalid, 2 disabled, 0 advice",
        "",
      ],
    );
    assert.match(stdout, /there is no entry k in a Secret s\n/);
    assert.ok(!stdout.includes(key));
  });

  it("says of each key whose Secret may not be read, takes it for off and exits 1", async () => {
    api.put("secrets", "open", { data: { k: base64 } });
    api.put("virtualkeys", "a", {
      spec: { grants: { models: ["m"] }, secretRef: { name: "shut", key: "k" } },
    });
    api.put("virtualkeys", "b", {
      spec: { grants: { models: ["m"] }, secretRef: { name: "open", key: "k" } },
    });
    api.put("virtualkeys", "c", {
      spec: {
        grants: { models: ["m"] },
        keyHash: `sha256:${"a".repeat(64)}`,
        previous: { secretRef: { name: "shut", key: "k" }, until: "2027-01-01T00:00:00Z" },
      },
    });
    api.intercept = ({ url }, response) =>
      url?.endsWith("/secrets/shut") === true && sendStatus(response, 403, { message: base64 });
    const { status, stdout, stderr } = await lintCluster();
    assert.deepEqual([status, stderr], [1, ""]);
    const denied = "Secret shut may not be read with these credentials (403)";
    assert.deepEqual(stdout.split("\n"), [
      `VirtualKey/a spec.secretRef: disabled: ${denied}: the key counts as off here; ask for a role that may get it`,
      `VirtualKey/c spec.previous: disabled: ${denied}: its previous secret counts as off here; ask for a role that may get it`,
      "3 resources in namespace prod: 0 invalid, 2 disabled, 0 advice",
      "",
    ]);
  });

  it("tells a Secret that holds no key from one that is missing, and never what it holds", async () => {
    const weak = "too short s3cr3t";
    api.put("secrets", "weak", { data: { k: Buffer.from(weak).toString("base64") } });
    const grants = { models: ["m"] };
    api.put("virtualkeys", "a", { spec: { grants, secretRef: { name: "weak", key: "k" } } });
    api.put("virtualkeys", "b", { spec: { grants, secretRef: { name: "weak", key: "other" } } });
    const { status, stdout } = await lintCluster();
    assert.equal(status, 1);
    assert.match(
      stdout,
      /^VirtualKey\/a spec\.secretRef: disabled: entry k of Secret weak is no key/,
    );
    assert.match(stdout, /^VirtualKey\/b spec\.secretRef: disabled: there is no entry other/m);
    assert.ok(!stdout.includes("s3cr3t"));
  });

  it("reads lists in pages, and anew when their pages have expired", async () => {
    const spec = { target: "vendor/a" };
    for (let at = 0; at < 1203; at++) api.put("modelaliases", `alias-${at}`, { spec });
    let expired = 0;
    api.intercept = ({ url }, response) => {
      if (url?.includes("continue=1000") !== true || expired === 1) return false;
      expired += 1;
      return sendStatus(response, 410, { reason: "Expired", message: "too old" });
    };
    const { status, stdout } = await lintCluster();
    assert.equal(status, 0);
    assert.match(stdout, /^1203 resources in namespace prod: 0 invalid/);
    const pages = api.requests.filter((each) => each.includes("modelaliases"));
    assert.equal(pages.length, 6);
    api.intercept = (_request, response) => sendStatus(response, 410, { message: "too old" });
    const hopeless = await lintCluster();
    assert.deepEqual([hopeless.status, hopeless.stdout], [1, ""]);
    assert.equal(hopeless.stderr, "aliasguard lint: the API server answered 410: too old\n");
  });

  it("says that there is nothing in the namespace, and exits 1", async () => {
    api.put("teams", "research", { spec: {} });
    const { status, stdout, stderr } = await lintCluster("--namespace", "other");
    assert.equal(status, 1);
    assert.equal(stdout, "0 resources in namespace other: 0 invalid, 0 disabled, 0 advice\n");
    assert.equal(stderr, "aliasguard lint: no resource of a policy found\n");
  });

  const failures: readonly (readonly [string, number, object, RegExp])[] = [
    [
      "the CRDs are missing",
      404,
      { message: "404 page not found" },
      /custom resource definitions, by the chart/,
    ],
    [
      "it is forbidden",
      403,
      { message: "u cannot list" },
      /forbidden \(403\): u cannot list; ask for a role that may list modelaliases in namespace prod/,
    ],
    ["the credentials are wrong", 401, {}, /does not accept the credentials \(401\)/],
    [
      "the server is ill",
      500,
      { message: "a\nb\u001b[31m" },
      /answered 500: a\\u000ab\\u001b\[31m/,
    ],
    ["a proxy answers", 200, {}, /sent what is no list/],
  ];
  for (const [what, status, body, message] of failures) {
    it(`prints one line that says what to do when ${what}, and exits 1`, async () => {
      api.intercept = (_request, response) => sendStatus(response, status, body);
      const linted = await lintCluster();
      assert.deepEqual([linted.status, linted.stdout], [1, ""]);
      assert.match(linted.stderr, message);
      assert.match(linted.stderr, /^aliasguard lint: [^\n]+\n$/);
    });
  }

  it("prints one line when no cluster answers, no kubeconfig is there, or no such context", async () => {
    const away = await lintCluster("--context", "nope");
    assert.equal(away.stderr, 'aliasguard lint: there is no context "nope" in the kubeconfig\n');
    const missing = await lint("--kube", "--kubeconfig", "/nowhere/kubeconfig");
    assert.match(missing.stderr, /^aliasguard lint: no kubeconfig: [^\n]*ENOENT\n$/);
    const nobody = { server: "http://127.0.0.1:1", "insecure-skip-tls-verify": true };
    const unreachable = kubeconfigText({ c: { cluster: nobody } });
    const file = saveText(join(api.kubeconfig, ".."), "unreachable", unreachable);
    const down = await lint("--kube", "--kubeconfig", file);
    assert.match(
      down.stderr,
      /^aliasguard lint: no answer of [^\n]*ECONNREFUSED[^\n]*is the cluster up[^\n]*\n$/,
    );
    assert.deepEqual([away.status, missing.status, down.status], [1, 1, 1]);
  });

  it("refuses an object without a name", async () => {
    api.intercept = (_request, response) => {
      response.end(
        JSON.stringify({ items: [{ metadata: {} }], metadata: { resourceVersion: "1" } }),
      );
      return true;
    };
    const { status, stderr } = await lintCluster();
    assert.equal(status, 1);
    assert.match(stderr, /sent an object without a name\n$/);
  });
});

test("runLint advises on each route that the authorizer lets through unchecked", async () => {
  const lint = async (args: readonly string[], env: Record<string, string>) => {
    const output = recordOutput();
    const code = await runLint([join(policies, "whole.good.yaml"), ...args], { ...output, env });
    return { code, ...output.printed() };
  };
  const routes = "GET /v1/files,GET /v1/files/{id}";
  for (const found of [
    await lint(["--unchecked-routes", routes], {}),
    await lint([], { ALIASGUARD_UNCHECKED_ROUTES: routes }),
  ]) {
    assert.equal(found.code, 0);
    assert.match(found.stdout, /^unchecked-routes: advice: GET \/v1\/files: let through /m);
    assert.match(found.stdout, /^unchecked-routes: advice: GET \/v1\/files\/\{id\}: /m);
    assert.match(found.stdout, / 0 disabled, 2 advice$/m);
  }
  const wrong = await lint([], { ALIASGUARD_UNCHECKED_ROUTES: "POST /v1/chat/completions" });
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /ALIASGUARD_UNCHECKED_ROUTES must be METHOD \/path/);
  assert.doesNotMatch((await lint([], {})).stdout, /unchecked/);
});

test("runLint loads what talks to Kubernetes with --kube alone", async () => {
  // Tells of each module of it that is loaded.
  const hook = `import { registerHooks } from "node:module";
    registerHooks({ load(url, context, next) {
      if (/src.kubernetes|client-node/.test(url)) process.stderr.write("loaded " + url + ";");
      return next(url, context);
    } });`;
  const main = join(import.meta.dirname, "../../src/main.ts");
  const preload = `data:text/javascript,${encodeURIComponent(hook)}`;
  const loads = async (...args: readonly string[]): Promise<boolean> => {
    const all = ["--import", preload, main, "lint", ...args];
    const child = { name: "lint", command: process.execPath, args: all };
    const { stdout, stderr } = await run(child, 20_000);
    assert.match(stdout + stderr, /4 resources|no kubeconfig/);
    return stderr.includes("loaded ");
  };
  assert.equal(await loads(join(policies, "whole.good.yaml")), false);
  assert.equal(await loads("--kube", "--kubeconfig", "/nowhere/kubeconfig"), true);
});
