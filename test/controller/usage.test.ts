// How many keys can use an alias: by grants, by scope, by time.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { PolicyObject } from "../../src/controller/objects.ts";
import { translate } from "../../src/controller/translate.ts";
import { createUsageCounter, usagePairsMax } from "../../src/controller/usage.ts";
import { hash, object } from "./objects.ts";

const nowMs = Date.parse("2026-06-01T00:00:00Z");

function counts(objects: readonly PolicyObject[]): Readonly<Record<string, number | undefined>> {
  const { policy } = translate(objects, { nowMs, secrets: new Map() });
  const counter = createUsageCounter(policy, nowMs);
  assert.ok(counter);
  const names = objects
    .filter(({ kind }) => kind === "ModelAlias")
    .map((each) => each.metadata.name);
  return Object.fromEntries(names.map((name) => [name, counter(name)]));
}

const team = object("Team", "t", { grants: { models: ["m"] } });

test("createUsageCounter counts the keys that are granted all that an alias leads to", () => {
  const objects = [
    object("ModelAlias", "open", { target: "m" }),
    object("ModelAlias", "closed", { target: "n" }),
    object("ModelAlias", "both", { targets: [{ model: "m" }, { model: "n" }] }),
    object("ModelAlias", "round", { target: "round" }),
    team,
    ...Array.from({ length: 9 }, (_, at) =>
      object("VirtualKey", `k${at}`, { team: "t", keyHash: hash(String(at)) }),
    ),
    object("VirtualKey", "other", { keyHash: hash("a"), grants: { models: ["n"] } }),
    object("VirtualKey", "lost", { team: "gone", keyHash: hash("b") }),
  ];
  assert.deepEqual(counts(objects), { open: 9, closed: 1, both: 0, round: 0 });
});

test("createUsageCounter leaves out keys that reach another alias by the same name", () => {
  const objects = [
    object("ModelAlias", "everybody", { alias: "x", target: "m" }),
    object("ModelAlias", "theirs", { alias: "x", target: "m", teams: ["u"] }),
    object("ModelAlias", "loser", { alias: "x", target: "m" }),
    team,
    object("Team", "u", { grants: { models: ["m"] } }),
    object("Team", "v", { grants: { models: ["m"] }, aliases: { x: "m" } }),
    object("VirtualKey", "a", { team: "t", keyHash: hash("a") }),
    object("VirtualKey", "b", { team: "u", keyHash: hash("b") }),
    object("VirtualKey", "c", { team: "v", keyHash: hash("c") }),
    object("VirtualKey", "d", { team: "t", keyHash: hash("d"), aliases: { x: "m" } }),
  ];
  assert.deepEqual(counts(objects), { everybody: 1, theirs: 1, loser: 0 });
});

test("createUsageCounter counts a key once and only while it is valid", () => {
  const key = (name: string, letter: string, more: object): PolicyObject =>
    object("VirtualKey", name, { team: "t", keyHash: hash(letter), ...more });
  const until = "2026-07-01T00:00:00Z";
  const objects = [
    object("ModelAlias", "x", { target: "m" }),
    team,
    key("rotated", "a", { previous: { keyHash: hash("b"), until } }),
    key("off", "c", { disabled: true }),
    key("past", "d", { expiresAt: "2026-05-31T23:59:59Z" }),
    key("now", "e", { expiresAt: until }),
    key("later", "f", { notBefore: until }),
  ];
  assert.deepEqual(counts(objects), { x: 2 });
});

test("createUsageCounter does not count what would cost too much", () => {
  const side = Math.ceil(Math.sqrt(usagePairsMax)) + 1;
  const objects = Array.from({ length: side }, (_, at) => [
    object("ModelAlias", `a${at}`, { target: "m" }),
    object("VirtualKey", `k${at}`, {
      keyHash: `sha256:${String(at).padStart(64, "0")}`,
      grants: { models: [`m${at}`] },
    }),
  ]).flat();
  const { policy } = translate(objects, { nowMs, secrets: new Map() });
  assert.equal(createUsageCounter(policy, nowMs), undefined);
});
