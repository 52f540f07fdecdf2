// One ext_proc stream, from its HTTP/2 stream to its end. While the request is not decided on it is ended well only behind an
// answer: Envoy lets a request through, unmodified, when its stream ends well before. In any other need it is reset, and
// Envoy refuses. Behind an allow it may stay for the response: there it always ends well, and the response goes on as it is.

import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Admission, IdleRoom } from "../grpc/admission.ts";
import type { Deadlines } from "../grpc/deadlines.ts";
import { MessageReader, readMsMax } from "../grpc/message-reader.ts";
import {
  deadlineInMs,
  deadlineShare,
  endAnswers,
  type GrpcCode,
  sendLast,
  sendNext,
} from "../grpc/stream.ts";
import { ChunkReader } from "./chunks.ts";
import type { Process, ProcessHandler, ProcessStep } from "./handler.ts";
import type { ResponseSide, ResponseStep } from "./response-side.ts";

/** Longest wait for room, in milliseconds: nearer than the message_timeout of 5 s in deploy/envoy, which would answer. */
const roomMsMax = 4000;

/** Time that a peer gets to read the last answer, in milliseconds: it holds the room of its body until then. */
const sendMsMax = 10_000;

/**
 * What a stream costs while the body is waited for, beside its headers' characters, in bytes: HTTP/2's and Node's own.
 * Measured by test/bench/process-memory.ts.
 */
export const idleStreamBytes = 16 * 1024;

/** What a stream costs while its response is read, in bytes. Measured likewise. */
export const responseStreamBytes = 24 * 1024;

/** Most bytes that streams hold while their responses are read: some 5,500 of them. */
export const responseStreamsBytesMax = 128 * 1024 * 1024;

export type ProcessCallDeps = {
  readonly admission: Admission;
  readonly deadlines: Deadlines;
  readonly idleRoom: IdleRoom;
  /** For streams whose responses are read, and for the messages of those that have not come whole. */
  readonly responseRoom: IdleRoom;
  readonly chunkRoom: IdleRoom;
  readonly messageBytesMax: number;
  readonly handler: ProcessHandler;
  readonly nowMs: () => number;
  /** How the call ended, once. `Canceled`, or `DeadlineExceeded` after its deadline: the peer ended it. */
  readonly onEnd: (code: GrpcCode) => void;
};

