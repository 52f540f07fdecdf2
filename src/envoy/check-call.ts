// One Check call from its HTTP/2 stream to its answer. It is read only as far as there is room for it, and it is always
// answered, in a healthy RPC and before its deadline: a failed RPC would be decided by Envoy's failure_mode_allow.

import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { DenyReason } from "../core/decision.ts";
import type { Admission, Place } from "./admission.ts";
import type { CheckHandler } from "./check-handler.ts";
import { deadlineInMs, type GrpcCode, isOver, prefixBytes, sendAnswer } from "./grpc-stream.ts";

/** Longest time from the arrival of a check until it has been read, in milliseconds, where its deadline is not nearer. */
export const readMsMax = 10_000;

/** Share of a check's deadline after which it is refused: the rest is for the answer's way back. */
const deadlineShare = 0.8;

/** Bytes that are read before there is room, and how long a check without a place may take to bring them. */
const firstBytesMax = 8192;
const firstBytesMs = 1000;

/** A check that has room and brings nothing for so long gives its room to those that wait for it. */
const stalledMs = 2000;

export type CheckCallDeps = {
  readonly admission: Admission;
  readonly messageBytesMax: number;
  readonly handler: CheckHandler;
  readonly nowMs: () => number;
  /** How the call ended, once. `Canceled`, or `DeadlineExceeded` after its deadline: the peer ended it. */
  readonly onEnd: (code: GrpcCode) => void;
};

export class CheckCall {
  readonly #stream: ServerHttp2Stream;
  readonly #deps: CheckCallDeps;
  readonly #timer: NodeJS.Timeout;
  readonly #place: Place | undefined;
  #stallTimer: NodeJS.Timeout | undefined;
  #hasStalled = false;
  #hasEnded = false;
  /** What has come before the message has room: the prefix, and of the message no more than one read. */
  #first: Buffer = Buffer.alloc(0);
  #message: Buffer | undefined;
  #length = 0;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, deps: CheckCallDeps) {
    this.#stream = stream;
    this.#deps = deps;
    this.#place = deps.admission.enter();
    const leftMs = deadlineInMs(headers);
    const deadlineMs = deps.nowMs() + leftMs;
    const waitMs = this.#place === undefined ? firstBytesMs : readMsMax;
    const patienceMs = Math.min(waitMs, leftMs * deadlineShare);
    this.#timer = setTimeout(() => this.#refuse("overloaded"), patienceMs);
    stream.once("close", () =>
      this.#end(deadlineMs <= deps.nowMs() ? "DeadlineExceeded" : "Canceled"),
    );
    stream.once("end", () => this.#takeEnd());
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
  }

  #take(chunk: Buffer): void {
    if (this.#hasEnded) return;
    this.#hasStalled = false;
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
    else if (size > this.#deps.messageBytesMax) this.#refuse("body_too_large");
    else if (this.#first.length >= prefixBytes + size) {
      // All of it is here: it needs no room but what it has already.
      this.#message = this.#first.subarray(prefixBytes);
      this.#length = size;
      if (this.#message.length > size) this.#refuse("request_unreadable");
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
  }

  #grant(size: number): void {
    this.#message = Buffer.allocUnsafeSlow(size);
    this.#takeMore(this.#message, this.#first.subarray(prefixBytes));
    this.#first = this.#first.subarray(0, 0);
    this.#stallTimer = setInterval(() => this.#lookForStall(), stalledMs / 2);
    this.#stream.resume();
  }

  #takeMore(message: Buffer, chunk: Buffer): void {
    if (this.#length + chunk.length > message.length) {
      // A second message, or bytes behind the first.
      this.#refuse("request_unreadable");
      return;
    }
    message.set(chunk, this.#length);
    this.#length += chunk.length;
  }

  #takeEnd(): void {
    if (this.#hasEnded || isOver(this.#stream)) return;
    if (this.#place === undefined) this.#refuse("overloaded");
    else if (this.#message === undefined || this.#length < this.#message.length) {
      this.#refuse("request_unreadable");
    } else this.#answer(this.#deps.handler.handle(this.#message));
  }

  /** Two looks without a byte between them, so that a pause of this process is not taken for one of the peer. */
  #lookForStall(): void {
    if (this.#hasStalled && this.#deps.admission.waiting() > 0) this.#refuse("overloaded");
    this.#hasStalled = true;
  }

  #refuse(reason: DenyReason): void {
    if (this.#hasEnded || isOver(this.#stream)) return;
    const seen = this.#message?.subarray(0, this.#length) ?? this.#first.subarray(prefixBytes);
    this.#answer(this.#deps.handler.refuse(reason, seen));
  }

  #answer(bytes: Buffer): void {
    sendAnswer(this.#stream, bytes);
    this.#end("OK");
  }

  /** Runs once, at whatever ends the call first. */
  #end(code: GrpcCode): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    clearInterval(this.#stallTimer);
    this.#message = undefined;
    this.#first = Buffer.alloc(0);
    this.#place?.leave();
    this.#deps.onEnd(code);
  }
}
