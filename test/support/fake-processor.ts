// A processor that Envoy asks in the authorizer's place, and that ends, breaks or answers its streams as a test says; and a
// proxy that cuts what the real one says after so many bytes.

import { constants, createServer, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import {
  encodeProcessingResponse,
  type WireProcessingResponse,
} from "../../src/envoy/ext-proc/wire.ts";

/** What may be done to a stream. Nothing at all leaves it open and unanswered. */
export class FakeStream {
  readonly #stream: ServerHttp2Stream;
  /** Messages that have come. */
  messages = 0;

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
  }

  /** Sends the head of the answers, as each answer does. */
  begin(): void {
    if (this.#stream.headersSent) return;
    const head = { ":status": 200, "content-type": "application/grpc" };
    this.#stream.respond(head, { waitForTrailers: true });
  }

  answer(response: WireProcessingResponse | Buffer): void {
    const bytes = Buffer.isBuffer(response) ? response : encodeProcessingResponse(response);
    this.sendRaw(bytes, bytes.length);
  }

  /** A message that says it has `length` bytes. */
  sendRaw(bytes: Buffer, length: number, flag = 0): void {
    this.begin();
    const head = Buffer.alloc(5);
    head[0] = flag;
    head.writeUInt32BE(length, 1);
    this.#stream.write(Buffer.concat([head, bytes]));
  }

  /** Ends the stream with a gRPC status; 0 is a clean end. */
  end(status = 0): void {
    this.begin();
    this.#stream.once("wantTrailers", () =>
      this.#stream.sendTrailers({ "grpc-status": String(status) }),
    );
    this.#stream.end();
  }

  reset(code: number = constants.NGHTTP2_INTERNAL_ERROR): void {
    this.#stream.close(code);
  }

  hangUp(): void {
    this.#stream.session?.destroy();
  }
}

export type FakeProcessor = {
  readonly port: number;
  /** Streams so far. */
  streams(): number;
  stop(): Promise<void>;
};

/** `act` is called for each message that has begun to come; `stream.messages` counts them. */
export async function startFakeProcessor(
  act: (stream: FakeStream) => void,
): Promise<FakeProcessor> {
  let streams = 0;
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => {});
    streams += 1;
    const fake = new FakeStream(stream);
    stream.on("data", () => {
      fake.messages += 1;
      act(fake);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    streams: () => streams,
    stop: () =>
      new Promise((resolve) => {
        for (const session of sessions) session.destroy();
        server.close(() => resolve());
      }),
  };
}

export type CutProxy = {
  readonly port: number;
  /** For connections from now on: what is answered ends after so many bytes, as told. */
  cutAfter(bytes: number, how: "reset" | "end" | "stall"): void;
  /** Bytes answered on the connection opened last. */
  answered(): number;
  stop(): Promise<void>;
};

export async function startCutProxy(targetPort: number): Promise<CutProxy> {
  let limit = Number.POSITIVE_INFINITY;
  let how: Parameters<CutProxy["cutAfter"]>[1] = "reset";
  let answered = 0;
  const sockets = new Set<Socket>();
  const server = createTcpServer((incoming) => {
    const [own, way] = [limit, how];
    const outgoing = connect(targetPort, "127.0.0.1");
    answered = 0;
    for (const socket of [incoming, outgoing]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => {
        sockets.delete(socket);
        incoming.destroy();
        outgoing.destroy();
      });
    }
    incoming.pipe(outgoing);
    outgoing.on("data", (chunk: Buffer) => {
      const left = own - answered;
      answered += chunk.length;
      if (left > 0) incoming.write(chunk.subarray(0, left));
      if (chunk.length < left || way === "stall") return;
      if (way === "end") incoming.end();
      else incoming.resetAndDestroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cutAfter(bytes, way) {
      limit = bytes;
      how = way;
      for (const socket of sockets) socket.destroy();
    },
    answered: () => answered,
    stop: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
