// What a process wrote itself, told from what others wrote, though the watch is behind.

import assert from "node:assert/strict";
import { test } from "node:test";
import { OwnWrites } from "../../src/controller/writing/own-writes.ts";

test("OwnWrites gives what was written until the watch has brought it", () => {
  const own = new OwnWrites<string>();
  own.set("a", "1", { version: "2", value: "mine" });
  assert.equal(own.get("a", "1"), "mine");
  assert.equal(own.base("a", "1"), "2");
  assert.equal(own.get("a", "2"), undefined);
  assert.equal(own.base("a", "2"), "2");
  assert.equal(own.get("a", "1"), undefined);
});

test("OwnWrites knows every version that its writes took the place of", () => {
  const own = new OwnWrites<string>();
  own.set("a", "1", { version: "2", value: "first" });
  own.set("a", "2", { version: "3", value: "second" });
  assert.equal(own.get("a", "1"), "second");
  assert.equal(own.get("a", "2"), "second");
  assert.equal(own.base("a", "1"), "3");
});

test("OwnWrites lets what somebody else wrote count", () => {
  const own = new OwnWrites<string>();
  own.set("a", "1", { version: "2", value: "mine" });
  assert.equal(own.base("a", "9"), "9");
  assert.equal(own.get("a", "9"), undefined);
  assert.equal(own.get("a", "1"), undefined);
});

test("OwnWrites takes a write that changed nothing for brought back at once", () => {
  const own = new OwnWrites<string>();
  own.set("a", "1", { version: "1", value: "same" });
  assert.equal(own.get("a", "1"), undefined);
});

test("OwnWrites holds hostile keys apart, forgets the gone ones and all when told", () => {
  const own = new OwnWrites<string>();
  for (const key of ["__proto__", "constructor", ""]) {
    own.set(key, "1", { version: "2", value: key });
  }
  own.keepOnly(() => ["__proto__"], 3);
  assert.equal(own.get("constructor", "1"), "constructor");
  own.keepOnly(() => ["__proto__"], 2);
  assert.equal(own.get("constructor", "1"), undefined);
  assert.equal(own.get("__proto__", "1"), "__proto__");
  own.clear();
  assert.equal(own.get("__proto__", "1"), undefined);
});

test("OwnWrites keeps no endless past", () => {
  const own = new OwnWrites<number>();
  for (let at = 1; at <= 1000; at++)
    own.set("a", String(at), { version: String(at + 1), value: at });
  assert.equal(own.get("a", "1000"), 1000);
  own.set("b", "1", { version: "2", value: 0 });
  assert.equal(own.get("a", "1"), undefined);
});
