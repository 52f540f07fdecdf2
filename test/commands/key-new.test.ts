// Tests of `aliasguard key new`: the manifest on stdout works and holds no secret; the secret is on stderr only.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { parse } from "yaml";
import { runKeyNew } from "../../src/commands/key-new.ts";
import { decodeResource } from "../../src/policy/decode.ts";
import { recordOutput } from "./output-recorder.ts";

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
  ["a bad model", ["a", "--model", "../x"], /--model .*"..\/x"/],
  ["a bad time", ["a", "--expires-at", "tomorrow"], /--expires-at .*"tomorrow"/],
  ["an unknown flag", ["a", "--secret", "x"], /--secret/],
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
