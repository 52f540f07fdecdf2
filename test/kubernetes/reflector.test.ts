// The reflector against a scripted server and a clock that the tests move.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createReflector } from "../../src/kubernetes/reflector.ts";
import {
  type CollectionTransport,
  KubeError,
  type KubeObject,
  type ListRequest,
  tooLongReason,
  type WatchEvent,
  type WatchRequest,
} from "../../src/kubernetes/transport.ts";
import { createFakeClock } from "./fake-clock.ts";

const object = (name: string, version: string): KubeObject => ({
  metadata: { name, resourceVersion: version },
});

type Watching = {
  readonly request: WatchRequest;
  readonly send: (type: string, object: unknown) => void;
  readonly end: () => void;
  readonly fail: (error: unknown) => void;
};

function setUp() {
  const clock = createFakeClock();
  const lists: ListRequest[] = [];
  const watches: Watching[] = [];
  const problems: string[] = [];
  const script = {
    items: [object("a", "1")] as readonly KubeObject[],
    version: "10",
    onList: undefined as
      | ((request: ListRequest) => ReturnType<CollectionTransport<KubeObject>["list"]>)
      | undefined,
    onWatch: undefined as ((watching: Watching) => void) | undefined,
    onChange: () => {},
    changes: 0,
  };
  const transport: CollectionTransport<KubeObject> = {
    async list(request) {
      lists.push(request);
      if (script.onList !== undefined) return await script.onList(request);
      return { items: script.items, resourceVersion: script.version };
    },
    watch: (request, onEvent, signal) =>
      new Promise((resolve, reject) => {
        const watching: Watching = {
          request,
          send: (type, sent) => onEvent({ type, object: sent } satisfies WatchEvent),
          end: resolve,
          fail: reject,
        };
        signal.addEventListener("abort", () => resolve());
        watches.push(watching);
        script.onWatch?.(watching);
      }),
  };
  const reflector = createReflector({
    transport,
    onChange: () => {
      script.changes += 1;
      script.onChange();
    },
    onProblem: (message) => problems.push(message),
    nowMs: clock.nowMs,
    random: () => 0.5,
    delay: clock.delay,
  });
  const last = (): Watching => {
    const found = watches.at(-1);
    assert.ok(found);
    return found;
  };
  const names = (): readonly string[] => [...reflector.items().keys()].sort();
  return { clock, lists, watches, problems, script, reflector, last, names };
}

test("createReflector lists, then watches with bookmarks from the list's version", async () => {
  const { clock, reflector, last, names, lists, script } = setUp();
  assert.equal(reflector.synced(), false);
  reflector.start();
  reflector.start();
  await clock.advance(0);
  assert.deepEqual(lists, [{ limit: 500 }]);
  assert.deepEqual(last().request, { resourceVersion: "10", timeoutSeconds: 450 });
  assert.deepEqual([reflector.synced(), names(), script.changes], [true, ["a"], 1]);
  last().send("ADDED", object("__proto__", "11"));
  last().send("DELETED", object("a", "12"));
  last().send("BOOKMARK", { metadata: { resourceVersion: "20" } });
  assert.deepEqual([names(), script.changes], [["__proto__"], 3]);
  await clock.advance(20_000);
  last().end();
  await clock.advance(0);
  assert.equal(last().request.resourceVersion, "20");
  await reflector.stop();
});

test("createReflector gives out sets that no later event changes", async () => {
  const { clock, reflector, last } = setUp();
  reflector.start();
  await clock.advance(0);
  const before = reflector.items();
  last().send("ADDED", object("b", "11"));
  assert.deepEqual([before.size, reflector.items().size], [1, 2]);
  await reflector.stop();
});

test("createReflector keeps the old set until the last page of a list is there", async () => {
  const { clock, reflector, names, script, lists } = setUp();
  let release = (): void => {};
  script.onList = async ({ continueToken }) => {
    if (continueToken === undefined) {
      return { items: [object("x", "1")], resourceVersion: "5", continueToken: "next" };
    }
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    return { items: [object("y", "2")], resourceVersion: "5" };
  };
  reflector.start();
  await clock.advance(0);
  assert.deepEqual([names(), reflector.synced(), lists.length], [[], false, 2]);
  release();
  await clock.advance(0);
  assert.deepEqual([names(), reflector.synced()], [["x", "y"], true]);
  await reflector.stop();
});

const gone: readonly (readonly [string, (watching: Watching) => void])[] = [
  ["a status", ({ fail }) => fail(new KubeError("gone", { status: 410 }))],
  ["an ERROR event", ({ send }) => send("ERROR", { code: 410, reason: "Expired", message: "old" })],
];
for (const [form, act] of gone) {
  test(`createReflector lists anew after a 410 as ${form}`, async () => {
    const { clock, reflector, last, names, script, lists } = setUp();
    reflector.start();
    await clock.advance(20_000);
    script.items = [object("b", "30")];
    script.version = "30";
    act(last());
    await clock.advance(0);
    assert.deepEqual([names(), lists.length, last().request.resourceVersion], [["b"], 2, "30"]);
    await reflector.stop();
  });
}

