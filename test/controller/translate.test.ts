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

const sound = "Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs Programmed=True/Programmed";
const unusable = (reason: string): string =>
  `Accepted=True/Accepted ResolvedRefs=False/${reason} Programmed=False/Unusable`;

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
  assert.equal(statusText(objects, "bad"), "Accepted=False/Invalid ResolvedRefs=Unknown/Pending");
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
    "Accepted=True/Accepted ResolvedRefs=False/GroupNotFound Programmed=True/Programmed",
  );
});

test("translate reads keys out of Secrets, and refuses missing and weak ones", () => {
  const ref = (name: string) => ({ secretRef: { name, key: "key" } });
  const objects = [
    object("VirtualKey", "there", ref("good")),
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
  assert.equal(statusText(objects, "weak", options), unusable("SecretNotFound"));
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
    ["Programmed True False"],
  );
  assert.deepEqual(transitionsOf(undefined, first), []);
});

test("objectKey tells kinds apart", () => {
  assert.notEqual(objectKey(object("Team", "a", {})), objectKey(object("Model", "a", {})));
});
