// One ext_proc stream, from its HTTP/2 stream to its last answer. It is ended well only behind that answer: Envoy lets a
// request through, unmodified, when its stream ends well before. In any other need it is reset, and Envoy refuses.

import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Admission, IdleRoom } from "./admission.ts";
import { deadlineInMs, deadlineShare, type GrpcCode, sendLast, sendNext } from "./grpc-stream.ts";
import { MessageReader, readMsMax } from "./message-reader.ts";
import type { Process, ProcessHandler, ProcessStep } from "./process-handler.ts";

/** Longest wait for room, in milliseconds: nearer than the message_timeout of 5 s in deploy/envoy, which would answer. */
const roomMsMax = 4000;

/** Time that a peer gets to read the last answer, in milliseconds: it holds the room of its body until then. */
const sendMsMax = 10_000;

/**
 * What a stream costs while the body is waited for, beside its headers' characters, in bytes: HTTP/2's and Node's own.
 * Measured by test/bench/process-memory.ts.
 */
export const idleStreamBytes = 16 * 1024;

export type ProcessCallDeps = {
  readonly admission: Admission;
  readonly idleRoom: IdleRoom;
  readonly messageBytesMax: number;
  readonly handler: ProcessHandler;
  readonly nowMs: () => number;
  /** How the call ended, once. `Canceled`, or `DeadlineExceeded` after its deadline: the peer ended it. */
  readonly onEnd: (code: GrpcCode) => void;
};

export class ProcessCall {
  readonly #stream: ServerHttp2Stream;
  readonly #deps: ProcessCallDeps;
  readonly #process: Process;
  readonly #reader: MessageReader;
  #timer: NodeJS.Timeout | undefined;
  #heldBytes = 0;
  #isAnswered = false;
  #isTold = false;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, deps: ProcessCallDeps) {
    this.#stream = stream;
    this.#deps = deps;
    this.#process = deps.handler.open();
    const leftMs = deadlineInMs(headers);
    const deadlineMs = deps.nowMs() + leftMs;
    const patienceMs = leftMs * deadlineShare;
    if (Number.isFinite(patienceMs)) this.#timer = setTimeout(() => this.refuse(), patienceMs);
    stream.once("close", () =>
      this.#close(deadlineMs <= deps.nowMs() ? "DeadlineExceeded" : "Canceled"),
    );
    const { admission, messageBytesMax } = deps;
    const limits = { admission, messageBytesMax, firstMsMax: readMsMax, roomMsMax };
    this.#reader = new MessageReader(
      stream,
      { ...limits, isUnary: false },
      {
        message: (bytes) => this.#send(this.#process.take(bytes)),
        refused: (reason, seen) => this.#send(this.#process.refuse(reason, seen)),
        ended: () => this.#send(this.#process.abandon()),
      },
    );
  }

  /** Ends it, wherever it is, with a refusal that one may try again. */
  refuse(): void {
    if (!this.#isAnswered) this.#send(this.#process.refuse("overloaded"));
  }

  #send({ pieces, isLast }: ProcessStep): void {
    if (isLast) this.#sendLast(pieces);
    else if (this.#hold()) sendNext(this.#stream, pieces);
    else this.#send(this.#process.refuse("overloaded"));
  }

  /** Room for what is held while the body is waited for; it may take as long as the caller's upload. */
  #hold(): boolean {
    const bytes = idleStreamBytes + 2 * this.#process.heldLength();
    if (!this.#deps.idleRoom.enter(bytes)) return false;
    this.#heldBytes = bytes;
    return true;
  }

  #sendLast(pieces: readonly Uint8Array[]): void {
    this.#isAnswered = true;
    this.#reader.stop();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR), sendMsMax);
    this.#stream.once("finish", () => this.#tell("OK"));
    sendLast(this.#stream, pieces);
  }

  #close(code: GrpcCode): void {
    clearTimeout(this.#timer);
    this.#isAnswered = true;
    this.#reader.stop();
    this.#reader.leave();
    this.#deps.idleRoom.leave(this.#heldBytes);
    this.#tell(code);
  }

  #tell(code: GrpcCode): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#deps.onEnd(code);
  }
}