test("createReflector asks less than 3 times a second of a server that ends each watch", async () => {
  for (const failure of [undefined, new KubeError("reset"), new KubeError("x", { status: 410 })]) {
    const { clock, reflector, script, watches, lists } = setUp();
    script.onWatch = ({ end, fail }) => (failure === undefined ? end() : fail(failure));
    reflector.start();
    await clock.advance(10_000);
    assert.ok(watches.length + lists.length <= 30, `${watches.length} ${lists.length}`);
    await clock.advance(590_000);
    const sum = watches.length + lists.length;
    assert.ok(sum < 200 && watches.length > 15, `${sum}`);
    await reflector.stop();
  }
});

test("createReflector waits out failing lists, and as long as Retry-After says", async () => {
  const { clock, reflector, script, lists, problems } = setUp();
  script.onList = async () => {
    throw new KubeError("busy", { status: 429, retryAfterMs: 60_000 });
  };
  reflector.start();
  await clock.advance(59_000);
  assert.deepEqual([lists.length, reflector.health().lastError, problems.length], [1, "busy", 1]);
  script.onList = undefined;
  await clock.advance(2000);
  assert.deepEqual([lists.length, reflector.synced()], [2, true]);
  assert.equal(reflector.health().lastError, undefined);
  await reflector.stop();
});

test("createReflector gives up a list that hangs and asks again", async () => {
  const { clock, reflector, script, lists } = setUp();
  script.onList = () => new Promise(() => {});
  reflector.start();
  await clock.advance(59_000);
  assert.equal(lists.length, 1);
  script.onList = undefined;
  await clock.advance(5000);
  assert.deepEqual([lists.length, reflector.synced()], [2, true]);
  await reflector.stop();
});

test("createReflector begins a silent watch anew, but not one that has bookmarks", async () => {
  const { clock, reflector, last, watches, lists } = setUp();
  reflector.start();
  await clock.advance(149_000);
  last().send("BOOKMARK", { metadata: { resourceVersion: "11" } });
  await clock.advance(149_000);
  assert.equal(watches.length, 1);
  await clock.advance(2000);
  assert.deepEqual([watches.length, last().request.resourceVersion, lists.length], [2, "11", 1]);
  await reflector.stop();
});

test("createReflector finds by a list what a watch never told", async () => {
  const { clock, reflector, script, names } = setUp();
  reflector.start();
  await clock.advance(0);
  script.items = [object("a", "1"), object("missed", "11")];
  await clock.advance(500_000);
  assert.deepEqual(names(), ["a"]);
  await clock.advance(160_000);
  assert.deepEqual([names(), script.changes], [["a", "missed"], 2]);
  await reflector.stop();
});

test("createReflector watches on when the list that is a safety net fails", async () => {
  const { clock, reflector, script, last, names } = setUp();
  reflector.start();
  await clock.advance(0);
  script.onList = async () => {
    throw new KubeError("no list", { status: 500 });
  };
  await clock.advance(640_000);
  last().send("ADDED", object("b", "11"));
  assert.deepEqual(names(), ["a", "b"]);
  await reflector.stop();
});

test("createReflector reports a callback that throws and goes on", async () => {
  const { clock, reflector, script, last, names, problems } = setUp();
  script.onChange = () => {
    throw new Error("no");
  };
  reflector.start();
  await clock.advance(0);
  last().send("ADDED", object("b", "11"));
  assert.deepEqual([names(), problems.length], [["a", "b"], 2]);
  await reflector.stop();
});

test("createReflector lists anew after an event it cannot read", async () => {
  for (const event of [
    ["ADDED", { metadata: { name: "n" } }],
    ["ODD", object("n", "11")],
    ["ADDED", null],
    ["ADDED", undefined],
  ] as const) {
    const { clock, reflector, last, lists, names, problems } = setUp();
    reflector.start();
    await clock.advance(20_000);
    last().send(event[0], event[1]);
    await clock.advance(0);
    assert.deepEqual([lists.length, names(), problems.length], [2, ["a"], 1]);
    await reflector.stop();
  }
});

test("createReflector does nothing once stopped", async () => {
  const { clock, reflector, last, script, lists, names } = setUp();
  reflector.start();
  await clock.advance(0);
  const watching = last();
  await reflector.stop();
  watching.send("ADDED", object("b", "11"));
  reflector.start();
  await clock.advance(2_000_000);
  assert.deepEqual([names(), script.changes, lists.length, clock.waiting()], [["a"], 1, 1, 0]);
});

test("createReflector asks for smaller pages when one is too long, down to single objects", async () => {
  const { clock, lists, script, reflector } = setUp();
  script.onList = async ({ limit }) => {
    if (limit > 20) throw new KubeError("an answer is too long", { reason: tooLongReason });
    return { items: [object("a", "1")], resourceVersion: "10" };
  };
  reflector.start();
  for (let turn = 0; turn < 20 && !reflector.synced(); turn++) await clock.advance(1000);
  assert.ok(reflector.synced());
  assert.deepEqual(
    lists.map(({ limit }) => limit),
    [500, 125, 31, 7],
  );
  await reflector.stop();
});
