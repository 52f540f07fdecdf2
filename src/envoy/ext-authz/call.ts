// One Check call from its HTTP/2 stream to its answer. It is always answered, in a healthy RPC and before its deadline: a
// failed RPC would be decided by Envoy's failure_mode_allow.

import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Admission } from "../grpc/admission.ts";
import type { Deadlines } from "../grpc/deadlines.ts";
import { MessageReader, readMsMax } from "../grpc/message-reader.ts";
import { deadlineInMs, deadlineShare, type GrpcCode, sendAnswer } from "../grpc/stream.ts";
import type { CheckHandler } from "./handler.ts";

export type CheckCallDeps = {
  readonly admission: Admission;
  readonly deadlines: Deadlines;
  readonly messageBytesMax: number;
  readonly handler: CheckHandler;
  readonly nowMs: () => number;
  /** How the call ended, once. `Canceled`, or `DeadlineExceeded` after its deadline: the peer ended it. */
  readonly onEnd: (code: GrpcCode) => void;
};

export class CheckCall {
  readonly #stream: ServerHttp2Stream;
  readonly #onEnd: CheckCallDeps["onEnd"];
  readonly #reader: MessageReader;
  #hasEnded = false;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, deps: CheckCallDeps) {
    const { admission, deadlines, messageBytesMax, handler, nowMs } = deps;
    this.#stream = stream;
    this.#onEnd = deps.onEnd;
    const leftMs = deadlineInMs(headers);
    const deadlineMs = nowMs() + leftMs;
    const msMax = Math.min(readMsMax, leftMs * deadlineShare);
    const limits = { admission, deadlines, messageBytesMax, firstMsMax: msMax, roomMsMax: msMax };
    stream.on("close", () => this.#end(deadlineMs <= nowMs() ? "DeadlineExceeded" : "Canceled"));
    this.#reader = new MessageReader(
      stream,
      { ...limits, isUnary: true },
      {
        message: (bytes) => this.#answer(handler.handle(bytes)),
        refused: (reason, seen) => this.#answer(handler.refuse(reason, seen)),
        ended: () => {},
      },
    );
  }

  #answer(bytes: Buffer): void {
    sendAnswer(this.#stream, bytes);
    this.#end("OK");
  }

  /** Runs once, at whatever ends the call first. */
  #end(code: GrpcCode): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#reader.stop();
    this.#reader.leave();
    this.#onEnd(code);
  }
}
