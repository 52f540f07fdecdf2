// Objects of a namespace -> the authorizers' policy and every object's status: one bad object disables only itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import { statusToWrite, transitionsOf } from "../../src/controller/conditions.ts";
import { type Condition, objectKey, type PolicyObject } from "../../src/controller/objects.ts";
import { secretsNamedBy, translate } from "../../src/controller/translate.ts";
import { compilePolicy } from "../../src/policy/compile/compile.ts";
import { hash, object } from "./objects.ts";

const nowMs = Date.parse("2026-06-01T00:00:00Z");
const none = { nowMs, secrets: new Map() } as const;
const closed = { ...none, catalogue: "closed" } as const;

/** Each condition as `Type=Status/Reason`. */
function statusText(
  objects: readonly PolicyObject[],
  name: string,
  options: Parameters<typeof translate>[1] = none,
): string {
  const translation = translate(objects, options);
  const found = objects.find(({ metadata }) => metadata.name === name);
  assert.ok(found);
  return translation
    .statusOf(found, true)
    .conditions.map(({ type, status, reason }) => `${type}=${status}/${reason}`)
    .join(" ");
}

const inForce = "Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs Programmed=True/Programmed";
const sound = `${inForce} Ready=True/Ready`;
const unusable = (reason: string): string =>
  `Accepted=True/Accepted ResolvedRefs=False/${reason} Programmed=False/Unusable Ready=False/${reason}`;

test("translate accepts what is sound and says what an alias leads to", () => {
  const objects = [
    object("ModelAlias", "fast", {
      alias: "Fast",
      targets: [{ model: "next", weight: 9 }, { model: "b" }],
    }),
    object("ModelAlias", "next", { target: "a" }),
    object("Team", "research", { grants: { models: ["a"] } }),
    object("VirtualKey", "alice", { team: "research", keyHash: hash("a") }),
  ];
  for (const { metadata } of objects) assert.equal(statusText(objects, metadata.name), sound);
  const translation = translate(objects, none);
  const [fast, , team] = objects;
  assert.ok(fast && team);
  assert.deepEqual(translation.statusOf(fast, true).resolvesTo, ["a", "b"]);
  assert.equal(translation.statusOf(team, true).keys, 1);
});

test("translate disables an invalid object alone, and says why", () => {
  const objects = [
    object("ModelAlias", "bad", { target: "a,b" }),
    object("ModelAlias", "good", { target: "a" }),
  ];
  assert.equal(
    statusText(objects, "bad"),
    "Accepted=False/Invalid ResolvedRefs=Unknown/Pending Ready=False/Invalid",
  );
  assert.equal(statusText(objects, "good"), sound);
  const { policy, statusOf } = translate(objects, none);
  assert.deepEqual([...policy.snapshot.aliases.exact.keys()], ["good"]);
  const [bad] = objects;
  assert.match(
    bad === undefined ? "" : (statusOf(bad, true).conditions[0]?.message ?? ""),
    /spec\.target/,
  );
});

test("translate names the winner of a conflict to the loser, by age and then by name", () => {
  const at = (creationTimestamp: string) => ({ creationTimestamp });
  const objects = [
    object("ModelAlias", "young", { alias: "x", target: "a" }, at("2026-02-01T00:00:00Z")),
    object("ModelAlias", "old", { alias: "x", target: "b" }, at("2026-01-01T00:00:00Z")),
  ];
  assert.match(statusText(objects, "young"), /^Accepted=False\/Conflicted/);
  assert.equal(statusText(objects, "old"), sound);
  const { statusOf } = translate(objects, none);
  const [young] = objects;
  assert.match(
    young === undefined ? "" : (statusOf(young, true).conditions[0]?.message ?? ""),
    /\bold\b/,
  );
});

