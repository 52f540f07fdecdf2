// Secrets are read as seldom as possible, kept as digests only, and refused when they are no keys.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import {
  createSecretReader,
  secretAgeMsMax,
  secretFirstWaitMsMax,
  secretKeptMsMax,
  secretWaitMsMax,
} from "../../src/controller/secrets.ts";
import { KubeError } from "../../src/kubernetes/transport.ts";

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
  const wanted = { kind: "digest", digest, keyId: "secret00" };
  assert.deepEqual(found.get("s/plain"), wanted);
  assert.deepEqual(found.get("s/edited"), wanted);
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
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(asked, ["s", "s"]);
});

/** A reader of Secrets each of which does what the test says, on a clock that it moves. */
function script(
  first: Readonly<Record<string, () => Promise<Record<string, string> | undefined>>>,
) {
  const state = { nowMs: 0, secrets: new Map(Object.entries(first)), changes: 0 };
  const reading = { now: 0, most: 0 };
  const waits = new Set<{ readonly atMs: number; readonly end: () => void }>();
  const read = createSecretReader({
    async read(name) {
      reading.now += 1;
      reading.most = Math.max(reading.most, reading.now);
      try {
        return await state.secrets.get(name)?.();
      } finally {
        reading.now -= 1;
      }
    },
    nowMs: () => state.nowMs,
    onChange: () => {
      state.changes += 1;
    },
    delay: (ms, signal) =>
      new Promise((resolve) => {
        const wait = { atMs: state.nowMs + ms, end: resolve };
        waits.add(wait);
        signal.addEventListener("abort", () => waits.delete(wait));
      }),
  });
  const settle = async (): Promise<void> => {
    for (let turns = 0; turns < 30; turns++) await new Promise((resolve) => setImmediate(resolve));
  };
  const advance = async (ms: number): Promise<void> => {
    const endMs = state.nowMs + ms;
    for (;;) {
      await settle();
      const [due] = [...waits].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
      if (due === undefined) break;
      state.nowMs = Math.max(state.nowMs, due.atMs);
      waits.delete(due);
      due.end();
    }
    state.nowMs = endMs;
    await settle();
  };
  /** The kind of each, and how long the run had to wait. */
  const kinds = async (...names: readonly string[]): Promise<readonly string[]> => {
    const startMs = state.nowMs;
    const entries = names.map((name) => `${name}/k`);
    let found: ReadonlyMap<string, { readonly kind: string }> | undefined;
    void read(new Set(entries)).then((map) => {
      found = map;
    });
    await settle();
    while (found === undefined && state.nowMs - startMs < 60_000) await advance(50);
    waited.ms = state.nowMs - startMs;
    return entries.map((entry) => found?.get(entry)?.kind ?? "late");
  };
  const waited = { ms: 0 };
  return { state, reading, kinds, advance, waited };
}

const good = () => Promise.resolve({ k: base64(key) });
const hanging = () => new Promise<never>(() => undefined);
const failing = (status: number) => () => Promise.reject(new KubeError("no", { status }));

test("createSecretReader tells a Secret that may not be read at once, and what is wrong with one is of no other's concern", async () => {
  const names = ["a", "b", "c"];
  for (const at of [0, 1, 2]) {
    const bad = names[at] ?? "";
    const it = script(Object.fromEntries(names.map((name) => [name, good])));
    assert.deepEqual(await it.kinds(...names), ["digest", "digest", "digest"]);
    it.state.secrets.set(bad, failing(403));
    await it.advance(secretAgeMsMax);
    await it.kinds(...names);
    const wanted = names.map((name) => (name === bad ? "forbidden" : "digest"));
    assert.deepEqual(await it.kinds(...names), wanted);
    assert.equal(it.state.changes, 1);
  }
});

test("createSecretReader keeps what it read for a bounded time while reads fail or hang, and nobody waits", async () => {
  for (const bad of [failing(500), failing(503), failing(401), hanging]) {
    const it = script({ a: good, b: good });
    assert.deepEqual(await it.kinds("a", "b"), ["digest", "digest"]);
    it.state.secrets.set("a", bad);
    for (let ms = 0; ms < secretKeptMsMax; ms += secretAgeMsMax) {
      assert.deepEqual(await it.kinds("a", "b"), ["digest", "digest"]);
      assert.equal(it.waited.ms, 0);
      await it.advance(secretAgeMsMax);
    }
    await it.advance(2 * secretAgeMsMax);
    assert.deepEqual(await it.kinds("a", "b"), ["unavailable", "digest"]);
    it.state.secrets.set("a", good);
    await it.advance(secretAgeMsMax);
    await it.kinds("a", "b");
    assert.deepEqual(await it.kinds("a", "b"), ["digest", "digest"]);
  }
});

test("createSecretReader waits at the start for those that answer, and not for those that hang", async () => {
  const names = Array.from({ length: 100 }, (_, at) => `s${at}`);
  const it = script(
    Object.fromEntries(names.map((name, at) => [name, at % 10 === 0 ? hanging : good])),
  );
  const found = await it.kinds(...names);
  assert.deepEqual(
    names.filter((_, at) => at % 10 !== 0).map((name) => found[names.indexOf(name)]),
    new Array(90).fill("digest"),
  );
  assert.ok(it.waited.ms <= 2 * secretFirstWaitMsMax, `${it.waited.ms} ms`);
  assert.ok(it.reading.most <= 16, `${it.reading.most} at once`);
});

test("createSecretReader lets a run wait a moment for a new Secret, and asks for another run when it comes", async () => {
  const it = script({ a: good });
  await it.kinds("a");
  const late = Promise.withResolvers<Record<string, string>>();
  it.state.secrets.set("b", () => late.promise);
  assert.deepEqual(await it.kinds("a", "b"), ["digest", "unread"]);
  assert.equal(it.waited.ms, secretWaitMsMax);
  late.resolve({ k: base64(key) });
  await it.advance(0);
  assert.equal(it.state.changes, 1);
  assert.deepEqual(await it.kinds("a", "b"), ["digest", "digest"]);
  assert.equal(it.waited.ms, 0);
});

test("createSecretReader takes a Secret that never could be read for unavailable, and forgets who is no longer named", async () => {
  const it = script({ a: failing(500) });
  assert.deepEqual(await it.kinds("a"), ["unavailable"]);
  await it.kinds();
  it.state.secrets.set("a", good);
  assert.deepEqual(await it.kinds("a"), ["digest"]);
});
