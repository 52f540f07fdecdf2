// Tests of `aliasguard key rotate`: the old secret stays good until a moment, the new one is shown once, and nothing else
// of the VirtualKey changes; in a cluster whole or not at all.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, beforeEach, describe, it, test } from "node:test";
import { parse, stringify } from "yaml";
import { runKeyRotate } from "../../../src/commands/key/key-rotate.ts";
import { rotate } from "../../../src/commands/key/rotation.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { type FakeKubeApi, sendStatus, startFakeKubeApi } from "../fake-kube-api.ts";
import { recordOutput } from "../output-recorder.ts";

const nowMs = Date.UTC(2026, 5, 1);
const random = (bytes: number): Buffer => Buffer.alloc(bytes, 7);
/** What `random` makes of it. */
const secret = `ag_hhhhhhhh_${Buffer.alloc(32, 7).toString("base64url")}`;
const newHash = `sha256:${hash("sha256", secret, "hex")}`;
const oldHash = `sha256:${"a".repeat(64)}`;
const key = (spec: object, metadata: object = {}) => ({
  apiVersion: "aliasguard.dev/v1alpha1",
  kind: "VirtualKey",
  metadata: { name: "ci", ...metadata },
  spec: { team: "t", ...spec },
});

const folder = createTempFolder("key-rotate");
after(() => folder.remove());
const file = join(folder.path, "key.yaml");

async function rotateFile(object: unknown, ...args: readonly string[]) {
  writeFileSync(file, typeof object === "string" ? object : stringify(object));
  const io = recordOutput();
  const status = await runKeyRotate(["--file", file, ...args], io, { random, nowMs });
  return { status, ...io.printed() };
}

test("runKeyRotate prints a manifest with the new hash, and the old one until tomorrow", async () => {
  const labels = {
    labels: { a: "b" },
    annotations: { "aliasguard.dev/key-id": "oldoldol", x: "y" },
  };
  const grants = { models: ["a/*"] };
  const before = key({ keyHash: oldHash, grants, description: "kept" }, labels);
  const { status, stdout, stderr } = await rotateFile(before);
  assert.equal(status, 0);
  assert.ok(!stdout.includes(secret));
  assert.match(stderr, new RegExp(`^${secret}$`, "m"));
  assert.match(stderr, /The old secret is good until 2026-06-02T00:00:00Z/);
  const previous = { keyHash: oldHash, until: "2026-06-02T00:00:00Z" };
  assert.deepEqual(
    parse(stdout),
    key(
      { grants, description: "kept", keyHash: newHash, previous },
      {
        labels: { a: "b" },
        annotations: {
          x: "y",
          "aliasguard.dev/key-id": "hhhhhhhh",
          "aliasguard.dev/previous-key-id": "oldoldol",
        },
      },
    ),
  );
  assert.equal(readFileSync(file, "utf8"), stringify(before));
});

test("runKeyRotate keeps the old secret as long as it is told, or not at all", async () => {
  const untilOf = async (...args: readonly string[]): Promise<unknown> => {
    const { stdout, stderr } = await rotateFile(key({ keyHash: oldHash }), ...args);
    assert.notEqual(stdout, "", stderr);
    return (parse(stdout) as { spec: { previous?: { until: string } } }).spec.previous?.until;
  };
  assert.equal(await untilOf("--keep-for", "30m"), "2026-06-01T00:30:00Z");
  assert.equal(await untilOf("--keep-for", "7d"), "2026-06-08T00:00:00Z");
  assert.equal(
    await untilOf("--previous-until", "2026-07-01T02:00:00+02:00"),
    "2026-07-01T00:00:00Z",
  );
  assert.equal(await untilOf("--keep-for", "0"), undefined);
});

test("runKeyRotate ends no secret that is still good unless it is told to", async () => {
  const withPrevious = (until: string) =>
    key({ keyHash: oldHash, previous: { keyHash: `sha256:${"b".repeat(64)}`, until } });
  const refused = await rotateFile(withPrevious("2026-06-01T00:00:01Z"));
  assert.deepEqual([refused.status, refused.stdout], [1, ""]);
  assert.match(refused.stderr, /good until 2026-06-01T00:00:01Z.*--end-previous/);
  assert.ok(!refused.stderr.includes(secret));
  assert.equal((await rotateFile(withPrevious("2026-06-01T00:00:00Z"))).status, 0);
  assert.equal(
    (await rotateFile(withPrevious("2026-06-02T00:00:00Z"), "--end-previous")).status,
    0,
  );
});

test("runKeyRotate refuses what is no VirtualKey, and says what is wrong", async () => {
  const cases: readonly (readonly [unknown, RegExp])[] = [
    ["{", /cannot be read as one YAML document/],
    ["a: 1\n---\nb: 2\n", /cannot be read as one YAML document/],
    [{ ...key({}), kind: "Team" }, /VirtualKey/],
    [key({}), /must have either keyHash or secretRef/],
    [key({ keyHash: oldHash, budget: 5 }), /spec\.budget is not a known field/],
    ["", /must be an object/],
  ];
  for (const [object, message] of cases) {
    const { status, stdout, stderr } = await rotateFile(object);
    assert.deepEqual([status, stdout], [1, ""]);
    assert.match(stderr, message);
  }
  const io = recordOutput();
  assert.equal(await runKeyRotate(["--file", join(folder.path, "none")], io, { nowMs }), 1);
  assert.match(io.printed().stderr, /ENOENT/);
});

