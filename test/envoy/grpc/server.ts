// The server for tests of its transport: it answers every check, and its settings are theirs.

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { createCheckHandler } from "../../../src/envoy/ext-authz/handler.ts";
import { createProcessHandler, type ProcessDeps } from "../../../src/envoy/ext-proc/handler.ts";
import { createHealth } from "../../../src/envoy/grpc/health.ts";
import { createEnvoyServer, type EnvoyServerSettings } from "../../../src/envoy/server.ts";
import { wireCodec } from "../../../src/envoy/wire.ts";

const facts = {
  ...{ operation: "health", key: undefined, team: undefined, requestedModel: undefined },
  revision: undefined,
};

/** Gives its URL. */
export async function startServer(
  t: TestContext,
  more: Partial<EnvoyServerSettings>,
): Promise<string> {
  const deps: ProcessDeps = {
    decide: () => ({ kind: "answer", dialect: "openai", ...facts, status: 200, body: "" }),
    holder: { current: () => undefined },
    nowMs: () => 0,
    monotonicUs: () => 0,
    random: () => 0,
    observe: () => {},
    reportBug: (error) => assert.fail(String(error)),
    decideHeaders: () => undefined,
  };
  const settings: EnvoyServerSettings = {
    listen: ["127.0.0.1:0"],
    bodyBytesMax: 2 ** 20,
    inFlightBytesMax: 2 ** 24,
    waitingChecksMax: 1000,
    concurrentStreamsMax: 900,
    socketMode: 0o666,
    connectionAgeMs: 0,
    ...more,
  };
  const server = createEnvoyServer(settings, {
    codec: wireCodec,
    handler: createCheckHandler(deps),
    processHandler: createProcessHandler(deps),
    health: createHealth(() => true),
    nowMs: Date.now,
    onCallEnd: () => {},
  });
  t.after(() => server.stop(100));
  const [address = ""] = await server.listen();
  return `http://${address}`;
}
