// What the tests of the gRPC server over real sockets share: the server with a decision made up, and a peer that speaks
// HTTP/2 by hand.

import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import type { TestContext } from "node:test";
import type { Decision } from "../../src/core/decision.ts";
import { createCheckHandler } from "../../src/envoy/ext-authz/handler.ts";
import { createProcessHandler, type ProcessDeps } from "../../src/envoy/ext-proc/handler.ts";
import { createHealth, type Health } from "../../src/envoy/grpc/health.ts";
import type { TlsGate } from "../../src/envoy/grpc/tls.ts";
import {
  createEnvoyServer,
  type EnvoyServer,
  type EnvoyServerSettings,
} from "../../src/envoy/server.ts";
import { checkPath, wireCodec } from "../../src/envoy/wire.ts";

/** What a server answers whose decision does not matter. */
export const probe: Decision = {
  ...{ kind: "answer", dialect: "openai", operation: "health", key: undefined, team: undefined },
  ...{ requestedModel: undefined, revision: undefined, status: 200, body: "" },
};

/** No clock, no log; a bug fails the test. */
export function handlerDeps(decide: () => Decision): ProcessDeps {
  return {
    decide,
    decideHeaders: () => undefined,
    holder: { current: () => undefined },
    nowMs: () => 0,
    monotonicUs: () => 0,
    random: () => 0,
    observe: () => {},
    reportBug: (error) => {
      throw error;
    },
  };
}

export type Started = {
  readonly server: EnvoyServer;
  readonly addresses: readonly string[];
  readonly url: string;
  /** `PATH CODE` of each call that has ended. */
  readonly calls: string[];
};

export type ServerUnderTest = {
  readonly deps: ProcessDeps;
  readonly settings: Partial<EnvoyServerSettings>;
  readonly health?: Health;
  readonly tls?: TlsGate;
};

/** A server on loopback that stops with the test. */
export async function startServer(
  t: TestContext,
  { deps, settings, health = createHealth(() => true), tls }: ServerUnderTest,
): Promise<Started> {
  const calls: string[] = [];
  const server = createEnvoyServer(
    {
      listen: ["127.0.0.1:0"],
      bodyBytesMax: 1024 * 1024,
      inFlightBytesMax: 1024 * 1024,
      waitingChecksMax: 100,
      concurrentStreamsMax: 900,
      socketMode: 0o600,
      connectionAgeMs: 0,
      ...settings,
    },
    {
      codec: wireCodec,
      handler: createCheckHandler(deps),
      processHandler: createProcessHandler(deps),
      health,
      nowMs: Date.now,
      onCallEnd: (path, code) => calls.push(`${path} ${code}`),
      ...(tls === undefined ? {} : { tls }),
    },
  );
  t.after(() => server.stop(100));
  const addresses = await server.listen();
  return { server, addresses, url: `http://${addresses[0] ?? ""}`, calls };
}

/** A connection that errors without a word and ends with the test. */
export function open(t: TestContext, url: string): ClientHttp2Session {
  const session = connect(url);
  session.on("error", () => {});
  t.after(() => session.destroy());
  return session;
}

/** A gRPC call that has sent its headers; a check unless `:path` says otherwise. */
export function begin(
  session: ClientHttp2Session,
  more: Readonly<Record<string, string>> = {},
): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": checkPath,
    "content-type": "application/grpc",
    te: "trailers",
    ...more,
  });
  stream.on("error", () => {});
  return stream;
}

/** gRPC's prefix and the message behind it; `flag` and `length` may lie. */
export function frame(bytes: Buffer, flag = 0, length = bytes.length): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, bytes]);
}
