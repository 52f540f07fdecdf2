// Tests of what the compiler says about aliases that can never be used: cycles, long chains, unknown targets.

import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveName } from "../../core/snapshot-builder.ts";
import {
  alias,
  compile,
  compileClosed,
  digest,
  keyHash,
  lines,
  resource,
} from "../manifest-builder.ts";

function chain(length: number) {
  return Array.from({ length }, (_, index) =>
    alias(`a${index}`, index === length - 1 ? "model" : `a${index + 1}`),
  );
}

test("compilePolicy accepts a chain of 8 aliases", () => {
  assert.deepEqual(lines(compile(...chain(8))), []);
});

test("compilePolicy disables exactly the alias that starts a chain of 9", () => {
  assert.deepEqual(lines(compile(...chain(9))), [
    "disabled ModelAlias a0: a0 is a chain of more than 8 aliases: " +
      "a0 -> a1 -> a2 -> a3 -> a4 -> a5 -> a6 -> a7 -> a8",
  ]);
});

test("compilePolicy survives a chain of 5,000 aliases", () => {
  assert.equal(compile(...chain(5_000)).problems.length, 5_000 - 8);
});

test("compilePolicy names the members of a cycle in order, for whoever leads into it", () => {
  const policy = compile(alias("a", "b"), alias("b", "c"), alias("c", "b"), alias("fine", "m"));
  assert.deepEqual(lines(policy), [
    "disabled ModelAlias a: a ends in a cycle of aliases: b -> c -> b",
    "disabled ModelAlias b: b ends in a cycle of aliases: b -> c -> b",
    "disabled ModelAlias c: c ends in a cycle of aliases: b -> c -> b",
  ]);
});

test("compilePolicy names 10 members of a long cycle and counts the others", () => {
  const cycle = Array.from({ length: 2_000 }, (_, at) => alias(`a${at}`, `a${(at + 1) % 2_000}`));
  const [first = ""] = lines(compile(...cycle));
  assert.match(first, /: a0 -> a1 -> .*a9 -> 1990 more -> a0$/);
  assert.ok(first.length < 200);
});

test("compilePolicy follows the longest branch when it names a chain that is too long", () => {
  const last = alias("start", "m", {
    target: undefined,
    targets: [{ model: "a7" }, { model: "a0" }],
  });
  const policy = compile(...chain(8), last);
  assert.match(lines(policy)[0] ?? "", /start -> a0 -> a1 -> .* -> a7$/);
});

test("compilePolicy calls a target dangling only when the catalogue is closed", () => {
  assert.deepEqual(lines(compile(alias("a", "gone"))), []);
  const model = resource("Model", "m", {});
  assert.deepEqual(lines(compile(alias("a", "gone"), model)), []);
  assert.deepEqual(lines(compileClosed(alias("a", "gone"), model)), [
    "disabled ModelAlias a: a leads to gone, which is neither a Model nor an alias",
  ]);
});

test("compilePolicy finds a cycle that exists for one key only, and names that key", () => {
  const policy = compile(
    alias("a", "b"),
    resource("VirtualKey", "k", {
      keyHash: keyHash(1),
      grants: { models: ["m"] },
      aliases: { b: "a" },
    }),
    resource("VirtualKey", "l", {
      keyHash: keyHash(2),
      grants: { models: ["m"] },
      aliases: { c: "a" },
    }),
  );
  assert.deepEqual(lines(policy), [
    "disabled VirtualKey k: b ends in a cycle of aliases: b -> a -> b",
  ]);
});

test("compilePolicy reports an alias as unusable exactly when resolve refuses it", () => {
  const policy = compileClosed(
    ...chain(9),
    resource("Model", "model", {}),
    alias("loop", "loop"),
    alias("gone", "nothing"),
    resource("VirtualKey", "k", { keyHash: keyHash(1), grants: { models: ["*"] } }),
  );
  const key = policy.snapshot.keys.get(digest(1))?.key;
  assert.ok(key !== undefined);
  const lots = { draw: 0, headers: new Map<string, string>() };
  const names = [...policy.snapshot.aliases.exact.keys()];
  const refused = names.filter((name) => !resolveName(policy.snapshot, key, name, lots).ok);
  const reported = policy.problems.map(({ object }) => object?.split(" ")[1]);
  assert.deepEqual(refused.sort(), ["a0", "gone", "loop"]);
  assert.deepEqual(reported.sort(), refused);
});

test("compilePolicy drops targets without weight before it looks at them", () => {
  const targets = [{ model: "a", weight: 0 }, { model: "m" }];
  const policy = compile(resource("ModelAlias", "a", { targets }));
  assert.deepEqual(lines(policy), []);
  assert.deepEqual(policy.snapshot.aliases.exact.get("a")?.targets, [{ model: "m", weight: 1 }]);
});
