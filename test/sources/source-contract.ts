// What every source of policies does, as one suite: a source passes it through a driver that can put, break and remove
// the policy where that source finds it.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { PolicySource, SnapshotHolder, SourceEvents } from "../../src/sources/source.ts";

/** What the driver puts where its source looks. */
export type ContractPolicy =
  /** One ModelAlias `fast` with this target, and nothing else. */
  | { readonly kind: "good"; readonly target: string }
  /** Something that the source must reject; `variant` counts the ways in which the driver can break it. */
  | { readonly kind: "bad"; readonly variant: number };

/** One place of a policy, and the source that reads it. Everything is cleaned up after the test. */
export type ContractSetup = {
  readonly source: PolicySource & SnapshotHolder;
  /** Puts the policy in place the way that its users do. */
  put(policy: ContractPolicy): Promise<void>;
  /** Takes the whole policy away: the file, the directory's content, the object. */
  remove(): Promise<void>;
  /** Resolves when the source has taken notice of everything that was put or removed before. */
  settle(): Promise<void>;
};

export type SourceDriver = {
  /** Whose criteria these are, as the names of the tests begin: `createFileSource on a directory`. */
  readonly name: string;
  /** How many kinds of bad policies it can put; at least 1. */
  readonly badVariants: number;
  /** A place without a policy, and a source on it that is not started. `nowMs` of the source is `contractNowMs`. */
  setUp(t: TestContext, events: SourceEvents): Promise<ContractSetup>;
};

export const contractNowMs = 1_000;

type Recorded = { readonly event: string; readonly revision?: string; readonly healthy: boolean };

const good = (target: string): ContractPolicy => ({ kind: "good", target });

