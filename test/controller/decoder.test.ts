// Objects that are decoded once for each generation.

import assert from "node:assert/strict";
import { test } from "node:test";
import { areSameObjects, createDecoder } from "../../src/controller/decoder.ts";
import type { PolicyObject } from "../../src/controller/objects.ts";
import { object } from "./objects.ts";

const alias = object("ModelAlias", "a", { target: "m" });
const withMetadata = (more: Partial<PolicyObject["metadata"]>): PolicyObject => ({
  ...alias,
  metadata: { ...alias.metadata, ...more },
});

test("createDecoder decodes an object once, though its status and version change", () => {
  const { decode } = createDecoder();
  const first = decode(alias);
  assert.equal(decode({ ...withMetadata({ resourceVersion: "9" }), status: {} }), first);
});

test("createDecoder decodes anew what has another generation, or is another object of the name", () => {
  const { decode } = createDecoder();
  const first = decode(alias);
  assert.notEqual(decode(withMetadata({ generation: 2 })), first);
  assert.notEqual(decode(withMetadata({ uid: "another" })), first);
  const team = object("Team", "a", {});
  assert.equal(decode(team).resource?.kind, "Team");
});

test("createDecoder forgets what is gone, and nothing else", () => {
  const { decode, keepOnly } = createDecoder();
  const other = object("ModelAlias", "b", { target: "m" });
  const [first, second] = [decode(alias), decode(other)];
  keepOnly([alias, other]);
  assert.equal(decode(other), second);
  keepOnly([alias]);
  assert.equal(decode(alias), first);
  assert.notEqual(decode(other), second);
});

test("areSameObjects looks at kind, name, uid and generation, in their order, and at no status", () => {
  const other = object("ModelAlias", "b", { target: "m" });
  assert.equal(areSameObjects([], []), true);
  assert.equal(areSameObjects([alias], [{ ...withMetadata({ resourceVersion: "9" }) }]), true);
  assert.equal(areSameObjects([alias], [{ ...alias, status: {} }]), true);
  for (const changed of [{ uid: "x" }, { generation: 2 }, { name: "x" }]) {
    assert.equal(areSameObjects([alias], [withMetadata(changed)]), false);
  }
  assert.equal(areSameObjects([alias], [{ ...alias, kind: "Team" }]), false);
  assert.equal(areSameObjects([alias], []), false);
  assert.equal(areSameObjects([alias], [alias, other]), false);
  assert.equal(areSameObjects([alias, other], [other, alias]), false);
});