test("translate says what is missing: targets, teams, groups, cycles, chains", () => {
  const chain = Array.from({ length: 9 }, (_, at) =>
    object("ModelAlias", `c${at}`, { target: at === 8 ? "m" : `c${at + 1}` }),
  );
  const objects = [
    object("Model", "m", {}),
    object("ModelAlias", "lost", { target: "nowhere" }),
    object("ModelAlias", "round", { target: "round" }),
    object("VirtualKey", "orphan", { team: "gone", keyHash: hash("a") }),
    object("Team", "poor", { grants: { groups: ["gone"], models: ["m"] } }),
    ...chain,
  ];
  assert.equal(statusText(objects, "lost"), sound);
  assert.equal(statusText(objects, "lost", closed), unusable("TargetNotFound"));
  assert.equal(statusText(objects, "round"), unusable("Cycle"));
  assert.equal(statusText(objects, "orphan"), unusable("TeamNotFound"));
  assert.equal(statusText(objects, "c0"), unusable("ChainTooLong"));
  assert.equal(statusText(objects, "c1"), sound);
  assert.equal(
    statusText(objects, "poor"),
    "Accepted=True/Accepted ResolvedRefs=False/GroupNotFound Programmed=True/Programmed Ready=False/GroupNotFound",
  );
});

test("translate reads keys out of Secrets, and refuses missing and weak ones", () => {
  const grants = { models: ["m"] };
  const ref = (name: string) => ({ secretRef: { name, key: "key" } });
  const objects = [
    object("VirtualKey", "there", { grants, ...ref("good") }),
    object("VirtualKey", "gone", ref("gone")),
    object("VirtualKey", "weak", ref("weak")),
    object("VirtualKey", "rotated", {
      keyHash: hash("b"),
      previous: { ...ref("good-before"), until: "2026-12-01T00:00:00Z" },
    }),
  ];
  assert.deepEqual([...secretsNamedBy(objects)].sort(), [
    "gone/key",
    "good-before/key",
    "good/key",
    "weak/key",
  ]);
  const secrets = new Map([
    ["good/key", { kind: "digest", digest: "c".repeat(64) }],
    ["good-before/key", { kind: "digest", digest: "d".repeat(64) }],
    ["gone/key", { kind: "missing" }],
    ["weak/key", { kind: "weak" }],
  ] as const);
  const options = { nowMs, secrets } as never;
  assert.equal(statusText(objects, "there", options), sound);
  assert.equal(statusText(objects, "gone", options), unusable("SecretNotFound"));
  assert.equal(statusText(objects, "weak", options), unusable("SecretInvalid"));
  const { policy, resources, statusOf } = translate(objects, options);
  assert.deepEqual([...policy.snapshot.keys.keys()].map((digest) => digest[0]).sort(), [
    "b",
    "c",
    "d",
  ]);
  const [, , weak] = objects;
  const message = weak === undefined ? "" : statusOf(weak, true).conditions[1]?.message;
  assert.match(String(message), /is no key/);
  const again = compilePolicy(resources, { nowMs, catalogue: "open" });
  assert.deepEqual(again.snapshot.keys, policy.snapshot.keys);
  assert.deepEqual(
    again.problems.filter(({ severity }) => severity !== "advice"),
    [],
  );
});

test("translate says of a Secret what is the matter with it, and keeps a key whose previous one is lost", () => {
  const grants = { models: ["m"] };
  const secretRef = { name: "s", key: "key" };
  const reasons = {
    missing: "SecretNotFound",
    weak: "SecretInvalid",
    forbidden: "SecretForbidden",
    unavailable: "SecretUnavailable",
    unread: "Pending",
  } as const;
  for (const [kind, reason] of Object.entries(reasons)) {
    const options = { nowMs, secrets: new Map([["s/key", { kind }]]) } as never;
    const now = object("VirtualKey", "now", { grants, secretRef });
    assert.equal(statusText([now], "now", options), unusable(reason));
    const previous = { secretRef, until: "2026-12-01T00:00:00Z" };
    const before = object("VirtualKey", "before", { grants, keyHash: hash("a"), previous });
    assert.equal(
      statusText([before], "before", options),
      `Accepted=True/Accepted ResolvedRefs=False/${reason} Programmed=True/Programmed Ready=False/${reason}`,
    );
    assert.equal(translate([before], options).policy.snapshot.keys.size, 1);
  }
});

