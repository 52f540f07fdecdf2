// The ConfigMap source while a policy is loaded elsewhere: what comes into force when more comes meanwhile, when a load
// fails, and when the source is stopped.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CopyOutcome,
  type PolicyCopy,
  retryMs,
  tornMsMax,
} from "../../../src/sources/configmaps/configmap-source.ts";
import {
  createDocumentLoader,
  type DocumentLoader,
} from "../../../src/sources/configmaps/document-loader.ts";
import { loadDocument } from "../../../src/sources/loading/load-document.ts";
import type { DocumentAnswer } from "../../../src/sources/loading/load-messages.ts";
import { large, name, recorded, target, tiny, turns } from "./configmap-script.ts";

/** Loads each document when the test says so, with what it is then. */
function heldLoader() {
  const waiting: { answer: () => void; fail: (message: string) => void }[] = [];
  const state = { loads: 0, ends: 0 };
  const loader: DocumentLoader = {
    load: (document, about) => {
      state.loads++;
      const { promise, resolve, reject } = Promise.withResolvers<DocumentAnswer>();
      waiting.push({
        answer: () => resolve(loadDocument({ ...document, ...about })),
        fail: (message) => reject(new Error(message)),
      });
      return promise;
    },
    end: async () => {
      state.ends++;
      for (const { fail } of waiting.splice(0)) fail("loading was stopped");
    },
  };
  return {
    loader,
    state,
    answer: async () => {
      waiting.shift()?.answer();
      await turns();
    },
    fail: async (message: string) => {
      waiting.shift()?.fail(message);
      await turns();
    },
  };
}

/** A source with `first` in force. */
async function started(first: string) {
  const held = heldLoader();
  const it = recorded({ loader: held.loader });
  it.write(tiny(first));
  const starting = it.source.start();
  await turns();
  await held.answer();
  await starting;
  assert.equal(target(it), first);
  return { ...it, held };
}

test("createConfigMapSource has loaded when start resolves, and not before", async () => {
  const held = heldLoader();
  const it = recorded({ loader: held.loader });
  it.write(tiny("a"));
  let hasStarted = false;
  const starting = it.source.start().then(() => {
    hasStarted = true;
  });
  await turns();
  assert.equal(hasStarted, false);
  await held.answer();
  await starting;
  assert.equal(target(it), "a");
});

test("createConfigMapSource loads one policy at a time, then the newest, and never goes back", async () => {
  const it = await started("a");
  for (const model of ["b", "c", "d"]) it.write(tiny(model));
  assert.equal(target(it), "a");
  assert.equal(it.held.state.loads, 2);
  await it.held.answer();
  assert.equal(target(it), "b");
  assert.equal(it.held.state.loads, 3);
  await it.held.answer();
  assert.equal(target(it), "d");
  assert.equal(it.held.state.loads, 3);
  assert.deepEqual(it.told, ["replaced", "replaced", "replaced"]);
});

test("createConfigMapSource ends with the policy that was in force when that one comes back meanwhile", async () => {
  const it = await started("a");
  it.write(tiny("b"));
  it.write(tiny("a"));
  await it.held.answer();
  await it.held.answer();
  assert.equal(target(it), "a");
  assert.equal(it.source.health().healthy, true);
});

test("createConfigMapSource loads a policy once, however often the watch calls back", async () => {
  const it = await started("a");
  it.write(tiny("b"));
  it.changed();
  it.changed();
  await it.held.answer();
  it.changed();
  assert.equal(it.held.state.loads, 2);
  assert.deepEqual(it.told, ["replaced", "replaced"]);
});

test("createConfigMapSource says after a while that a set is torn which came while another was loaded", async () => {
  const it = await started("a");
  it.write(tiny("b"));
  it.set(name, { "index.json": tiny("c").index });
  it.pass(tornMsMax);
  await it.held.answer();
  assert.equal(target(it), "b");
  assert.equal(it.source.health().healthy, true);
  it.pass(tornMsMax);
  assert.match(it.source.health().lastError ?? "", /shard 0 of 1 is missing$/);
  it.write(tiny("c"));
  await it.held.answer();
  assert.equal(target(it), "c");
});

