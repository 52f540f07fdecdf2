// The gRPC server: limits, listeners, and the order in which it stops. What a check means is the handler's affair.

import { Server, ServerCredentials, type ServerInterceptor } from "@grpc/grpc-js";
import { type Admission, createAdmission } from "./admission.ts";
import { createGate } from "./admission-interceptor.ts";
import type { CheckHandler } from "./check-handler.ts";
import type { Health } from "./health.ts";
import { removeStaleSocket, setSocketMode } from "./unix-socket.ts";
import { checkPath, type WireCodec } from "./wire.ts";

/**
 * Room in a message for all that is not the body: 64 KiB by which Envoy's max_request_bytes stands above our body limit,
 * so that the 413 is ours, and 1 MiB for headers (Envoy's default limit is 60 KiB) and addresses. A longer message fails
 * below the handler, with RESOURCE_EXHAUSTED: an Envoy configured as documented never sends one.
 */
export const messageOverheadBytes = 64 * 1024 + 1024 * 1024;

export type EnvoyServerSettings = {
  /** `host:port`, `[v6]:port` or `unix:/path`. */
  readonly listen: readonly string[];
  readonly bodyBytesMax: number;
  /** Bytes of messages held at a time; at least one message of the largest size is always held. */
  readonly inFlightBytesMax: number;
  readonly waitingChecksMax: number;
  /** Per connection. Node's HTTP/2 ends a connection after about 1,000 quick resets: keep it below. */
  readonly concurrentStreamsMax: number;
  /** Mode of socket files. */
  readonly socketMode: number;
  /** Age at which a connection is asked to go away, so that Envoy spreads anew; 0: never. */
  readonly connectionAgeMs: number;
};

export type EnvoyServerDeps = {
  readonly codec: WireCodec;
  readonly handler: CheckHandler;
  readonly health: Health;
  readonly nowMs: () => number;
  readonly onCallEnd: (path: string, code: string) => void;
};

export type EnvoyServer = {
  /** Binds every address and gives them as they turned out. Throws, bound to none, when one of them fails. */
  listen(): Promise<readonly string[]>;
  readonly admission: Pick<Admission, "active" | "waiting">;
  /** Moves peers away, lets running checks finish for at most `graceMs`, then ends everything. Never throws. */
  stop(graceMs: number): Promise<void>;
};

export function receiveBytesMax(bodyBytesMax: number): number {
  return bodyBytesMax + messageOverheadBytes;
}

export function createEnvoyServer(
  settings: EnvoyServerSettings,
  { codec, handler, health, nowMs, onCallEnd }: EnvoyServerDeps,
): EnvoyServer {
  const messageBytesMax = receiveBytesMax(settings.bodyBytesMax);
  const admission = createAdmission({
    slots: Math.max(1, Math.floor(settings.inFlightBytesMax / messageBytesMax)),
    waitingMax: settings.waitingChecksMax,
  });
  const gate = createGate({
    admission,
    nowMs,
    onCallEnd,
    refuseOverloaded: () => handler.refuse("overloaded"),
  });
  const server = createGrpcServer(settings, messageBytesMax, gate);
  // Bytes in, bytes out: decoding in the handler makes garbage a refusal in a healthy RPC instead of a failed one.
  const asIs = (bytes: Buffer): Buffer => bytes;
  server.register<Buffer, Buffer>(
    checkPath,
    (call: { readonly request: Buffer }, callback: (error: null, value: Buffer) => void) =>
      callback(null, handler.handle(call.request)),
    asIs,
    asIs,
    "unary",
  );
  server.addService(codec.health, health.implementation);
  let bound: readonly string[] = [];
  return {
    admission,
    async listen() {
      try {
        for (const address of settings.listen) {
          bound = [...bound, await bind(server, address, settings.socketMode)];
        }
      } catch (error) {
        server.forceShutdown();
        throw error;
      }
      return bound;
    },
    async stop(graceMs) {
      health.endWatches();
      for (const address of bound) server.drain(address, graceMs);
      await tryShutdown(server, graceMs);
      server.forceShutdown();
    },
  };
}

function createGrpcServer(
  { concurrentStreamsMax, connectionAgeMs }: EnvoyServerSettings,
  messageBytesMax: number,
  gate: ServerInterceptor,
): Server {
  return new Server({
    "grpc.max_receive_message_length": messageBytesMax,
    "grpc.max_concurrent_streams": concurrentStreamsMax,
    // It keeps a history of every connection and has leaked before (kubernetes-facts D1).
    "grpc.enable_channelz": 0,
    // Finds peers that vanished without a word; Envoy answers pings.
    "grpc.keepalive_time_ms": 60_000,
    "grpc.keepalive_timeout_ms": 20_000,
    ...(connectionAgeMs === 0
      ? {}
      : {
          "grpc.max_connection_age_ms": connectionAgeMs,
          "grpc.max_connection_age_grace_ms": 30_000,
        }),
    interceptors: [gate],
  });
}

async function bind(server: Server, address: string, socketMode: number): Promise<string> {
  const path = address.startsWith("unix:") ? address.slice("unix:".length) : undefined;
  if (path !== undefined) await removeStaleSocket(path);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, boundPort) => {
      if (error === null) resolve(boundPort);
      else reject(new Error(`cannot listen on ${address}: ${error.message}`, { cause: error }));
    });
  });
  if (path === undefined) return address.replace(/:[0-9]+$/, `:${port}`);
  await setSocketMode(path, socketMode);
  return address;
}

/** Half-dead connections have kept it waiting for ever (grpc-node#1458), so it races a timer. */
function tryShutdown(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
