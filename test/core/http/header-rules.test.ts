// The table of headers and the rules made of it: each name is tried first, last and between others, alone and beside what
// is set; and what no row knows never reaches a backend.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type DecisionSettings,
  defaultDecisionSettings,
} from "../../../src/core/decision-settings.ts";
import { credentialCarriers } from "../../../src/core/http/credential.ts";
import { createHeaderRules, isForwardableHeader } from "../../../src/core/http/header-rules.ts";
import {
  alwaysRemovedHeaders,
  type HeaderRule,
  headerRows,
  identityHeaders,
} from "../../../src/core/http/header-table.ts";

const rulesOf = (settings: Partial<DecisionSettings> = {}) =>
  createHeaderRules({ ...defaultDecisionSettings, ...settings });
const rules = rulesOf();
const set = [
  ["x-model", "m"],
  ["x-aliasguard-key", "k"],
] as const;

/** A name of each row, families once with a name of theirs. */
function namesOf(rule: HeaderRule): readonly string[] {
  return headerRows
    .filter((row) => row.rule === rule)
    .flatMap(({ names }) => names.map((name) => name.replace(/-\*$/, "-anything-0")));
}

/** The header in front of others, behind them, and between them; the others go on. */
function placesOf(name: string, value = "v"): readonly ReadonlyMap<string, string>[] {
  const one = [name, value] as const;
  const [before, after] = [["accept", "a"] as const, ["user-agent", "u"] as const];
  return [[one], [one, before, after], [before, after, one], [before, one, after]].map(
    (entries) => new Map(entries),
  );
}

function removedIn(
  headers: ReadonlyMap<string, string>,
  { removal } = rules,
): { readonly names: readonly string[]; readonly dropped: readonly string[] } {
  const { names, dropped } = removal(headers, set);
  assert.equal(new Set(names).size, names.length, "no name stands twice");
  return { names, dropped: dropped.map((each) => each.name) };
}

for (const rule of ["removed", "credential"] as const) {
  test(`createHeaderRules drops every name of the rows ${rule}, wherever it stands`, () => {
    for (const name of namesOf(rule)) {
      if (set.some(([each]) => each === name)) continue;
      for (const headers of placesOf(name)) {
        const { names, dropped } = removedIn(headers);
        assert.deepEqual(dropped, [name]);
        assert.ok(names.includes(name), name);
        assert.equal(rules.refusedHeader(headers), undefined, name);
      }
    }
  });
}

test("createHeaderRules sends every name of the rows forwarded on, wherever it stands", () => {
  for (const name of namesOf("forwarded")) {
    const value = name === "connection" ? "keep-alive" : "realtime";
    for (const headers of placesOf(name, value)) {
      const { names, dropped } = removedIn(headers);
      assert.deepEqual(dropped, []);
      assert.ok(!names.includes(name), name);
      assert.equal(rules.refusedHeader(headers), undefined, name);
    }
  }
});

test("createHeaderRules refuses a method of another kind, wherever it stands", () => {
  for (const name of namesOf("refused")) {
    for (const headers of placesOf(name)) assert.equal(rules.refusedHeader(headers), name);
  }
});

test("createHeaderRules refuses the twin with underscores of each name that it knows", () => {
  const known = [
    ...(["forwarded", "removed", "credential", "refused"] as const).flatMap(namesOf),
    ...[...credentialCarriers, ...Object.values(identityHeaders)],
  ];
  const exact = new Set(headerRows.flatMap(({ names }) => names));
  const dashed = known.filter((name) => name.includes("-") && !name.includes("_"));
  assert.ok(dashed.length > 150);
  for (const name of dashed) {
    for (const twin of [
      name.replaceAll("-", "_"),
      name.replace("-", "_"),
      `${name}_`,
      `_${name}`,
    ]) {
      if (exact.has(twin)) continue;
      for (const headers of placesOf(twin)) assert.equal(rules.refusedHeader(headers), twin);
    }
  }
  for (const headers of placesOf("te_")) assert.equal(rules.refusedHeader(headers), "te_");
  const ours = rulesOf({ modelHeaders: ["x-acme-model"] });
  assert.equal(ours.refusedHeader(new Map([["x_acme_model", "m"]])), "x_acme_model");
});

test("createHeaderRules drops whatever no row knows, wherever it stands", () => {
  const known = new Set(headerRows.flatMap(({ names }) => names));
  const name = fc
    .stringMatching(/^[a-z][a-z0-9-]{0,30}$/)
    .filter((text) => !known.has(text) && !credentialCarriers.some((each) => each === text));
  fc.assert(
    fc.property(name, (text) => {
      for (const headers of placesOf(text)) {
        const isFamily = [...known].some(
          (each) => each.endsWith("-*") && text.startsWith(each.slice(0, -1)),
        );
        if (isFamily) continue;
        const { dropped, names } = removedIn(headers);
        assert.deepEqual(dropped, [text]);
        assert.ok(names.includes(text));
      }
    }),
    { numRuns: 500, seed: 5 },
  );
});