test("translate says what an object in force says of itself", () => {
  const grants = { models: ["m"] };
  const keyHash = hash("a");
  const over = "2026-05-31T00:00:00Z";
  const later = "2026-07-01T00:00:00Z";
  const previous = { keyHash: hash("b"), until: over };
  const cases: readonly (readonly [PolicyObject["kind"], object, string])[] = [
    ["VirtualKey", { keyHash, grants }, "True/Ready"],
    ["VirtualKey", { keyHash, grants, disabled: true }, "True/Disabled"],
    ["VirtualKey", { keyHash, grants, disabled: true, expiresAt: over }, "True/Disabled"],
    ["VirtualKey", { keyHash, grants, expiresAt: over }, "False/Expired"],
    ["VirtualKey", { keyHash, grants, expiresAt: later }, "True/Ready"],
    ["VirtualKey", { keyHash, grants, notBefore: later }, "True/NotYetValid"],
    ["VirtualKey", { keyHash, grants, notBefore: over }, "True/Ready"],
    ["VirtualKey", { keyHash, grants, previous }, "True/PreviousExpired"],
    ["VirtualKey", { keyHash, grants: {} }, "True/GrantsNothing"],
    ["VirtualKey", { keyHash }, "True/GrantsNothing"],
    ["VirtualKey", { keyHash, team: "off" }, "True/TeamDisabled"],
    ["VirtualKey", { keyHash, team: "on" }, "True/Ready"],
    ["Team", { grants, disabled: true }, "True/Disabled"],
    ["Team", {}, "True/GrantsNothing"],
    ["Team", { grants: { models: ["fast"] } }, "True/Advice"],
    ["AccessGroup", { models: [] }, "True/GrantsNothing"],
    ["AccessGroup", { models: ["m"] }, "True/Ready"],
    ["Team", { grants, budget: 5 }, "False/UnknownField"],
    ["Team", { grants: { models: 5 }, budget: 5 }, "False/Invalid"],
  ];
  const around = [
    object("Team", "on", { grants }),
    object("Team", "off", { grants, disabled: true }),
    object("ModelAlias", "fast", { target: "m" }),
  ];
  for (const [kind, spec, wanted] of cases) {
    const text = statusText([...around, object(kind, "it", spec)], "it");
    assert.match(text, new RegExp(` Ready=${wanted}( |$)`), JSON.stringify(spec));
  }
});

test("translate shows defaults, targets in one line, usable keys, and what is public of a key", () => {
  const grants = { models: ["m"] };
  const id = { annotations: { "aliasguard.dev/key-id": "c5cwkz26" } };
  const forged = { annotations: { "aliasguard.dev/key-id": "<script>" } };
  const objects = [
    object("ModelAlias", "plain", { target: "m" }),
    object("ModelAlias", "split", {
      alias: "S",
      targets: [{ model: "a", weight: 7 }, { model: "b" }],
    }),
    object("Model", "m", {}),
    object("Team", "t", { grants }),
    object("VirtualKey", "k", { team: "t", keyHash: hash("a") }, id),
    object("VirtualKey", "x", { team: "t", keyHash: hash("b") }, forged),
    object("VirtualKey", "old", {
      team: "t",
      keyHash: hash("c"),
      expiresAt: "2026-01-01T00:00:00Z",
    }),
    object("VirtualKey", "off", { team: "t", keyHash: hash("d"), disabled: true }),
    object("VirtualKey", "gone", { team: "t", secretRef: { name: "s", key: "k" } }),
  ];
  const { statusOf } = translate(objects, none);
  const shown = new Map(
    objects.map((each) => {
      const { conditions: _, observedGeneration, ...fields } = statusOf(each, true);
      assert.equal(observedGeneration, 1);
      return [each.metadata.name, fields];
    }),
  );
  assert.deepEqual(shown.get("plain"), { alias: "plain", target: "m", resolvesTo: ["m"] });
  assert.equal(shown.get("split")?.target, "a (7), b (1)");
  assert.deepEqual(shown.get("m"), { model: "m", upstreamName: "m", backend: "router" });
  assert.deepEqual(shown.get("t"), { keys: 2 });
  assert.deepEqual(shown.get("k"), { keyId: "c5cwkz26", digestPrefix: "a".repeat(12) });
  assert.deepEqual(shown.get("x"), { digestPrefix: "b".repeat(12) });
  assert.deepEqual(shown.get("gone"), {});
});

