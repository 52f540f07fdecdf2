// A server for check.ts in a process of its own: `raw FILE` answers the bytes of a file on bare node:http2, which is Node's own
// limit; `ordinary KEYS FILE` is in ordinary-server.ts; `ours KEYS` is the whole product with metrics and without logs.

import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http2";
import { createDecider } from "../../src/core/decide.ts";
import { defaultDecisionSettings } from "../../src/core/decision-settings.ts";
import { createAliasScope, noAliases } from "../../src/core/permission/alias-scope.ts";
import { toPatternSet } from "../../src/core/permission/pattern-set.ts";
import type { KeyRecord, Snapshot } from "../../src/core/permission/snapshot.ts";
import { createCheckHandler } from "../../src/envoy/ext-authz/handler.ts";
import { createProcessHandler, type ProcessDeps } from "../../src/envoy/ext-proc/handler.ts";
import { createHealth } from "../../src/envoy/grpc/health.ts";
import { createEnvoyServer } from "../../src/envoy/server.ts";
import { wireCodec } from "../../src/envoy/wire.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { benchSecret } from "./agent-body.ts";
import { startOrdinary } from "./ordinary-server.ts";

const [kind, second = "", third = ""] = process.argv.slice(2);

function snapshotOf(count: number): Snapshot {
  const none = toPatternSet([]);
  const grant = {
    models: [toPatternSet(["vendor/model"])],
    aliases: new Set<string>(),
    deny: none,
  };
  const records = Array.from({ length: count }, (_, at): [string, KeyRecord] => {
    const name = `key-${at}`;
    const key = { name, team: undefined, grant, aliases: noAliases, disabled: false } as const;
    const record = { key: { ...key, notBeforeMs: undefined, expiresAtMs: undefined } };
    const digest = hash("sha256", benchSecret(at), "hex");
    return [digest, { ...record, validUntilMs: undefined }];
  });
  const targets = [{ model: "vendor/model", weight: 1 }];
  const alias = { name: "alias", targets, stickyBy: { kind: "request" }, hidden: false } as const;
  return {
    revision: "0000000000000000",
    catalogue: { closed: false, models: new Map() },
    aliases: createAliasScope([alias]),
    keys: new Map(records),
  };
}

async function ours(count: number): Promise<string> {
  const snapshot = snapshotOf(count);
  const metrics = createMetrics({
    inFlight: () => ({ active: server.admission.active(), waiting: server.admission.waiting() }),
    policy: () => ({ healthy: true, loadedAtMs: 0, counts: {} }),
    certificateExpiresAtMs: () => undefined,
    droppedLogLines: () => 0,
  });
  const deps: ProcessDeps = {
    ...createDecider({ ...defaultDecisionSettings, hashSeed: 1 }),
    holder: { current: () => snapshot },
    nowMs: () => Date.now(),
    monotonicUs: () => performance.now() * 1000,
    random: () => Math.random(),
    observe: metrics.observe,
    reportBug: (error) => {
      throw error;
    },
  };
  const handler = createCheckHandler(deps);
  const processHandler = createProcessHandler(deps);
  const server = createEnvoyServer(
    {
      listen: ["127.0.0.1:0"],
      bodyBytesMax: defaultDecisionSettings.bodyBytesMax,
      inFlightBytesMax: 2 ** 30,
      waitingChecksMax: 4096,
      concurrentStreamsMax: 512,
      socketMode: 0o666,
      connectionAgeMs: 0,
    },
    {
      codec: wireCodec,
      handler,
      processHandler,
      health: createHealth(() => true),
      nowMs: () => Date.now(),
      onCallEnd: metrics.callEnded,
    },
  );
  const [address = ""] = await server.listen();
  return address;
}

/** As little as a gRPC server can do: reads to the end, and answers. */
function raw(answer: Buffer): Promise<string> {
  const server = createServer();
  server.on("stream", (stream) => {
    stream.on("data", () => {});
    stream.on("end", () => {
      stream.respond(
        { ":status": 200, "content-type": "application/grpc" },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(answer);
    });
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const bound = server.address();
      resolve(`127.0.0.1:${typeof bound === "object" && bound !== null ? bound.port : 0}`);
    });
  });
}

function started(): Promise<string> {
  if (kind === "raw") return raw(readFileSync(second));
  if (kind === "ordinary") return startOrdinary(Number(second), readFileSync(third).subarray(5));
  return ours(Number(second));
}

process.stdout.write(`${await started()}\n`);
