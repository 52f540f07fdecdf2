// Tests of `aliasguard key new`: the manifest on stdout works and holds no secret; the secret is on stderr only. With
// --apply the cluster has the key whole or not at all.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { after, beforeEach, describe, it, test } from "node:test";
import { parse } from "yaml";
import { runKeyNew } from "../../../src/commands/key/key-new.ts";
import { decodeResource } from "../../../src/policy/decode/decode.ts";
import { type FakeKubeApi, sendStatus, startFakeKubeApi } from "../fake-kube-api.ts";
import { recordOutput } from "../output-recorder.ts";

async function keyNew(...args: readonly string[]) {
  const io = recordOutput();
  const status = await runKeyNew(args, io);
  return { status, ...io.printed() };
}

test("runKeyNew prints a manifest whose hash is that of the secret", async () => {
  const { status, stdout, stderr } = await keyNew(
    ...["alice", "--team", "research", "--model", "a/*", "--model", "b"],
    ...["--namespace", "prod", "--expires-at", "2030-01-01T00:00:00Z"],
  );
  assert.equal(status, 0);
  const secret = stderr.match(/^ag_[a-z2-7]{8}_[A-Za-z0-9_-]{43}$/m)?.[0];
  assert.ok(secret !== undefined);
  assert.ok(!stdout.includes(secret));
  const { resource, problems } = decodeResource(parse(stdout));
  assert.deepEqual(problems, []);
  assert.ok(resource?.kind === "VirtualKey");
  assert.deepEqual(resource.credential, { kind: "digest", digest: hash("sha256", secret, "hex") });
  assert.equal(resource.name, "alice");
  assert.equal(resource.namespace, "prod");
  assert.equal(resource.team, "research");
  assert.deepEqual(resource.grants?.models, ["a/*", "b"]);
  assert.equal(resource.expiresAtMs, Date.UTC(2030, 0, 1));
});

test("runKeyNew warns of a key that can use nothing, and of no other", async () => {
  const warning = /warning: without --team and --model the key can use nothing/;
  const useless = await keyNew("alice", "--namespace", "prod");
  assert.equal(useless.status, 0);
  assert.match(useless.stderr, warning);
  for (const args of [
    ["--team", "t"],
    ["--model", "m"],
  ]) {
    assert.doesNotMatch((await keyNew("alice", ...args)).stderr, warning);
  }
});

test("runKeyNew never makes the same secret twice", async () => {
  const [first, second] = await Promise.all([keyNew("a"), keyNew("a")]);
  assert.notEqual(first.stderr, second.stderr);
});

const refused: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["no name", [], /wants a NAME/],
  ["two names", ["a", "b"], /wants one NAME, found also "b"/],
  ["a name that no object can have", ["A_b"], /NAME .*"A_b"/],
  ["a bad team", ["a", "--team", "No Team"], /--team .*"No Team"/],
  ["a bad model", ["a", "--model", "a,b"], /--model .*"a,b"/],
  ["a bad time", ["a", "--expires-at", "tomorrow"], /--expires-at .*"tomorrow"/],
  ["an unknown flag", ["a", "--secret", "x"], /--secret/],
  ["a Secret without --apply", ["a", "--secret-ref", "x"], /--secret-ref wants --apply/],
  ["a context without --apply", ["a", "--context", "x"], /--context wants --apply/],
  ["a kubeconfig without --apply", ["a", "--kubeconfig", "x"], /--kubeconfig wants --apply/],
  ["a bad namespace", ["a", "--apply", "--namespace", "A"], /--namespace .*"A"/],
  ["a bad name to apply", ["A_b", "--apply"], /NAME .*"A_b"/],
];

for (const [what, args, message] of refused) {
  test(`runKeyNew refuses ${what}, prints no manifest and exits 2`, async () => {
    const { status, stdout, stderr } = await keyNew(...args);
    assert.equal(status, 2);
    assert.equal(stdout, "");
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /^ag_/m);
  });
}

test("runKeyNew explains itself with --help", async () => {
  const { status, stdout } = await keyNew("--help");
  assert.equal(status, 0);
  assert.match(stdout, /^Usage: aliasguard key new NAME/);
});

