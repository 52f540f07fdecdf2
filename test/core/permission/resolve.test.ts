// Aliases first: scopes, chains, cycles, weights. What is resolved here is what gets authorized.

import assert from "node:assert/strict";
import { test } from "node:test";
import { key, model, resolveName, scope, snapshot, team } from "../snapshot-builder.ts";

const lots = { draw: 0, headers: new Map<string, string>() };

function chain(length: number): Record<string, string> {
  const parts: Record<string, string> = {};
  for (let at = 1; at <= length; at++) parts[`a${at}`] = at === length ? "model" : `a${at + 1}`;
  return parts;
}

test("resolve follows a chain of 8 aliases", () => {
  const resolution = resolveName(snapshot({ aliases: scope(chain(8)) }), key(), "a1", lots);
  assert.deepEqual(resolution, {
    ok: true,
    alias: "a1",
    hops: ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"],
    model: "model",
    choices: ["model"],
    models: ["model"],
    names: ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "model"],
  });
});

test("resolve refuses a chain of 9 aliases", () => {
  const resolution = resolveName(snapshot({ aliases: scope(chain(9)) }), key(), "a1", lots);
  assert.equal(resolution.ok, false);
  assert.equal(!resolution.ok && resolution.reason, "alias_unusable");
});

test("resolve takes the model itself when the name is no alias", () => {
  assert.deepEqual(resolveName(snapshot({}), key(), "m", lots), {
    ok: true,
    alias: undefined,
    hops: [],
    model: "m",
    choices: ["m"],
    models: ["m"],
    names: ["m"],
  });
});

test("resolve refuses a cycle, and an alias that leads into one", () => {
  const aliases = scope({ a: "b", b: "c", c: "b", self: "self", fine: "model" });
  for (const name of ["a", "b", "c", "self"]) {
    const resolution = resolveName(snapshot({ aliases }), key(), name, lots);
    assert.equal(!resolution.ok && resolution.reason, "alias_unusable", name);
  }
  assert.equal(resolveName(snapshot({ aliases }), key(), "fine", lots).ok, true);
});

test("resolve looks every hop up again, the key's aliases first, then the team's", () => {
  const everybody = scope({ start: "middle", middle: "global" });
  const research = { name: "research", team: team({}, { middle: "of-team" }) };
  const snap = snapshot({ aliases: everybody });
  const modelOf = (of: ReturnType<typeof key>): string | false => {
    const resolution = resolveName(snap, of, "start", lots);
    return resolution.ok && resolution.model;
  };
  assert.equal(modelOf(key()), "global");
  assert.equal(modelOf(key({ team: research })), "of-team");
  assert.equal(modelOf(key({ team: research, aliases: scope({ middle: "of-key" }) })), "of-key");
});

test("resolve lets a key alias shadow a catalogued model, for that key only", () => {
  const snap = snapshot({ models: [model("gpt-4o"), model("other")] });
  const own = resolveName(snap, key({ aliases: scope({ "gpt-4o": "other" }) }), "gpt-4o", lots);
  const others = resolveName(snap, key(), "gpt-4o", lots);
  assert.equal(own.ok && own.model, "other");
  assert.equal(others.ok && others.model, "gpt-4o");
});

test("resolve refuses a whole weighted alias for one dangling target", () => {
  const aliases = scope({
    mix: [
      ["known", 99],
      ["lost", 1],
    ],
    sound: [["known", 1]],
  });
  const snap = snapshot({ aliases, models: [model("known")] });
  const mixed = resolveName(snap, key(), "mix", lots);
  assert.deepEqual(mixed, { ok: false, reason: "alias_unusable", model: "lost", hops: ["mix"] });
  assert.equal(resolveName(snap, key(), "sound", lots).ok, true);
});