export class ProcessCall {
  readonly #stream: ServerHttp2Stream;
  readonly #deps: ProcessCallDeps;
  /** Let go once the request is decided on. */
  #process: Process | undefined;
  readonly #reader: MessageReader;
  #response: ResponseSide | undefined;
  #chunks: ChunkReader | undefined;
  #deadlineTimer: NodeJS.Timeout | undefined;
  #sendTimer: NodeJS.Timeout | undefined;
  #heldBytes = 0;
  #isOver = false;
  #isTold = false;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, deps: ProcessCallDeps) {
    this.#stream = stream;
    this.#deps = deps;
    this.#process = deps.handler.open();
    const leftMs = deadlineInMs(headers);
    const deadlineMs = deps.nowMs() + leftMs;
    const patienceMs = leftMs * deadlineShare;
    if (Number.isFinite(patienceMs)) {
      this.#deadlineTimer = setTimeout(() => this.end(), patienceMs);
    }
    stream.once("close", () =>
      this.#close(deadlineMs <= deps.nowMs() ? "DeadlineExceeded" : "Canceled"),
    );
    const { admission, deadlines, messageBytesMax } = deps;
    const limits = { admission, deadlines, messageBytesMax, firstMsMax: readMsMax, roomMsMax };
    this.#reader = new MessageReader(
      stream,
      { ...limits, isUnary: false },
      {
        message: (bytes, rest) => this.#sendStep((process) => process.take(bytes), rest),
        refused: (reason, seen) => this.#sendStep((process) => process.refuse(reason, seen)),
        ended: () => this.#sendStep((process) => process.abandon()),
      },
    );
  }

  /**
   * Ends it, wherever it is: with a refusal that one may try again, or behind an allow as soon as nothing of the response
   * would be lost.
   */
  end(): void {
    if (this.#isOver) return;
    if (this.#process !== undefined) this.#refuse();
    else if (this.#response !== undefined && this.#response.heldBytes() > 0) {
      this.#response.finishNext();
    } else this.#endResponse();
  }

  #refuse(): void {
    this.#sendStep((process) => process.refuse("overloaded"));
  }

  /** `rest` is what came behind the message that is answered. */
  #sendStep(take: (process: Process) => ProcessStep, rest: Buffer = Buffer.alloc(0)): void {
    const process = this.#process;
    if (process === undefined) return;
    const { pieces, isLast, response } = take(process);
    if (response !== undefined) this.#beginResponse(response, pieces, rest);
    else if (isLast) this.#sendLast(pieces);
    else if (this.#hold(process)) sendNext(this.#stream, pieces);
    else this.#refuse();
  }

  /** Room for what is held while the body is waited for; it may take as long as the caller's upload. */
  #hold(process: Process): boolean {
    const bytes = idleStreamBytes + 2 * process.heldLength();
    if (!this.#deps.idleRoom.enter(bytes)) return false;
    this.#heldBytes = bytes;
    return true;
  }

  #sendLast(pieces: readonly Uint8Array[]): void {
    this.#endRequest();
    this.#beginEnd();
    sendLast(this.#stream, pieces);
  }

  /** What is sent next is the last. */
  #beginEnd(): void {
    this.#isOver = true;
    clearTimeout(this.#deadlineTimer);
    this.#limitSending();
    this.#stream.once("finish", () => this.#tell("OK"));
  }

  /** The request is decided on: what was held of it is let go, but the room of its body, which the answer holds parts of. */
  #endRequest(): void {
    this.#process = undefined;
    this.#reader.stop();
    this.#deps.idleRoom.leave(this.#heldBytes);
    this.#heldBytes = 0;
  }

  #limitSending(): void {
    clearTimeout(this.#sendTimer);
    const giveUp = (): void => this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    this.#sendTimer = setTimeout(giveUp, sendMsMax);
  }

  /** Sends the allow and waits for the response; without room for it the allow is the last that is said. */
  #beginResponse(response: ResponseSide, pieces: readonly Uint8Array[], rest: Buffer): void {
    const { responseRoom, chunkRoom, messageBytesMax } = this.#deps;
    if (!responseRoom.enter(responseStreamBytes)) {
      response.leaveUnread();
      this.#sendLast(pieces);
      return;
    }
    this.#endRequest();
    this.#response = response;
    this.#limitSending();
    sendNext(this.#stream, pieces, () => {
      clearTimeout(this.#sendTimer);
      this.#reader.leave();
    });
    const mustRead = (): boolean => response.heldBytes() > 0;
    this.#chunks = new ChunkReader(
      this.#stream,
      { room: chunkRoom, messageBytesMax, mustRead },
      {
        message: (bytes) => this.#sendResponse(response.take(bytes)),
        ended: () => this.#endResponse(),
      },
      rest,
    );
  }

  #sendResponse({ pieces, isLast }: ResponseStep): void {
    if (pieces.length > 0) sendNext(this.#stream, pieces);
    if (isLast) this.#endResponse();
    else if (this.#stream.writableNeedDrain && !this.#stream.isPaused()) this.#waitForDrain();
  }

  /** What the peer has not read yet of the answers is little. */
  #waitForDrain(): void {
    this.#stream.pause();
    this.#stream.once("drain", () => this.#stream.resume());
  }

  #endResponse(): void {
    if (this.#isOver) return;
    this.#beginEnd();
    this.#chunks?.stop();
    this.#response?.close();
    endAnswers(this.#stream);
  }

  #close(code: GrpcCode): void {
    clearTimeout(this.#deadlineTimer);
    clearTimeout(this.#sendTimer);
    this.#isOver = true;
    this.#reader.stop();
    this.#reader.leave();
    this.#chunks?.stop();
    this.#deps.idleRoom.leave(this.#heldBytes);
    this.#heldBytes = 0;
    if (this.#response !== undefined) {
      this.#response.close();
      this.#deps.responseRoom.leave(responseStreamBytes);
    }
    this.#tell(code);
  }

  #tell(code: GrpcCode): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#deps.onEnd(code);
  }
}
