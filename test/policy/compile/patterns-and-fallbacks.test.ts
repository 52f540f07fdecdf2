// Aliases that end in a star and fallbacks, as the compiler sees them: what can never be used is said, for the object that
// it is about, and what core/resolve refuses is the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
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

const lots = { draw: 0, headers: new Map<string, string>() };

test("compilePolicy takes a pattern whose target it matches itself, and one that leads back through an alias", () => {
  const policy = compile(
    alias("p", "claude-haiku-4-5", { alias: "claude-*" }),
    alias("q", "loop", { alias: "gpt-*" }),
    alias("loop", "gpt-mini"),
    alias("default", "anything", { alias: "*" }),
  );
  assert.deepEqual(lines(policy), []);
});

test("compilePolicy reports a pattern that leads into a cycle, nowhere or too far", () => {
  const chain = Array.from({ length: 8 }, (_, at) =>
    alias(`c${at}`, at === 7 ? "m" : `c${at + 1}`),
  );
  const policy = compileClosed(
    resource("Model", "m", {}),
    ...chain,
    alias("a", "b"),
    alias("b", "a"),
    alias("cycle", "a", { alias: "x-*" }),
    alias("gone", "nobody", { alias: "y-*" }),
    alias("far", "c0", { alias: "z-*" }),
  );
  assert.deepEqual(lines(policy), [
    "disabled ModelAlias a: a ends in a cycle of aliases: a -> b -> a",
    "disabled ModelAlias b: b ends in a cycle of aliases: a -> b -> a",
    "disabled ModelAlias cycle: x-* ends in a cycle of aliases: a -> b -> a",
    "disabled ModelAlias far: z-* is a chain of more than 8 aliases: z-* -> c0 -> c1 -> c2 -> c3 -> c4 -> c5 -> c6 -> c7",
    "disabled ModelAlias gone: y-* leads to nobody, which is neither a Model nor an alias",
  ]);
});

test("compilePolicy lets one of two patterns of one name win, like any alias", () => {
  const policy = compile(
    resource("ModelAlias", "a", { alias: "x-*", target: "m" }),
    resource("ModelAlias", "b", { alias: "x-*", target: "n" }),
  );
  assert.deepEqual(lines(policy), [
    "disabled ModelAlias b: the alias x-* is taken by ModelAlias a, which wins",
  ]);
  assert.equal(policy.snapshot.aliases.byPrefix.get("x-")?.targets[0]?.model, "m");
});

test("compilePolicy reports aliases as unusable exactly when resolve refuses them, patterns and scopes included", () => {
  const name = fc.constantFrom("a", "ab", "abc", "b", "bc", "m");
  const written = fc.constantFrom("a", "ab", "b", "bc", "*", "a*", "ab*", "b*");
  const aliases = fc.dictionary(written, name, { maxKeys: 5, noNullPrototype: true });
  fc.assert(
    fc.property(aliases, aliases, (everybody, ofKey) => {
      const policy = compileClosed(
        resource("Model", "m", {}),
        ...Object.entries(everybody).map(([each, target], at) =>
          alias(`g${at}`, target, { alias: each }),
        ),
        resource("VirtualKey", "k", {
          keyHash: keyHash(1),
          aliases: ofKey,
          grants: { models: ["*"] },
        }),
      );
      const key = policy.snapshot.keys.get(digest(1))?.key;
      assert.ok(key !== undefined);
      for (const each of Object.keys(ofKey)) {
        const isBad = policy.problems.some(
          ({ severity, object, path }) =>
            severity === "disabled" && object === "VirtualKey k" && path.at(-1) === each,
        );
        // A name that only this alias of the key's takes; `zz` makes it longer than every exact one.
        const requested = each.endsWith("*") ? `${each.slice(0, -1)}zz` : each;
        const taken = resolveName(policy.snapshot, key, requested, lots);
        assert.equal(taken.ok, !isBad, `${each} of the key`);
      }
    }),
    { numRuns: 2000 },
  );
});

test("compilePolicy disables a closed catalogue's models whose fallbacks lead nowhere, and their aliases", () => {
  const objects = [
    resource("Model", "good", { fallbacks: ["fine"] }),
    resource("Model", "fine", { fallbacks: ["good"] }),
    resource("Model", "bad", { fallbacks: ["fine", "nobody"] }),
    resource("Model", "worse", { fallbacks: ["bad"] }),
    alias("x", "worse"),
    alias("y", "good"),
  ];
  assert.deepEqual(lines(compileClosed(...objects)), [
    "disabled Model bad: its fallback nobody is no Model: requests for the model are refused",
    "disabled Model worse: its fallback bad cannot run either: requests for the model are refused",
    "disabled ModelAlias x: x leads to worse, which cannot run for want of a fallback",
  ]);
  assert.deepEqual(lines(compile(...objects)), []);
});