test("createConfigMapSource keeps the last good policy when a load fails, says so once, and tries again", async () => {
  const it = await started("a");
  it.write(tiny("b"));
  for (let failure = 0; failure < 2; failure++) {
    await it.held.fail("loading took over 60 s");
    assert.equal(target(it), "a");
    assert.equal(it.source.health().healthy, false);
    it.pass(retryMs);
  }
  assert.deepEqual(it.told, ["replaced", "rejected: ConfigMap policy: loading took over 60 s"]);
  await it.held.answer();
  assert.equal(target(it), "b");
  it.pass(retryMs);
  assert.equal(it.held.state.loads, 4);
});

test("createConfigMapSource takes what came while a load failed at once", async () => {
  const it = await started("a");
  it.write(tiny("b"));
  it.write(tiny("c"));
  await it.held.fail("loading took over 60 s");
  assert.equal(it.held.state.loads, 3);
  await it.held.answer();
  assert.equal(target(it), "c");
  it.pass(retryMs);
  assert.equal(it.held.state.loads, 3);
});

test("createConfigMapSource that is stopped while it loads ends the load and tells nothing", async () => {
  const it = await started("a");
  it.write(tiny("b"));
  await it.source.stop();
  await turns();
  assert.equal(it.held.state.ends, 1);
  assert.equal(target(it), "a");
  assert.deepEqual(it.told, ["replaced"]);
  it.pass(retryMs);
  it.changed();
  assert.equal(it.held.state.loads, 2);
});

test("createConfigMapSource that is stopped takes no answer that was under way", async () => {
  const it = await started("a");
  it.write(tiny("b"));
  const answered = it.held.answer();
  await Promise.all([it.source.stop(), answered]);
  assert.equal(target(it), "a");
  assert.deepEqual(it.told, ["replaced"]);
});

test("createConfigMapSource ends the thread once a policy is small, and opens it for a large one", async (t) => {
  const loader = createDocumentLoader();
  const ends: string[] = [];
  const it = recorded({
    loader: {
      ...loader,
      end: () => {
        ends.push("end");
        return loader.end();
      },
    },
  });
  t.after(() => it.source.stop());
  it.write(large("a"));
  await it.source.start();
  assert.equal(target(it), "a");
  assert.deepEqual(ends, []);
  it.write(tiny("b"));
  assert.equal(target(it), "b");
  assert.deepEqual(ends, ["end"]);
  it.write(large("c"));
  await it.settle();
  assert.equal(target(it), "c");
});

function copyOf(model: string, outcomes: CopyOutcome[]): PolicyCopy {
  const { index, shards } = tiny(model);
  return {
    read: async () => ({ index, shard: (number) => shards.get(number) }),
    report: (outcome) => outcomes.push(outcome),
  };
}

test("createConfigMapSource takes a copy from a load too, and then what the watch brought meanwhile", async () => {
  const outcomes: CopyOutcome[] = [];
  const held = heldLoader();
  const it = recorded({ loader: held.loader, copy: copyOf("old", outcomes) });
  it.write(tiny("new"));
  const starting = it.source.start();
  await turns();
  await held.answer();
  await starting;
  assert.equal(target(it), "old");
  assert.equal(it.source.health().healthy, false);
  await held.answer();
  assert.equal(target(it), "new");
  assert.equal(it.source.health().healthy, true);
  assert.deepEqual(
    outcomes.map(({ kind }) => kind),
    ["taken"],
  );
});

test("createConfigMapSource does without a copy whose load fails, and says why", async () => {
  const outcomes: CopyOutcome[] = [];
  const held = heldLoader();
  const it = recorded({ loader: held.loader, copy: copyOf("old", outcomes) });
  it.state.isSynced = false;
  const starting = it.source.start();
  await turns();
  await held.fail("loading took over 60 s");
  assert.deepEqual(outcomes, [{ kind: "refused", reason: "loading took over 60 s" }]);
  assert.equal(it.source.current(), undefined);
  await it.source.stop();
  await starting;
});