const misused: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["nothing", [], /wants either --apply or --file/],
  ["both", ["a", "--apply", "--file", "x"], /wants either --apply or --file/],
  ["no name", ["--apply"], /wants the NAME/],
  ["two names", ["a", "b", "--apply"], /wants one NAME/],
  ["a name and a file", ["a", "--file", "x"], /wants no NAME beside --file/],
  ["a bad name", ["A_b", "--apply"], /wants the NAME/],
  ["a path for a name", ["../teams/t", "--apply"], /wants the NAME/],
  ["a time without a unit", ["a", "--apply", "--keep-for", "5"], /--keep-for must be/],
  ["a time that is too long", ["a", "--apply", "--keep-for", "400d"], /--keep-for must be/],
  ["a past moment", ["a", "--apply", "--previous-until", "2026-01-01T00:00:00Z"], /a later moment/],
  ["two times", ["a", "--apply", "--keep-for", "1h", "--previous-until", "x"], /found both/],
  ["a Secret without --apply", ["--file", "x", "--secret-ref", "s"], /--secret-ref wants --apply/],
  ["a context without --apply", ["--file", "x", "--context", "c"], /--context wants --apply/],
  [
    "a secret for the name of one",
    ["a", "--apply", "--secret-ref", secret],
    /found something else/,
  ],
];

for (const [what, args, message] of misused) {
  test(`runKeyRotate refuses ${what} and exits 2`, async () => {
    const io = recordOutput();
    assert.equal(await runKeyRotate(args, io, { nowMs }), 2);
    const { stdout, stderr } = io.printed();
    assert.equal(stdout, "");
    assert.match(stderr, message);
    assert.ok(!stderr.includes(secret));
  });
}

test("rotate never throws", () => {
  const rotation = {
    secret,
    secretRef: undefined,
    untilMs: undefined,
    mayEndPrevious: true,
    nowMs,
  };
  for (const object of [
    null,
    undefined,
    1,
    "x",
    [],
    {},
    { kind: "VirtualKey" },
    { metadata: null },
  ]) {
    assert.equal(rotate(object, rotation).ok, false);
  }
});

describe("runKeyRotate with --apply", () => {
  let api: FakeKubeApi;
  beforeEach(async () => {
    await api?.stop();
    api = await startFakeKubeApi();
  });
  after(() => api.stop());
  const put = (spec: object): void =>
    api.put("virtualkeys", "ci", {
      ...{ apiVersion: "aliasguard.dev/v1alpha1", kind: "VirtualKey" },
      spec: { team: "t", ...spec },
    });
  const apply = async (...args: readonly string[]) => {
    const io = recordOutput();
    const all = ["ci", "--apply", "--kubeconfig", api.kubeconfig, ...args];
    const status = await runKeyRotate(all, io, { random, nowMs });
    return { status, ...io.printed() };
  };
  const specOf = () => api.objects.get("virtualkeys")?.get("ci")?.["spec"];

  it("changes the VirtualKey, and prints the secret alone on stdout", async () => {
    put({ keyHash: oldHash });
    const { status, stdout, stderr } = await apply("--keep-for", "1h");
    assert.deepEqual([status, stdout], [0, `${secret}\n`]);
    assert.match(
      stderr,
      /^VirtualKey prod\/ci rotated\. The old secret is good until 2026-06-01T01:00:00Z\./,
    );
    const previous = { keyHash: oldHash, until: "2026-06-01T01:00:00Z" };
    assert.deepEqual(specOf(), { team: "t", keyHash: newHash, previous });
  });

  it("makes a new Secret for a key that is in one, and prints it nowhere", async () => {
    put({ secretRef: { name: "old", key: "k" } });
    const { status, stdout, stderr } = await apply();
    assert.deepEqual([status, stdout], [0, ""]);
    assert.match(stderr, /entry key of Secret prod\/ci-hhhhhhhh/);
    assert.ok(!stderr.includes(secret));
    const made = api.objects.get("secrets")?.get("ci-hhhhhhhh");
    assert.deepEqual(made?.["data"], { key: Buffer.from(secret).toString("base64") });
    assert.deepEqual(specOf(), {
      team: "t",
      secretRef: { name: "ci-hhhhhhhh", key: "key" },
      previous: { secretRef: { name: "old", key: "k" }, until: "2026-06-02T00:00:00Z" },
    });
  });

  it("changes nothing and shows nothing when the cluster does not take it", async () => {
    assert.match((await apply()).stderr, /there is no VirtualKey ci in namespace prod/);
    put({ secretRef: { name: "old", key: "k" } });
    for (const code of [403, 409, 422, 500]) {
      api.intercept = ({ method }, response) =>
        method === "PUT" && sendStatus(response, code, { message: `no: ${secret}` });
      const { status, stdout, stderr } = await apply();
      assert.deepEqual([status, stdout], [1, ""]);
      assert.match(stderr, /^aliasguard key rotate: [^\n]+\n$/);
      assert.ok(!stderr.includes(secret));
      assert.equal(api.objects.get("secrets")?.size ?? 0, 0);
      assert.deepEqual(specOf(), { team: "t", secretRef: { name: "old", key: "k" } });
    }
    api.intercept = undefined;
    api.put("secrets", "taken", {});
    assert.match((await apply("--secret-ref", "taken")).stderr, /Secret taken already exists/);
  });
});
