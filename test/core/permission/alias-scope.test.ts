// Looking names up: exact before pattern, the longest beginning first, the nearest scope first.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  aliasesIn,
  createAliasScope,
  findAlias,
  type Lookup,
  type NameOrigin,
} from "../../../src/core/permission/alias-scope.ts";
import { model, scope, snapshot } from "../snapshot-builder.ts";

function lookup(
  scopes: readonly (readonly string[])[],
  catalogued: readonly string[] = [],
): Lookup {
  const { catalogue } = snapshot({ models: catalogued.map((each) => model(each)), closed: false });
  const made = scopes.map((names, at) =>
    scope(Object.fromEntries(names.map((name) => [name, `${at}`]))),
  );
  return { scopes: made, catalogue };
}

/** The alias that was found, and in which scope. */
function found(of: Lookup, name: string, origin?: NameOrigin): string | undefined {
  const alias = findAlias(of, name, origin);
  return alias && `${alias.name} ${alias.targets[0]?.model}`;
}

test("findAlias takes the exact alias before a pattern, and the longest beginning before others", () => {
  const of = lookup([["*", "a*", "ab*", "abc"]]);
  assert.equal(found(of, "abc"), "abc 0");
  assert.equal(found(of, "abcd"), "ab* 0");
  assert.equal(found(of, "ab"), "ab* 0");
  assert.equal(found(of, "ax"), "a* 0");
  assert.equal(found(of, "x"), "* 0");
});

test("findAlias looks into the nearest scope first, be it by a pattern", () => {
  const of = lookup([["a*"], ["abc", "b*"], ["abc", "bcd", "c"]]);
  assert.equal(found(of, "abc"), "a* 0");
  assert.equal(found(of, "bcd"), "b* 1");
  assert.equal(found(of, "c"), "c 2");
  assert.equal(found(of, "d"), undefined);
});

test("findAlias lets the default take only what callers send, and nothing a second pattern takes", () => {
  const of = lookup([["*", "a*", "x"]]);
  assert.deepEqual(
    (["sent", "reached", "exact"] as const).map((origin) => found(of, "ab", origin)),
    ["a* 0", "a* 0", undefined],
  );
  assert.deepEqual(
    (["sent", "reached", "exact"] as const).map((origin) => found(of, "b", origin)),
    ["* 0", undefined, undefined],
  );
  assert.equal(found(of, "x", "exact"), "x 0");
});

test("findAlias lets no pattern of everybody's take a catalogued name, and a key's or team's may", () => {
  assert.equal(found(lookup([[], ["*", "a*"]], ["ab"]), "ab"), undefined);
  assert.equal(found(lookup([[], ["*", "a*", "ab"]], ["ab"]), "ab"), "ab 1");
  assert.equal(found(lookup([["*"], ["*", "a*"]], ["ab"]), "ab"), "* 0");
});

test("findAlias agrees with trying every alias", () => {
  const text = fc.stringMatching(/^[ab]{0,5}$/);
  const names = fc.uniqueArray(
    fc.oneof(
      text.filter((each) => each !== ""),
      text.map((each) => `${each}*`),
    ),
  );
  fc.assert(
    fc.property(names, text, (aliases, name) => {
      const tried = aliases.includes(name)
        ? name
        : aliases
            .filter((each) => each.endsWith("*") && name.startsWith(each.slice(0, -1)))
            .sort((a, b) => b.length - a.length)[0];
      assert.equal(findAlias(lookup([aliases]), name)?.name, tried);
    }),
  );
});

test("createAliasScope holds every alias by its name as written, the later of two", () => {
  const made = createAliasScope([
    ...aliasesIn(scope({ a: "1", "a*": "2", "*": "3" })),
    ...aliasesIn(scope({ a: "4" })),
  ]);
  assert.deepEqual(
    [...aliasesIn(made)].map(({ name, targets }) => [name, targets[0]?.model]),
    [
      ["a", "4"],
      ["a*", "2"],
      ["*", "3"],
    ],
  );
  assert.deepEqual(made.prefixLengths, [1, 0]);
});