test("translate treats what has no room as if it were not there", () => {
  const objects = [
    object("Team", "big", { grants: { models: ["m"] } }),
    object("VirtualKey", "k", { team: "big", keyHash: hash("a") }),
  ];
  const leftOut = new Map([["Team/big", { reason: "TooLarge", message: "too many bytes" }]]);
  const options = { ...none, leftOut } as never;
  assert.match(
    statusText(objects, "big", options),
    / Programmed=False\/TooLarge Ready=False\/TooLarge$/,
  );
  assert.equal(statusText(objects, "k", options), unusable("TeamNotFound"));
});

test("translate closes the catalogue by word, whatever Models there are", () => {
  const objects = [object("Model", "m", {}), object("ModelAlias", "a", { target: "x" })];
  const open = translate(objects, none).policy.snapshot.catalogue;
  assert.deepEqual([open.closed, [...open.models.keys()]], [false, ["m"]]);
  const closed = translate(objects, { ...none, catalogue: "closed" });
  assert.equal(closed.policy.snapshot.catalogue.closed, true);
  const [, alias] = objects;
  assert.match(
    String(alias && closed.statusOf(alias, true).conditions[1]?.reason),
    /TargetNotFound/,
  );
});

test("translate gives the same policy in any order", () => {
  const objects = [
    object("ModelAlias", "a", { alias: "x", target: "m" }),
    object("ModelAlias", "b", { alias: "x", target: "n" }),
    object("Team", "t", { grants: { models: ["m"] } }),
    object("VirtualKey", "k", { team: "t", keyHash: hash("a") }),
  ];
  const there = translate(objects, none);
  const back = translate([...objects].reverse(), none);
  assert.equal(there.policy.snapshot.revision, back.policy.snapshot.revision);
  for (const each of objects)
    assert.deepEqual(there.statusOf(each, true), back.statusOf(each, true));
});

test("statusToWrite writes nothing that is there, and keeps the time of what did not turn", () => {
  const [alias] = [object("ModelAlias", "a", { target: "m" })];
  const desired = translate([alias], none).statusOf(alias, true);
  const first = statusToWrite(undefined, desired, nowMs);
  assert.ok(first);
  assert.equal(statusToWrite(first, desired, nowMs + 1000), undefined);
  const edited = { ...alias, metadata: { ...alias.metadata, generation: 2 } };
  const next = statusToWrite(
    first,
    translate([edited], none).statusOf(edited, false),
    nowMs + 5000,
  );
  assert.ok(next);
  const byType = new Map(next.conditions?.map((each): [string, Condition] => [each.type, each]));
  assert.equal(byType.get("Accepted")?.lastTransitionTime, "2026-06-01T00:00:00Z");
  assert.equal(byType.get("Accepted")?.observedGeneration, 2);
  assert.equal(byType.get("Programmed")?.lastTransitionTime, "2026-06-01T00:00:05Z");
  assert.deepEqual(
    transitionsOf(first, next).map(({ type, from, to }) => `${type} ${from} ${to.status}`),
    ["Ready True False"],
  );
  assert.deepEqual(transitionsOf(undefined, first), []);
});

test("objectKey tells kinds apart", () => {
  assert.notEqual(objectKey(object("Team", "a", {})), objectKey(object("Model", "a", {})));
});
