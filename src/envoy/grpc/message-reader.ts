// Reads length-prefixed messages from an HTTP/2 stream, each only as far as there is room for it. What cannot be read, or
// not in time, is told as the reason of a refusal: whoever owns the call answers it.

import type { ServerHttp2Stream } from "node:http2";
import type { DenyReason } from "../../core/denials.ts";
import type { Admission, Place } from "./admission.ts";
import type { Deadlines, Waiting } from "./deadlines.ts";
import { isOver, prefixBytes } from "./stream.ts";

/** Longest time from the first byte of a message until it has been read, in milliseconds. */
export const readMsMax = 10_000;

/** Bytes that are read before there is room, and how long a message without a place may take to bring them. */
const firstBytesMax = 8192;
const firstBytesMs = 1000;

/** A message that has room and brings nothing for so long gives its room to those that wait for it. */
const stalledMs = 2000;

export type ReaderOptions = {
  readonly admission: Admission;
  readonly deadlines: Deadlines;
  readonly messageBytesMax: number;
  /** Longest time for the first message from now on, in milliseconds; the others get `readMsMax` from their first byte. */
  readonly firstMsMax: number;
  /** Longest wait for room, in milliseconds. */
  readonly roomMsMax: number;
  /** One message, and the end of the stream right behind it; otherwise any number, each told as soon as it is whole. */
  readonly isUnary: boolean;
};

/** None is called after `stop`, and `refused` and `ended` end the reading by themselves. */
export type ReaderEvents = {
  /**
   * A whole message, to be dealt with before this returns. Its room is held until then; after `stop`, until `leave`. `rest` is
   * what came behind it, which is for whoever reads on after `stop`.
   */
  readonly message: (bytes: Buffer, rest: Buffer) => void;
  /** `seen` is what came of the message. */
  readonly refused: (reason: DenyReason, seen: Uint8Array) => void;
  /** The peer will send nothing more, and the last message was whole. */
  readonly ended: () => void;
};

const nothing = Buffer.alloc(0);

export class MessageReader implements Waiting {
  readonly #stream: ServerHttp2Stream;
  readonly #options: ReaderOptions;
  readonly #events: ReaderEvents;
  #place: Place | undefined;
  /** When the message, or the room for it, must have come, and when to look for a stall: of `performance.now()`. */
  #lastMs = Number.POSITIVE_INFINITY;
  #stallLookMs = Number.POSITIVE_INFINITY;
  dueMs = Number.POSITIVE_INFINITY;
  /** `#lastMs` of the message while that of the room counts. */
  #messageLastMs: number | undefined;
  #hasStalled = false;
  #hasBegun = false;
  #hasStopped = false;
  /** What has come before the message has room: the prefix, and of the message no more than one read. */
  #first: Buffer = nothing;
  #message: Buffer | undefined;
  #length = 0;

  constructor(stream: ServerHttp2Stream, options: ReaderOptions, events: ReaderEvents) {
    this.#stream = stream;
    this.#options = options;
    this.#events = events;
    this.#begin(options.firstMsMax);
    stream.on("end", () => this.#takeEnd());
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
  }

  /** Reads no more and forgets what it has; the room stays taken until `leave`. */
  stop(): void {
    this.#hasStopped = true;
    this.#forget();
  }

  /** Gives the room back. Safe to call twice. */
  leave(): void {
    this.#place?.leave();
  }

  #begin(msMax: number): void {
    this.#hasBegun = true;
    this.#place = this.#options.admission.enter();
    const patienceMs = this.#place === undefined ? Math.min(firstBytesMs, msMax) : msMax;
    this.#lastMs = performance.now() + patienceMs;
    this.dueMs = this.#lastMs;
    this.#options.deadlines.add(this);
  }