test("resolve names every model that can run, whichever is drawn", () => {
  const aliases = scope({
    mix: [
      ["a", 90],
      ["inner", 10],
    ],
    inner: [
      ["b", 1],
      ["c", 3],
    ],
  });
  const snap = snapshot({ aliases });
  const drawn = (draw: number): unknown => {
    const resolution = resolveName(snap, key(), "mix", { draw, headers: new Map() });
    assert.ok(resolution.ok);
    assert.deepEqual([...resolution.models].sort(), ["a", "b", "c"]);
    return [resolution.model, ...resolution.hops];
  };
  assert.deepEqual(drawn(0), ["a", "mix"]);
  assert.deepEqual(drawn(0.899), ["a", "mix"]);
  assert.deepEqual(drawn(0.91), ["b", "mix", "inner"]);
  assert.deepEqual(drawn(0.99), ["c", "mix", "inner"]);
  assert.deepEqual(drawn(1 - Number.EPSILON), ["c", "mix", "inner"]);
});

test("resolve keeps the weights over many draws, further down as well", () => {
  const aliases = scope({
    mix: [
      ["a", 50],
      ["inner", 50],
    ],
    inner: [
      ["b", 1],
      ["c", 3],
    ],
  });
  const counts = new Map<string, number>();
  for (let at = 0; at < 8000; at++) {
    const resolution = resolveName(snapshot({ aliases }), key(), "mix", {
      draw: (at + 0.5) / 8000,
      headers: new Map(),
    });
    assert.ok(resolution.ok);
    counts.set(resolution.model, (counts.get(resolution.model) ?? 0) + 1);
  }
  assert.deepEqual(Object.fromEntries(counts), { a: 4000, b: 1000, c: 3000 });
});

test("resolve gives one key always the same target when the alias is sticky by key", () => {
  const aliases = scope(
    {
      mix: [
        ["a", 1],
        ["b", 1],
      ],
    },
    { stickyBy: { kind: "key" } },
  );
  const snap = snapshot({ aliases });
  const modelFor = (name: string, draw: number): unknown => {
    const resolution = resolveName(snap, key({ name }), "mix", { draw, headers: new Map() });
    return resolution.ok && resolution.model;
  };
  const names = Array.from({ length: 64 }, (_, at) => `key-${at}`);
  const first = names.map((name) => modelFor(name, 0));
  assert.deepEqual(
    names.map((name) => modelFor(name, 0.99)),
    first,
  );
  assert.deepEqual(new Set(first), new Set(["a", "b"]));
});

test("resolve is sticky by a header where it came, and draws where it did not", () => {
  const stickyBy = { kind: "header", name: "x-session" } as const;
  const snap = snapshot({
    aliases: scope(
      {
        mix: [
          ["a", 1],
          ["b", 1],
        ],
      },
      { stickyBy },
    ),
  });
  const modelFor = (draw: number, session?: string): unknown => {
    const headers = new Map(session === undefined ? [] : [["x-session", session]]);
    const resolution = resolveName(snap, key(), "mix", { draw, headers });
    return resolution.ok && resolution.model;
  };
  const sessions = Array.from({ length: 32 }, (_, at) => `s${at}`);
  assert.deepEqual(
    sessions.map((session) => modelFor(0, session)),
    sessions.map((session) => modelFor(0.99, session)),
  );
  assert.deepEqual(new Set(sessions.map((session) => modelFor(0, session))), new Set(["a", "b"]));
  assert.deepEqual([modelFor(0), modelFor(0.99)], ["a", "b"]);
});

test("resolve stays small on a lattice of weighted aliases that has 16^8 ways", () => {
  const parts: Record<string, readonly (readonly [string, number])[]> = {};
  for (let level = 0; level < 8; level++) {
    for (let at = 0; at < 16; at++) {
      parts[`l${level}-${at}`] = Array.from({ length: 16 }, (_, to) => [
        level === 7 ? `m${to}` : `l${level + 1}-${to}`,
        1,
      ]);
    }
  }
  const resolution = resolveName(snapshot({ aliases: scope(parts) }), key(), "l0-0", lots);
  assert.ok(resolution.ok);
  assert.equal(resolution.models.length, 16);
  assert.equal(resolution.names.length, 1 + 7 * 16 + 16);
});

test("resolve treats names of object properties as names", () => {
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
    const open = resolveName(snapshot({}), key(), name, lots);
    assert.equal(open.ok && open.hops.length, 0, name);
    const closed = resolveName(snapshot({ models: [model("m")] }), key(), name, lots);
    assert.deepEqual(closed, { ok: false, reason: "model_unknown", model: name, hops: [] });
  }
});