/** Defines the tests. Called at the top level of a test file. */
export function testSourceContract(driver: SourceDriver): void {
  const start = async (t: TestContext, first: ContractPolicy | undefined) => {
    const events: Recorded[] = [];
    // Events come after the holder has changed, so each is recorded with what the holder says then.
    const record = (event: string): void => {
      const revision = setup.source.current()?.revision;
      const { healthy } = setup.source.health();
      events.push({ event, healthy, ...(revision === undefined ? {} : { revision }) });
    };
    const setup = await driver.setUp(t, {
      replaced: () => record("replaced"),
      rejected: () => record("rejected"),
      recovered: () => record("recovered"),
    });
    if (first !== undefined) await setup.put(first);
    await setup.source.start();
    const { source, put, settle } = setup;
    return {
      ...setup,
      names: () => events.map(({ event }) => event),
      events,
      change: async (policy: ContractPolicy) => {
        await put(policy);
        await settle();
      },
      target: () => source.current()?.aliases.exact.get("fast")?.targets[0]?.model,
    };
  };
  const { name, badVariants } = driver;

  test(`${name} has loaded when start resolves`, async (t) => {
    const { source, target, events } = await start(t, good("a"));
    assert.equal(target(), "a");
    assert.equal(source.loadedAtMs(), contractNowMs);
    assert.deepEqual(source.counts(), { aliases: 1, teams: 0, keys: 0, groups: 0, models: 0 });
    assert.deepEqual(source.health(), { healthy: true, lastError: undefined, problems: [] });
    const revision = source.current()?.revision;
    assert.deepEqual(events, [{ event: "replaced", healthy: true, revision }]);
  });

  test(`${name} starts without a policy, says so, and takes the first that comes`, async (t) => {
    const { source, target, names, change } = await start(t, undefined);
    assert.equal(source.current(), undefined);
    assert.equal(source.loadedAtMs(), undefined);
    assert.equal(source.health().healthy, false);
    assert.deepEqual(source.counts(), { aliases: 0, teams: 0, keys: 0, groups: 0, models: 0 });
    assert.deepEqual(names(), ["rejected"]);
    await change(good("a"));
    assert.equal(target(), "a");
    assert.equal(source.health().healthy, true);
    assert.deepEqual(names(), ["rejected", "replaced"]);
  });

  test(`${name} takes a change whole, under another revision, and leaves the old snapshot as it was`, async (t) => {
    const { source, target, names, change } = await start(t, good("a"));
    const before = source.current();
    await change(good("b"));
    assert.equal(target(), "b");
    assert.notEqual(source.current()?.revision, before?.revision);
    assert.equal(before?.aliases.exact.get("fast")?.targets[0]?.model, "a");
    assert.deepEqual(names(), ["replaced", "replaced"]);
  });

  test(`${name} says nothing while nothing changes, nor when the same is put again`, async (t) => {
    const { source, names, change, settle } = await start(t, good("a"));
    const before = source.current();
    await settle();
    await change(good("a"));
    assert.equal(source.current(), before);
    assert.deepEqual(names(), ["replaced"]);
  });

  for (let variant = 0; variant < badVariants; variant++) {
    const bad: ContractPolicy = { kind: "bad", variant };
    const which = `a bad policy (${variant + 1} of ${badVariants})`;
    test(`${name} keeps the last good policy on ${which}, and says so once`, async (t) => {
      const { source, names, events, change, settle } = await start(t, good("a"));
      const before = source.current();
      await change(bad);
      await settle();
      assert.equal(source.current(), before);
      assert.equal(source.health().healthy, false);
      assert.match(source.health().lastError ?? "", /^[^\n]+$/);
      assert.deepEqual(names(), ["replaced", "rejected"]);
      assert.deepEqual(events[1], {
        event: "rejected",
        healthy: false,
        revision: before?.revision,
      });
    });

    test(`${name} recovers from ${which} to the policy that is in force, and says so`, async (t) => {
      const { source, names, change } = await start(t, good("a"));
      await change(bad);
      const before = source.current();
      await change(good("a"));
      assert.equal(source.current(), before);
      assert.equal(source.health().healthy, true);
      assert.equal(source.health().lastError, undefined);
      assert.deepEqual(names(), ["replaced", "rejected", "recovered"]);
    });

    test(`${name} recovers from ${which} to another policy`, async (t) => {
      const { source, target, names, change } = await start(t, good("a"));
      await change(bad);
      await change(good("b"));
      assert.equal(target(), "b");
      assert.equal(source.health().healthy, true);
      assert.deepEqual(names(), ["replaced", "rejected", "replaced"]);
    });

    test(`${name} has no policy after a start with ${which}`, async (t) => {
      const { source, names, change, target } = await start(t, bad);
      assert.equal(source.current(), undefined);
      assert.equal(source.health().healthy, false);
      assert.deepEqual(names(), ["rejected"]);
      await change(good("a"));
      assert.equal(target(), "a");
    });
  }

  test(`${name} keeps the last good policy when it is removed, says so, and recovers`, async (t) => {
    const { source, target, names, change, remove, settle } = await start(t, good("a"));
    await remove();
    await settle();
    assert.equal(target(), "a");
    assert.equal(source.health().healthy, false);
    assert.deepEqual(names(), ["replaced", "rejected"]);
    await change(good("a"));
    assert.equal(source.health().healthy, true);
    assert.deepEqual(names(), ["replaced", "rejected", "recovered"]);
  });

  test(`${name} stays on what it has once it is stopped, for good`, async (t) => {
    const { source, target, names, put } = await start(t, good("a"));
    await Promise.all([source.stop(), source.stop()]);
    await put(good("b"));
    await source.start();
    await source.stop();
    assert.equal(target(), "a");
    assert.deepEqual(names(), ["replaced"]);
  });

  test(`${name} can be stopped before it starts and while it loads, and then tells nothing`, async (t) => {
    const events: string[] = [];
    const silent: SourceEvents = {
      replaced: () => events.push("replaced"),
      rejected: () => events.push("rejected"),
    };
    const never = await driver.setUp(t, silent);
    await never.put(good("a"));
    await never.source.stop();
    await never.source.start();
    assert.equal(never.source.current(), undefined);
    const early = await driver.setUp(t, silent);
    await early.put(good("a"));
    const starting = early.source.start();
    await early.source.stop();
    await starting;
    assert.deepEqual(events, []);
    assert.equal(early.source.current(), undefined);
  });
}
