// The gRPC server on Node's own HTTP/2: limits, listeners, and the order in which it stops. What a check means is the
// handler's affair. A gRPC library would hand a message over only when all of it is in memory (docs/reference/limits.md).

import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { ListenOptions, Server, Socket } from "node:net";
import { setDefaultHighWaterMark } from "node:stream";
import { CheckCall } from "./ext-authz/call.ts";
import type { CheckHandler } from "./ext-authz/handler.ts";
import { ProcessCall, responseStreamsBytesMax } from "./ext-proc/call.ts";
import { chunkBytesMax } from "./ext-proc/chunks.ts";
import type { ProcessHandler } from "./ext-proc/handler.ts";
import { processPath } from "./ext-proc/wire.ts";
import {
  type Admission,
  createAdmission,
  createIdleRoom,
  type IdleRoom,
  idleBytesMax,
} from "./grpc/admission.ts";
import { createDeadlines, type Deadlines } from "./grpc/deadlines.ts";
import { type Health, healthMethod } from "./grpc/health.ts";
import { isGrpc, sendStatus } from "./grpc/stream.ts";
import type { TlsGate } from "./grpc/tls.ts";
import { removeStaleSocket, setSocketMode } from "./grpc/unix-socket.ts";
import { createWindows, type Windows, wideStreamsMax } from "./grpc/windows.ts";
import { checkPath, type WireCodec } from "./wire.ts";

/**
 * Room in a message for all that is not the body: 64 KiB by which Envoy's max_request_bytes stands above our body limit,
 * so that the 413 is exact, and 1 MiB for headers (Envoy's default limit is 60 KiB) and addresses. A longer message is
 * refused with 413 unread.
 */
export const messageOverheadBytes = 64 * 1024 + 1024 * 1024;

/** What Node reads ahead of each stream, paused ones too. Node can set it for the process only; its default is 64 KiB. */
const readAheadBytes = 16 * 1024;

/** Megabytes of headers, unsent answers and nghttp2's own that one connection may hold. Node's default is 10. */
const sessionMemoryMax = 64;

/**
 * Resets that a peer may send at once, and a second. Envoy resets every stream of ext_proc once it has ended, and those of
 * callers that go: with Node's own 1,000 and 33 a busy connection would be ended, with all that runs on it.
 */
const resetsMax = 1_000_000;

/**
 * Streams that may be refused in a connection's life before it is ended; Node's own is 100. A stream is refused while
 * `concurrentStreamsMax` stand, and those of callers that have gone still stand until their ends are dealt with.
 */
const refusedStreamsMax = 2 ** 31 - 1;

/** Finds peers that vanished without a word; Envoy answers pings. */
const pingEveryMs = 60_000;
const pongWithinMs = 20_000;

/** Time that last refusals get to reach their peers when the server ends everything. */
const lastWordsMs = 250;

/** Time that a connection over its age gets for its running calls. */
const ageGraceMs = 30_000;

export type EnvoyServerSettings = {
  /** `host:port`, `[v6]:port` or `unix:/path`. */
  readonly listen: readonly string[];
  readonly bodyBytesMax: number;
  /** Bytes of messages held at a time; at least one message of the largest size is always held. */
  readonly inFlightBytesMax: number;
  readonly waitingChecksMax: number;
  /** Per connection. */
  readonly concurrentStreamsMax: number;
  /** Mode of socket files. */
  readonly socketMode: number;
  /** Age at which a connection is asked to go away, so that Envoy spreads anew; 0: never. */
  readonly connectionAgeMs: number;
};

export type EnvoyServerDeps = {
  readonly codec: WireCodec;
  readonly handler: CheckHandler;
  readonly processHandler: ProcessHandler;
  readonly health: Health;
  readonly nowMs: () => number;
  /** How an RPC ended, by its path and gRPC code name. */
  readonly onCallEnd: (path: string, code: string) => void;
  /** In front of every TCP address; none: plain text. */
  readonly tls?: TlsGate;
};

export type EnvoyServer = {
  /** Binds every address and gives them as they turned out. Throws, bound to none, when one of them fails. */
  listen(): Promise<readonly string[]>;
  readonly admission: Pick<Admission, "active" | "waiting" | "bytes">;
  /** Moves peers away, lets running checks finish for at most `graceMs`, then ends everything. Never throws. */
  stop(graceMs: number): Promise<void>;
};

export function receiveBytesMax(bodyBytesMax: number): number {
  return bodyBytesMax + messageOverheadBytes;
}