  expire(nowMs: number): void {
    if (nowMs >= this.#lastMs) this.#refuse("overloaded");
    else {
      this.#lookForStall();
      this.#stallLookMs = nowMs + stalledMs / 2;
      this.dueMs = Math.min(this.#lastMs, this.#stallLookMs);
    }
  }

  #take(chunk: Buffer): void {
    if (this.#hasStopped) return;
    this.#hasStalled = false;
    if (!this.#hasBegun) this.#begin(readMsMax);
    if (this.#message === undefined) this.#takeFirst(chunk);
    else this.#takeMore(this.#message, chunk);
  }

  #takeFirst(chunk: Buffer): void {
    this.#first = this.#first.length === 0 ? chunk : Buffer.concat([this.#first, chunk]);
    if (this.#first.length < prefixBytes) return;
    const size = this.#first.readUInt32BE(1);
    // A refusal for want of room is in the caller's dialect: the path must have come.
    if (this.#first.length < Math.min(prefixBytes + size, firstBytesMax)) return;
    if (this.#place === undefined) this.#refuse("overloaded");
    else if (this.#first[0] !== 0) this.#refuse("request_unreadable");
    else if (size > this.#options.messageBytesMax) this.#refuse("body_too_large");
    else if (this.#first.length >= prefixBytes + size) {
      // All of it is here: it needs no room but what it has already.
      this.#message = this.#first.subarray(prefixBytes, prefixBytes + size);
      this.#length = size;
      this.#whole(this.#first.subarray(prefixBytes + size));
    } else this.#ask(this.#place, size);
  }

  #ask(place: Place, size: number): void {
    this.#stream.pause();
    // A copy: the chunk would keep a whole read of the connection alive.
    this.#first = Buffer.from(this.#first);
    place.ask(size, {
      granted: () => this.#grant(size),
      refused: () => this.#refuse("overloaded"),
    });
    if (this.#message !== undefined || this.#hasStopped) return;
    this.#messageLastMs = this.#lastMs;
    this.#lastMs = Math.min(this.#lastMs, performance.now() + this.#options.roomMsMax);
    this.dueMs = this.#lastMs;
  }

  #grant(size: number): void {
    this.#lastMs = this.#messageLastMs ?? this.#lastMs;
    this.#message = Buffer.allocUnsafeSlow(size);
    const first = this.#first.subarray(prefixBytes);
    this.#first = nothing;
    this.#stallLookMs = performance.now() + stalledMs / 2;
    this.dueMs = Math.min(this.#lastMs, this.#stallLookMs);
    this.#takeMore(this.#message, first);
    this.#stream.resume();
  }

  #takeMore(message: Buffer, chunk: Buffer): void {
    const wanted = message.length - this.#length;
    message.set(wanted < chunk.length ? chunk.subarray(0, wanted) : chunk, this.#length);
    this.#length += Math.min(wanted, chunk.length);
    if (this.#length === message.length) this.#whole(chunk.subarray(wanted));
  }

  /** `rest` is what came behind the message. */
  #whole(rest: Buffer): void {
    const message = this.#message;
    if (this.#options.isUnary) {
      if (rest.length > 0) this.#refuse("request_unreadable");
      return;
    }
    if (message === undefined) return;
    this.#events.message(message, rest);
    if (this.#hasStopped) return;
    this.#forget();
    this.leave();
    if (rest.length > 0) this.#take(rest);
  }

  #takeEnd(): void {
    if (this.#hasStopped || isOver(this.#stream)) return;
    const isWhole = this.#message !== undefined && this.#length === this.#message.length;
    if (this.#hasBegun && this.#place === undefined) this.#refuse("overloaded");
    else if (this.#hasBegun && !isWhole) this.#refuse("request_unreadable");
    else {
      if (this.#message !== undefined) this.#events.message(this.#message, nothing);
      if (!this.#hasStopped) this.#events.ended();
    }
  }

  /** Two looks without a byte between them, so that a pause of this process is not taken for one of the peer. */
  #lookForStall(): void {
    if (this.#hasStalled && this.#options.admission.waiting() > 0) this.#refuse("overloaded");
    this.#hasStalled = true;
  }

  #refuse(reason: DenyReason): void {
    if (this.#hasStopped || isOver(this.#stream)) return;
    const seen = this.#message?.subarray(0, this.#length) ?? this.#first.subarray(prefixBytes);
    this.#events.refused(reason, seen);
  }

  #forget(): void {
    this.#options.deadlines.remove(this);
    this.#messageLastMs = undefined;
    this.#stallLookMs = Number.POSITIVE_INFINITY;
    this.#hasBegun = false;
    this.#message = undefined;
    this.#first = nothing;
    this.#length = 0;
  }
}
