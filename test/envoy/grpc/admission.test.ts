// How checks are let in: never more bytes than the bound, the longest waiting that fits first, every place given back once.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Admission,
  createAdmission,
  heldBytesMax,
} from "../../../src/envoy/grpc/admission.ts";

type Door = { readonly log: string[]; enter(name: string, bytes: number): () => void };

function doorOf(admission: Admission): Door {
  const log: string[] = [];
  const enter = (name: string, bytes: number): (() => void) => {
    const place = admission.enter();
    if (place === undefined) {
      log.push(`${name} has no place`);
      return () => {};
    }
    place.ask(bytes, {
      granted: () => log.push(`${name} granted`),
      refused: () => log.push(`${name} refused`),
    });
    return () => place.leave();
  };
  return { log, enter };
}

function stateOf(admission: Admission): readonly number[] {
  return [admission.active(), admission.waiting(), admission.bytes()];
}

test("ask grants what fits in the bytes, queues as many as may wait, and refuses the rest", () => {
  const admission = createAdmission({ bytesMax: 100_000, waitingMax: 1 });
  const door = doorOf(admission);
  door.enter("a", 60_000);
  const leave = door.enter("b", 40_000);
  leave();
  door.enter("c", 40_001);
  assert.deepEqual(door.log, ["a granted", "b granted"]);
  assert.deepEqual(stateOf(admission), [1, 1, 60_000]);
});

test("ask refuses one that does not fit when the queue is full, and frees its place", () => {
  const admission = createAdmission({ bytesMax: 1_000_000, waitingMax: 1 });
  const door = doorOf(admission);
  door.enter("a", 1_000_000);
  door.enter("b", 1);
  for (const name of ["c", "d", "e"]) door.enter(name, 1);
  assert.deepEqual(door.log, ["a granted", "c refused", "d refused", "e refused"]);
  assert.deepEqual(stateOf(admission), [1, 1, 1_000_000]);
});

test("enter gives no more places than may wait and could be read", () => {
  const admission = createAdmission({ bytesMax: 1, waitingMax: 2 });
  const door = doorOf(admission);
  for (const name of ["a", "b", "c", "d"]) door.enter(name, 5);
  assert.deepEqual(door.log, ["a granted", "d has no place"]);
  assert.equal(heldBytesMax({ bytesMax: 1, waitingMax: 2 }, 1000), 1000 + 3 * 80 * 1024);
  // A quarter of the room may stand in wide windows.
  const room = 256 * 1024 * 1024;
  const places = 2 + Math.floor(room / (80 * 1024));
  const held = room + places * 80 * 1024 + room / 4;
  assert.equal(heldBytesMax({ bytesMax: room, waitingMax: 2 }, 1000), held);
});

test("ask lets one in that is longer than all of the room, alone", () => {
  const admission = createAdmission({ bytesMax: 1000, waitingMax: 9 });
  const door = doorOf(admission);
  const leave = door.enter("long", 5000);
  door.enter("short", 1);
  assert.deepEqual(door.log, ["long granted"]);
  leave();
  assert.deepEqual(door.log, ["long granted", "short granted"]);
  assert.deepEqual(stateOf(admission), [1, 0, 1]);
});

test("leave grants the room to the longest waiting one that fits: small ones pass a large one", () => {
  const admission = createAdmission({ bytesMax: 100, waitingMax: 9 });
  const door = doorOf(admission);
  const leaves = ["a", "b"].map((name) => door.enter(name, 50));
  door.enter("large", 90);
  door.enter("small", 5);
  door.enter("smaller", 3);
  door.enter("same", 45);
  leaves[0]?.();
  assert.deepEqual(door.log.slice(2), ["small granted", "smaller granted"]);
  leaves[1]?.();
  assert.deepEqual(door.log.slice(4), ["large granted"]);
  assert.deepEqual(stateOf(admission), [3, 1, 98]);
});

test("leave of equals goes by arrival", () => {
  const admission = createAdmission({ bytesMax: 10, waitingMax: 9 });
  const door = doorOf(admission);
  const first = door.enter("a", 10);
  const second = door.enter("b", 9);
  door.enter("c", 10);
  first();
  second();
  assert.deepEqual(door.log, ["a granted", "b granted", "c granted"]);
});

test("leave gives room back only once, and a place in the queue without a grant", () => {
  const admission = createAdmission({ bytesMax: 10, waitingMax: 9 });
  const door = doorOf(admission);
  const first = door.enter("a", 10);
  const second = door.enter("b", 10);
  for (const leave of [second, second, first, first]) leave();
  assert.deepEqual(door.log, ["a granted"]);
  assert.deepEqual(stateOf(admission), [0, 0, 0]);
});

test("ask after leave, or a second time, does nothing", () => {
  const admission = createAdmission({ bytesMax: 10, waitingMax: 9 });
  const log: string[] = [];
  const waiter = { granted: () => log.push("granted"), refused: () => log.push("refused") };
  const place = admission.enter();
  place?.ask(1, waiter);
  place?.ask(1, waiter);
  place?.leave();
  place?.ask(1, waiter);
  assert.deepEqual(log, ["granted"]);
  assert.deepEqual(stateOf(admission), [0, 0, 0]);
});
