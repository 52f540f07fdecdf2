// Secrets are read as seldom as possible, kept as digests only, and refused when they are no keys.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { createSecretReader, secretAgeMsMax } from "../../src/controller/secrets.ts";

const base64 = (text: string): string => Buffer.from(text, "latin1").toString("base64");
const key = "ag_secret00_0123456789abcdefghijklmnopqrstuv";

function readerOf(secrets: Readonly<Record<string, Readonly<Record<string, string>>>>) {
  const asked: string[] = [];
  const clock = { nowMs: 0 };
  const read = createSecretReader({
    read: async (name) => {
      asked.push(name);
      return Object.hasOwn(secrets, name) ? secrets[name] : undefined;
    },
    nowMs: () => clock.nowMs,
  });
  return { asked, clock, read };
}

test("createSecretReader gives the digest of an entry, the newline of an editor left out", async () => {
  const { read } = readerOf({ s: { plain: base64(key), edited: base64(`${key}\n`) } });
  const found = await read(new Set(["s/plain", "s/edited"]));
  const digest = hash("sha256", key, "hex");
  assert.deepEqual(found.get("s/plain"), { kind: "digest", digest });
  assert.deepEqual(found.get("s/edited"), { kind: "digest", digest });
});

test("createSecretReader tells what is missing from what is no key", async () => {
  const bad = ["short", "", `${key} ${key}`, `${key},`, `${key}é`, "x".repeat(513), `${key}\n\n`];
  const entries = Object.fromEntries(bad.map((text, at) => [`bad${at}`, base64(text)]));
  const { read } = readerOf({ s: entries });
  const wanted = [...Object.keys(entries).map((entry) => `s/${entry}`), "s/none", "gone/key"];
  const found = await read(new Set(wanted));
  assert.deepEqual(
    wanted.map((each) => found.get(each)?.kind),
    [...bad.map(() => "weak"), "missing", "missing"],
  );
  assert.equal((await read(new Set(["s/__proto__"]))).get("s/__proto__")?.kind, "missing");
});

test("createSecretReader reads a Secret once for all its entries, and again when it is old", async () => {
  const { asked, clock, read } = readerOf({ s: { a: base64(key), b: base64(key) } });
  await read(new Set(["s/a"]));
  clock.nowMs = secretAgeMsMax - 1;
  await read(new Set(["s/a", "s/b"]));
  assert.deepEqual(asked, ["s"]);
  clock.nowMs = secretAgeMsMax;
  await read(new Set(["s/a"]));
  assert.deepEqual(asked, ["s", "s"]);
});

test("createSecretReader fails when a Secret cannot be asked for, and keeps nothing of it", async () => {
  let isDown = true;
  const read = createSecretReader({
    read: () => (isDown ? Promise.reject(new Error("down")) : Promise.resolve({ a: base64(key) })),
    nowMs: () => 0,
  });
  await assert.rejects(read(new Set(["s/a"])), /down/);
  isDown = false;
  assert.equal((await read(new Set(["s/a"]))).get("s/a")?.kind, "digest");
});
