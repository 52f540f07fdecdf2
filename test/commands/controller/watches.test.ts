// Definitions that are not installed: named, waited for, and nobody else's concern.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createWatches, missingMsMin } from "../../../src/commands/controller/watches.ts";
import type { KubeClient } from "../../../src/kubernetes/client.ts";
import { KubeError, type KubeObject } from "../../../src/kubernetes/transport.ts";

const kinds = ["modelaliases", "teams", "virtualkeys", "accessgroups", "models"] as const;

function script(...missing: readonly string[]) {
  const state = { nowMs: 0, missing: new Set(missing), changes: 0, statuses: [404] };
  let asked = 0;
  const waits = new Set<{ readonly atMs: number; readonly end: () => void }>();
  const problems: string[] = [];
  const collection = (path: string) => {
    const plural = path.split("/").at(-1) ?? "";
    const metadata = { name: "x", namespace: "default", uid: "u", resourceVersion: "1" };
    const items = [{ metadata: { ...metadata, generation: 1 }, spec: {} } as KubeObject];
    return {
      list: async () => {
        if (state.missing.has(plural)) {
          const status = state.statuses[asked++ % state.statuses.length];
          throw new KubeError("no", { status });
        }
        return { items, resourceVersion: "1" };
      },
      watch: (_: unknown, __: unknown, signal: AbortSignal) =>
        new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve())),
    };
  };
  const watches = createWatches({
    ...{ client: { collection } as unknown as KubeClient, namespace: "default", configMap: "p" },
    time: {
      nowMs: () => state.nowMs,
      random: () => 0.5,
      delay: (ms, signal) =>
        new Promise((resolve) => {
          const wait = { atMs: state.nowMs + ms, end: resolve };
          waits.add(wait);
          signal.addEventListener("abort", () => {
            waits.delete(wait);
            resolve();
          });
        }),
    },
    onObject: () => {
      state.changes += 1;
    },
    onConfigMap: () => undefined,
    onProblem: (kind, problem) => problems.push(`${kind}: ${problem}`),
  });
  const settle = async (): Promise<void> => {
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  };
  const advance = async (ms: number): Promise<void> => {
    const endMs = state.nowMs + ms;
    for (;;) {
      await settle();
      const [due] = [...waits].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
      if (due === undefined) break;
      state.nowMs = Math.max(state.nowMs, due.atMs);
      waits.delete(due);
      due.end();
    }
    state.nowMs = endMs;
    await settle();
  };
  watches.start();
  return { state, watches, problems, advance };
}

test("createWatches goes on without a kind whose definition is not installed, whichever it is, and takes it once it is", async () => {
  for (const plural of kinds) {
    const { state, watches, problems, advance } = script(plural);
    const name = `${plural}.aliasguard.dev`;
    await advance(missingMsMin - 1000);
    assert.deepEqual(watches.missing(), [name]);
    assert.equal(watches.objects(), undefined);
    await advance(10_000);
    assert.equal(watches.areSynced(), true);
    assert.equal(watches.objects()?.length, 4);
    assert.ok(state.changes > 4);
    assert.match(problems[0] ?? "", new RegExp(`the definition ${name} is not installed`));
    state.missing.clear();
    await advance(15_000);
    assert.deepEqual(watches.missing(), []);
    assert.equal(watches.objects()?.length, 5);
    await watches.stop();
  }
});

test("createWatches believes no server that says now this and now that", async () => {
  const { state, watches, advance } = script("teams");
  state.statuses = [404, 503];
  for (let turn = 0; turn < 20; turn++) {
    await advance(5000);
    assert.equal(watches.objects(), undefined);
  }
  await watches.stop();
});

test("createWatches waits for a kind that may not be listed, or whose list fails", async () => {
  for (const status of [403, 500, 401]) {
    const { state, watches, advance } = script("teams");
    state.statuses = [status];
    await advance(60_000);
    assert.equal(watches.objects(), undefined);
    assert.deepEqual(watches.missing(), []);
    assert.match(watches.silent() ?? "", /^teams: no/);
    await watches.stop();
  }
});