export function createEnvoyServer(
  settings: EnvoyServerSettings,
  deps: EnvoyServerDeps,
): EnvoyServer {
  setDefaultHighWaterMark(false, readAheadBytes);
  const admission = createAdmission({
    bytesMax: settings.inFlightBytesMax,
    waitingMax: settings.waitingChecksMax,
  });
  const streams = new Set<ProcessCall>();
  const rooms: Rooms = {
    admission,
    idleRoom: createIdleRoom(idleBytesMax),
    responseRoom: createIdleRoom(responseStreamsBytesMax),
    chunkRoom: createIdleRoom(chunkBytesMax),
    streams,
    deadlines: createDeadlines(),
    windows: createWindows(wideStreamsMax(settings.inFlightBytesMax)),
  };
  const route = createRouter(rooms, receiveBytesMax(settings.bodyBytesMax), deps);
  const peers: Peers = { sessions: new Set(), sockets: new Set() };
  const servers: Server[] = [];

  async function bind(address: string): Promise<string> {
    const http = createHttp2Server(settings, { ...peers, windows: rooms.windows }, route);
    const path = address.startsWith("unix:") ? address.slice("unix:".length) : undefined;
    const isTls = path === undefined && deps.tls !== undefined;
    const server = isTls ? deps.tls.listenerFor(http, (socket) => keep(socket, peers)) : http;
    if (path !== undefined) await removeStaleSocket(path);
    await listening(server, address, path === undefined ? toHostPort(address) : { path });
    servers.push(server);
    if (path !== undefined) await setSocketMode(path, settings.socketMode);
    const bound = server.address();
    if (typeof bound !== "object" || bound === null) return address;
    return address.replace(/:[0-9]+$/, `:${bound.port}`);
  }

  return {
    admission,
    async listen() {
      const bound: string[] = [];
      try {
        for (const address of settings.listen) bound.push(await bind(address));
      } catch (error) {
        await Promise.all(servers.map(closed));
        throw error;
      }
      return bound;
    },
    async stop(graceMs) {
      deps.health.endWatches();
      const ends = servers.map(closed);
      for (const session of peers.sessions) session.close();
      const timers = [
        setTimeout(() => {
          // Callers that still upload, and responses that are still read.
          for (const stream of streams) stream.end();
        }, graceMs),
        setTimeout(() => {
          // A session that is destroyed waits for its peer to hang up.
          for (const socket of peers.sockets) socket.destroy();
        }, graceMs + lastWordsMs),
      ];
      await Promise.all(ends);
      for (const timer of timers) clearTimeout(timer);
    },
  };
}

type Peers = { readonly sessions: Set<ServerHttp2Session>; readonly sockets: Set<Socket> };
type Rooms = {
  readonly admission: Admission;
  readonly idleRoom: IdleRoom;
  readonly responseRoom: IdleRoom;
  readonly chunkRoom: IdleRoom;
  /** The streams of ext_proc that are open. */
  readonly streams: Set<ProcessCall>;
  readonly deadlines: Deadlines;
  readonly windows: Windows;
};
type Route = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

function createRouter(
  { admission, idleRoom, responseRoom, chunkRoom, streams, deadlines, windows }: Rooms,
  messageBytesMax: number,
  { codec, handler, processHandler, health, nowMs, onCallEnd }: EnvoyServerDeps,
): Route {
  const onEnd = (code: string): void => onCallEnd(checkPath, code);
  const toCall = { admission, deadlines, messageBytesMax, nowMs };
  const toCheck = { ...toCall, handler, onEnd };
  const toProcess = {
    ...toCall,
    ...{ idleRoom, responseRoom, chunkRoom },
    handler: processHandler,
    onEnd: (code: string) => onCallEnd(processPath, code),
  };
  return (stream, headers) => {
    // Each error is followed by `close`, which is what counts.
    stream.on("error", () => {});
    windows.streamOpened();
    stream.on("close", windows.streamClosed);
    const path = headers[":path"];
    const method = healthMethod(path);
    if (!isGrpc(headers)) stream.respond({ ":status": 415 }, { endStream: true });
    else if (path === checkPath) new CheckCall(stream, headers, toCheck);
    else if (path === processPath) {
      const call = new ProcessCall(stream, headers, toProcess);
      streams.add(call);
      stream.once("close", () => streams.delete(call));
    } else if (method !== undefined) {
      health.take(stream, method, { codec, onEnd: (code) => onCallEnd(path ?? "", code) });
    } else sendStatus(stream, "Unimplemented", "unknown method");
  };
}

function createHttp2Server(
  { concurrentStreamsMax, connectionAgeMs }: EnvoyServerSettings,
  peers: Peers & { readonly windows: Windows },
  route: Route,
): Http2Server {
  const { sessions, windows } = peers;
  const server = createServer({
    settings: {
      maxConcurrentStreams: concurrentStreamsMax,
      initialWindowSize: windows.initialBytes,
    },
    maxSessionMemory: sessionMemoryMax,
    maxSessionRejectedStreams: refusedStreamsMax,
    ...{ streamResetBurst: resetsMax, streamResetRate: resetsMax },
  });
  server.on("stream", route);
  // Without a listener it would be thrown; the connection is closed already.
  server.on("sessionError", () => {});
  server.on("connection", (socket: Socket) => keep(socket, peers));
  server.on("session", (session) => {
    sessions.add(session);
    windows.sessionOpened(session);
    const timers = [setInterval(() => ping(session), pingEveryMs)];
    if (connectionAgeMs > 0) {
      timers.push(setTimeout(() => session.close(), connectionAgeMs));
      timers.push(setTimeout(() => session.destroy(), connectionAgeMs + ageGraceMs));
    }
    for (const timer of timers) timer.unref();
    session.once("close", () => {
      sessions.delete(session);
      windows.sessionClosed(session);
      for (const timer of timers) clearTimeout(timer);
    });
  });
  return server;
}

function keep(socket: Socket, { sockets }: Peers): void {
  sockets.add(socket);
  socket.once("close", () => sockets.delete(socket));
}

function ping(session: ServerHttp2Session): void {
  const timer = setTimeout(() => session.destroy(), pongWithinMs);
  timer.unref();
  const isSent = session.ping((error) => {
    clearTimeout(timer);
    if (error !== null) session.destroy();
  });
  if (!isSent) session.destroy();
}

function toHostPort(address: string): ListenOptions {
  const [, host = "", port] = /^\[?(.*?)\]?:([0-9]+)$/.exec(address) ?? [];
  return { host, port: Number(port) };
}

function listening(server: Server, address: string, where: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on("error", (error) => {
      reject(new Error(`cannot listen on ${address}: ${error.message}`, { cause: error }));
    });
    server.listen(where, resolve);
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
