// Reads the messages of a response as they come: most are small, come often and are dealt with at once. Long ones have room
// of their own, so that neither they nor the bodies of requests wait for each other; without room they are not read.

import type { ServerHttp2Stream } from "node:http2";
import type { IdleRoom } from "../grpc/admission.ts";
import { isOver, prefixBytes } from "../grpc/stream.ts";

/**
 * Most bytes of messages that have not come whole, of all responses together. Envoy sends what the backend has sent since
 * its last message, up to its buffer limit.
 */
export const chunkBytesMax = 64 * 1024 * 1024;

export type ChunkReaderOptions = {
  readonly room: IdleRoom;
  readonly messageBytesMax: number;
  /** Whether the next message must be read although there is no room: without it the response would lack some bytes. */
  readonly mustRead: () => boolean;
};

/** None is called after `stop`. */
export type ChunkEvents = {
  /** A whole message, a view of what has come: to be dealt with before this returns. */
  readonly message: (bytes: Buffer) => void;
  /** Nothing more is read: the peer has ended its side, a message has no room, or is none. */
  readonly ended: () => void;
};

const nothing = Buffer.alloc(0);

export class ChunkReader {
  readonly #options: ChunkReaderOptions;
  readonly #events: ChunkEvents;
  #hasStopped = false;
  /** Less than a prefix. */
  #first: Buffer = nothing;
  #message: Buffer | undefined;
  #length = 0;
  #roomBytes = 0;

  /** `rest` is what has come already. */
  constructor(
    stream: ServerHttp2Stream,
    options: ChunkReaderOptions,
    events: ChunkEvents,
    rest: Buffer,
  ) {
    this.#options = options;
    this.#events = events;
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
    stream.once("end", () => {
      if (!isOver(stream)) this.#end();
    });
    if (rest.length > 0) this.#take(rest);
  }

  /** Reads no more and gives its room back. Safe to call twice. */
  stop(): void {
    this.#hasStopped = true;
    this.#first = nothing;
    this.#forget();
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0 && !this.#hasStopped) {
      rest = this.#message === undefined ? this.#takeFirst(rest) : this.#fill(this.#message, rest);
    }
  }

  /** What of `chunk` is left. */
  #takeFirst(chunk: Buffer): Buffer {
    const bytes = this.#first.length === 0 ? chunk : Buffer.concat([this.#first, chunk]);
    this.#first = nothing;
    if (bytes.length < prefixBytes) {
      // A copy, so that the chunk itself is let go.
      this.#first = Buffer.from(bytes);
      return nothing;
    }
    const size = bytes.readUInt32BE(1);
    const end = prefixBytes + size;
    if (bytes[0] !== 0 || size > this.#options.messageBytesMax) this.#end();
    else if (bytes.length >= end) {
      this.#events.message(bytes.subarray(prefixBytes, end));
      return bytes.subarray(end);
    } else if (this.#enter(size)) {
      this.#message = Buffer.allocUnsafeSlow(size);
      return bytes.subarray(prefixBytes);
    } else this.#end();
    return nothing;
  }

  #enter(size: number): boolean {
    if (!this.#options.room.enter(size)) return this.#options.mustRead();
    this.#roomBytes = size;
    return true;
  }

  #fill(message: Buffer, chunk: Buffer): Buffer {
    const wanted = message.length - this.#length;
    message.set(wanted < chunk.length ? chunk.subarray(0, wanted) : chunk, this.#length);
    this.#length += Math.min(wanted, chunk.length);
    if (this.#length === message.length) {
      this.#events.message(message);
      this.#forget();
    }
    return chunk.subarray(wanted);
  }

  #end(): void {
    if (this.#hasStopped) return;
    this.stop();
    this.#events.ended();
  }

  #forget(): void {
    this.#options.room.leave(this.#roomBytes);
    this.#roomBytes = 0;
    this.#message = undefined;
    this.#length = 0;
  }
}
