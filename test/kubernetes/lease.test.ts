// The election against a Lease in memory and a clock that the tests move.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createLeaderElection, microTime } from "../../src/kubernetes/lease.ts";
import { KubeError, type KubeObject } from "../../src/kubernetes/transport.ts";
import { createFakeClock } from "./fake-clock.ts";

function setUp() {
  const clock = createFakeClock();
  const server = {
    lease: undefined as KubeObject | undefined,
    version: 0,
    down: new Set<string>(),
  };
  const log: string[] = [];
  const store = (given: unknown): KubeObject => {
    server.version += 1;
    const object = given as KubeObject;
    const metadata = { ...object.metadata, resourceVersion: String(server.version) };
    server.lease = { ...object, metadata };
    return server.lease;
  };
  const candidate = (identity: string) => {
    const check = (): void => {
      if (server.down.has(identity)) throw new KubeError("down");
    };
    return createLeaderElection({
      client: {
        async get() {
          check();
          if (server.lease === undefined) throw new KubeError("none", { status: 404 });
          return server.lease;
        },
        async create(_path, object) {
          check();
          if (server.lease !== undefined) throw new KubeError("there", { status: 409 });
          return store(object);
        },
        async update(_path, object) {
          check();
          const { resourceVersion } = (object as KubeObject).metadata;
          if (resourceVersion !== server.lease?.metadata.resourceVersion) {
            throw new KubeError("changed", { status: 409 });
          }
          return store(object);
        },
      },
      namespace: "n",
      name: "l",
      identity,
      onElected: () => log.push(`${identity} leads`),
      onLost: () => log.push(`${identity} lost`),
      nowMs: clock.nowMs,
      wallMs: clock.nowMs,
      random: () => 0.5,
      delay: clock.delay,
    });
  };
  return { clock, server, log, candidate };
}

test("createLeaderElection elects one, who keeps the lease", async () => {
  const { clock, log, candidate } = setUp();
  const [a, b] = [candidate("a"), candidate("b")];
  a.start();
  b.start();
  await clock.advance(600_000);
  assert.deepEqual([log, a.leads(), b.leads()], [["a leads"], true, false]);
  await Promise.all([a.stop(), b.stop()]);
});

test("createLeaderElection hands on at once when the leader stops", async () => {
  const { clock, log, candidate } = setUp();
  const [a, b] = [candidate("a"), candidate("b")];
  a.start();
  b.start();
  await clock.advance(5000);
  await a.stop();
  await clock.advance(3000);
  assert.deepEqual(log, ["a leads", "a lost", "b leads"]);
  await b.stop();
});

test("createLeaderElection loses before another may lead when the server is away", async () => {
  const { clock, server, log, candidate } = setUp();
  const [a, b] = [candidate("a"), candidate("b")];
  a.start();
  b.start();
  await clock.advance(5000);
  server.down.add("a");
  await clock.advance(10_000);
  assert.deepEqual([log, a.leads()], [["a leads", "a lost"], false]);
  await clock.advance(10_000);
  assert.deepEqual(log, ["a leads", "a lost", "b leads"]);
  server.down.clear();
  await clock.advance(10_000);
  assert.equal(log.length, 3);
  await Promise.all([a.stop(), b.stop()]);
});

test("createLeaderElection loses at once when another holds the lease", async () => {
  const { clock, server, log, candidate } = setUp();
  const a = candidate("a");
  a.start();
  await clock.advance(1000);
  assert.ok(server.lease);
  server.lease = {
    metadata: { name: "l", resourceVersion: "99" },
    ...{ spec: { holderIdentity: "thief", leaseDurationSeconds: 15 } },
  };
  await clock.advance(2500);
  assert.deepEqual(log, ["a leads", "a lost"]);
  await a.stop();
});

test("microTime has six digits", () => {
  assert.equal(microTime(0), "1970-01-01T00:00:00.000000Z");
});