test("createHeaderRules says why each header is dropped", () => {
  const headers = new Map(
    ["x-new", "cookie", "openai-project", "x-model", "x-portkey-config", "accept"].map((name) => [
      name,
      "v",
    ]),
  );
  assert.deepEqual(rules.removal(headers, []).dropped, [
    { name: "x-new", kind: "unknown", row: undefined },
    { name: "cookie", kind: "credential", row: "credentials" },
    { name: "openai-project", kind: "credential", row: "accounts" },
    { name: "x-model", kind: "routing", row: "the model" },
    { name: "x-portkey-config", kind: "routing", row: "gateways of the field" },
  ]);
});

test("createHeaderRules removes the carriers that are named, and always what Envoy chooses by", () => {
  const all = removedIn(new Map());
  const always = alwaysRemovedHeaders.filter((name) => name !== "x-model");
  assert.deepEqual(all, { names: [...credentialCarriers, ...always], dropped: [] });
  const one = rulesOf({ keyCarriers: ["x-litellm-api-key", "key"] });
  const carried = new Map(credentialCarriers.map((name) => [name, "v"]));
  assert.deepEqual(removedIn(carried, one), {
    names: ["x-litellm-api-key", ...always],
    dropped: [],
  });
});

test("createHeaderRules keeps credentials and accounts where the setting says so, and nothing else", () => {
  const keeping = rulesOf({ keepCredentials: true });
  for (const name of [...namesOf("credential"), ...credentialCarriers]) {
    for (const headers of placesOf(name)) assert.deepEqual(removedIn(headers, keeping).dropped, []);
  }
  for (const headers of placesOf("x-new")) {
    assert.deepEqual(removedIn(headers, keeping).dropped, ["x-new"]);
  }
});

test("createHeaderRules forwards what the setting names: exact names and families", () => {
  const adding = rulesOf({ forwardHeaders: ["x-tenant", "x-acme-*", "x-litellm-tags", "cookie"] });
  for (const name of ["x-tenant", "x-acme-a", "x-acme-b-c", "x-litellm-tags", "cookie"]) {
    for (const headers of placesOf(name)) assert.deepEqual(removedIn(headers, adding).dropped, []);
  }
  for (const name of ["x-tenants", "x-tenant-id", "x-acme", "x-acmes-a", "x-litellm-key", "a"]) {
    for (const headers of placesOf(name)) {
      assert.deepEqual(removedIn(headers, adding).dropped, [name]);
    }
  }
});

test("isForwardableHeader takes nothing that carries the model, the key or our word, nor a family of such", () => {
  const never = headerRows.filter(({ carriesModel }) => carriesModel === true);
  const names = never.flatMap((row) => row.names);
  for (const name of [...names, ...credentialCarriers, ...Object.values(identityHeaders)]) {
    assert.equal(isForwardableHeader(name, []), false, name);
    const some = name.replace(/-\*$/, "-some");
    assert.equal(isForwardableHeader(some, []), false, some);
    if (some.includes("-")) {
      const family = `${some.slice(0, some.indexOf("-"))}-*`;
      assert.equal(isForwardableHeader(family, []), false, family);
    }
  }
  assert.equal(isForwardableHeader("x-acme-model", ["x-acme-model"]), false);
  assert.equal(isForwardableHeader("x-acme-*", ["x-acme-model"]), false);
  for (const name of ["x-tenant", "x-acme-*", "x-litellm-tags", "openai-project", "user_id"]) {
    assert.equal(isForwardableHeader(name, ["x-model"]), true, name);
  }
});

test("createHeaderRules takes only plain protocols of a websocket, and hop names in connection", () => {
  const refused = (name: string, value: string): boolean =>
    placesOf(name, value).every((headers) => rules.refusedHeader(headers) === name);
  for (const value of ["openai-insecure-api-key.k", "realtime, openai-project.p", "gold", "a b"]) {
    assert.ok(refused("sec-websocket-protocol", value), value);
  }
  for (const value of ["realtime", "realtime, openai-beta.realtime-v1", ""]) {
    assert.ok(!refused("sec-websocket-protocol", value), value);
  }
  assert.ok(refused("connection", "keep-alive, x-model"));
});

test("headerRows name each header once, in lower case", () => {
  const names = headerRows.flatMap((row) => row.names);
  assert.deepEqual(
    names.filter((name, at) => names.indexOf(name) !== at),
    [],
  );
  for (const name of names) assert.match(name, /^[a-z0-9][a-z0-9_-]*(?:-\*)?$/);
});