test("runKeyNew refuses a secret given for a Secret's name, and does not repeat it", async () => {
  const given = "ag_mine0000_0123456789abcdefghijklmnopqrstuv";
  const { status, stderr } = await keyNew("a", "--apply", "--secret-ref", given);
  assert.equal(status, 2);
  assert.match(stderr, /--secret-ref must be the name of a Secret/);
  assert.ok(!stderr.includes(given));
});

test("runKeyNew warns of a key that has expired already, and of no other", async () => {
  const past = await keyNew("a", "--team", "t", "--expires-at", "2020-01-01T00:00:00Z");
  assert.deepEqual([past.status, /warning: --expires-at is past/.test(past.stderr)], [0, true]);
  const future = await keyNew("a", "--team", "t", "--expires-at", "2999-01-01T00:00:00Z");
  assert.doesNotMatch(future.stderr, /warning/);
});

describe("runKeyNew with --apply", () => {
  let api: FakeKubeApi;
  beforeEach(async () => {
    await api?.stop();
    api = await startFakeKubeApi();
    api.put("teams", "t", { spec: {} });
  });
  after(() => api.stop());

  const random = (bytes: number): Buffer => Buffer.alloc(bytes, 7);
  /** What `random` makes of it. */
  const secret = `ag_hhhhhhhh_${Buffer.alloc(32, 7).toString("base64url")}`;
  const apply = async (...args: readonly string[]) => {
    const io = recordOutput();
    const all = ["ci", "--team", "t", "--apply", "--kubeconfig", api.kubeconfig, ...args];
    const status = await runKeyNew(all, io, random);
    return { status, ...io.printed() };
  };
  const stored = (plural: string, name: string): unknown => api.objects.get(plural)?.get(name);
  const isCreation = (method: string | undefined, url = ""): boolean =>
    method === "POST" && !url.includes("dryRun") && url.includes("virtualkeys");

  it("creates the VirtualKey with the digest, and prints the secret alone on stdout", async () => {
    const { status, stdout, stderr } = await apply("--model", "a/*");
    assert.deepEqual([status, stdout], [0, `${secret}\n`]);
    assert.equal(stderr, "VirtualKey prod/ci created. Its secret, shown only now. Keep it safe:\n");
    assert.deepEqual(stored("virtualkeys", "ci"), {
      apiVersion: "aliasguard.dev/v1alpha1",
      kind: "VirtualKey",
      metadata: {
        name: "ci",
        namespace: "prod",
        annotations: { "aliasguard.dev/key-id": "hhhhhhhh" },
      },
      spec: {
        team: "t",
        grants: { models: ["a/*"] },
        keyHash: `sha256:${hash("sha256", secret, "hex")}`,
      },
    });
    assert.equal(api.objects.get("secrets"), undefined);
  });

  it("puts the key into a Secret, and prints it nowhere", async () => {
    const { status, stdout, stderr } = await apply("--secret-ref", "ci-key");
    assert.deepEqual([status, stdout], [0, ""]);
    assert.equal(
      stderr,
      "VirtualKey prod/ci created. Its secret is entry key of Secret prod/ci-key\n",
    );
    assert.deepEqual(stored("secrets", "ci-key"), {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "ci-key", namespace: "prod" },
      type: "Opaque",
      data: { key: Buffer.from(secret).toString("base64") },
    });
    const key = stored("virtualkeys", "ci") as { readonly spec: unknown };
    assert.deepEqual(key.spec, { team: "t", secretRef: { name: "ci-key", key: "key" } });
  });

  it("warns of a team that is not there yet, once the key is made", async () => {
    api.objects.delete("teams");
    const { status, stderr } = await apply();
    assert.equal(status, 0);
    assert.match(stderr, /^aliasguard key new: warning: there is no Team t yet/);
    api.objects.get("virtualkeys")?.clear();
    api.intercept = ({ url }, response) =>
      url?.endsWith("/teams/t") === true && sendStatus(response, 403);
    assert.doesNotMatch((await apply()).stderr, /warning/);
  });

  /** Nothing is there, nothing was shown. */
  const refusedWhole = async (...args: readonly string[]): Promise<string> => {
    const { status, stdout, stderr } = await apply(...args);
    assert.deepEqual([status, stdout], [1, ""]);
    assert.match(stderr, /^aliasguard key new: [^\n]+\n$/);
    assert.ok(!stderr.includes(secret) && !stderr.includes(Buffer.from(secret).toString("base64")));
    return stderr;
  };

  it("changes nothing when the VirtualKey or the Secret is there already", async () => {
    api.put("virtualkeys", "ci", { spec: "theirs" });
    const exists = /VirtualKey ci already exists in namespace prod: nothing was changed/;
    assert.match(await refusedWhole(), exists);
    assert.match(await refusedWhole("--secret-ref", "ci-key"), exists);
    assert.equal(api.objects.get("secrets"), undefined);
    assert.deepEqual((stored("virtualkeys", "ci") as { spec: unknown }).spec, "theirs");
    api.objects.get("virtualkeys")?.clear();
    api.put("secrets", "ci-key", { data: { key: "theirs" } });
    assert.match(await refusedWhole("--secret-ref", "ci-key"), /Secret ci-key already exists/);
    assert.equal(stored("virtualkeys", "ci"), undefined);
    assert.deepEqual((stored("secrets", "ci-key") as { data: unknown }).data, { key: "theirs" });
  });

  it("takes the Secret away again when the VirtualKey is refused after all", async () => {
    api.intercept = ({ method, url }, response) =>
      isCreation(method, url) && sendStatus(response, 422, { message: `no: ${secret}` });
    const told = await refusedWhole("--secret-ref", "ci-key");
    assert.match(told, /answered 422: no: \(the key\)\n/);
    assert.equal(stored("secrets", "ci-key"), undefined);
  });

  it("says that a Secret is left when it may not be taken away again", async () => {
    api.intercept = ({ method, url }, response) =>
      (isCreation(method, url) || method === "DELETE") &&
      sendStatus(response, 403, { message: "no" });
    const told = await refusedWhole("--secret-ref", "ci-key");
    assert.match(
      told,
      /VirtualKey ci could not be made, and Secret ci-key, which was, could not be deleted again: forbidden/,
    );
  });

  it("looks whether the key was made when the answer is lost, and goes on when it was", async () => {
    const lose = (isStored: boolean): void => {
      api.intercept = ({ method, url, socket }) => {
        if (!isCreation(method, url)) return false;
        if (isStored) {
          const keyHash = `sha256:${hash("sha256", secret, "hex")}`;
          api.put("virtualkeys", "ci", { spec: { team: "t", keyHash } });
        }
        socket.destroy();
        return true;
      };
    };
    lose(true);
    const made = await apply();
    assert.deepEqual([made.status, made.stdout], [0, `${secret}\n`]);
    api.objects.get("virtualkeys")?.clear();
    lose(false);
    assert.match(await refusedWhole(), /no answer of the API server/);
    assert.match(await refusedWhole("--secret-ref", "ci-key"), /no answer of the API server/);
    assert.equal(stored("secrets", "ci-key"), undefined);
  });

  it("does not take another's key for its own when the answer is lost", async () => {
    api.intercept = ({ method, url, socket }) => {
      if (!isCreation(method, url)) return false;
      api.put("virtualkeys", "ci", { spec: { keyHash: `sha256:${"a".repeat(64)}` } });
      socket.destroy();
      return true;
    };
    const told = await refusedWhole("--secret-ref", "ci-key");
    assert.match(
      told,
      /whether VirtualKey ci in namespace prod was made is not known: look, .*; Secret ci-key was made/,
    );
  });

  const failures: readonly (readonly [string, number, object, RegExp])[] = [
    [
      "the CRDs are missing",
      404,
      { message: "the server could not find it" },
      /custom resource definitions/,
    ],
    [
      "the namespace is missing",
      404,
      { message: 'namespaces "prod" not found' },
      /there is no namespace prod/,
    ],
    ["it is forbidden", 403, { message: "u cannot" }, /may create virtualkeys in namespace prod/],
    ["the server is ill", 503, { message: "later" }, /answered 503: later/],
  ];
  for (const [what, status, body, message] of failures) {
    it(`changes nothing and prints one line when ${what}`, async () => {
      api.intercept = (_request, response) => sendStatus(response, status, body);
      assert.match(await refusedWhole("--secret-ref", "ci-key"), message);
      assert.match(await refusedWhole(), message);
      assert.deepEqual([...api.objects.keys()], ["teams"]);
    });
  }

  it("sends nothing when the key is not as lint would have it", async () => {
    const { status } = await apply("--model", "a,b");
    assert.deepEqual([status, api.requests.length], [2, 0]);
  });
});
