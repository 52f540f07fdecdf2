// How checks are let in: never more than the slots, first come first served, and every place is given back once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Admission, createAdmission, type Ticket } from "../../src/envoy/admission.ts";

type Door = { readonly log: string[]; enter(name: string): Ticket };

function doorOf(admission: Admission): Door {
  const log: string[] = [];
  const enter = (name: string): Ticket =>
    admission.enter({
      granted: () => log.push(`${name} granted`),
      refused: () => log.push(`${name} refused`),
    });
  return { log, enter };
}

test("enter grants as many as there are slots, queues as many as may wait, and refuses the rest", () => {
  const admission = createAdmission({ slots: 2, waitingMax: 1 });
  const door = doorOf(admission);
  for (const name of ["a", "b", "c", "d"]) door.enter(name);
  assert.deepEqual(door.log, ["a granted", "b granted", "d refused"]);
  assert.deepEqual([admission.active(), admission.waiting()], [2, 1]);
});

test("leave grants the slot to whoever waits longest", () => {
  const admission = createAdmission({ slots: 1, waitingMax: 9 });
  const door = doorOf(admission);
  const first = door.enter("a");
  door.enter("b");
  door.enter("c");
  first.leave();
  assert.deepEqual(door.log, ["a granted", "b granted"]);
  assert.deepEqual([admission.active(), admission.waiting()], [1, 1]);
});

test("leave gives a slot back only once, and a place in the queue without a grant", () => {
  const admission = createAdmission({ slots: 1, waitingMax: 9 });
  const door = doorOf(admission);
  const first = door.enter("a");
  const second = door.enter("b");
  second.leave();
  second.leave();
  first.leave();
  first.leave();
  assert.deepEqual(door.log, ["a granted"]);
  assert.deepEqual([admission.active(), admission.waiting()], [0, 0]);
});

test("leave of a refused one frees nothing", () => {
  const admission = createAdmission({ slots: 1, waitingMax: 0 });
  const door = doorOf(admission);
  door.enter("a");
  door.enter("b").leave();
  assert.equal(admission.active(), 1);
});
