// The gate in front of the Check handler: reads a check only while it holds an admission slot, and answers one that
// waited too long in a healthy RPC, before its deadline makes it a failed one. Counts how each RPC ended.

import {
  status as grpcStatus,
  Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import type { Admission, Ticket } from "./admission.ts";
import { checkPath } from "./wire.ts";

/** Longest time from the arrival of a check until it has been read, in milliseconds, where its deadline is not nearer. */
export const readMsMax = 10_000;

/** Share of a check's deadline after which it is refused: the rest is for the answer's way back. */
const deadlineShare = 0.8;

type Listener = Parameters<ServerInterceptingCallInterface["start"]>[0];

export type GateDeps = {
  readonly admission: Admission;
  readonly nowMs: () => number;
  /** The refusal to send in place of the handler's answer: the bytes of a CheckResponse. */
  readonly refuseOverloaded: () => Buffer;
  /** How an RPC ended, by its path and gRPC code name. `Canceled`: the peer, or grpc-js below the handler, ended it. */
  readonly onCallEnd: (path: string, code: string) => void;
};

export function createGate(deps: GateDeps): ServerInterceptor {
  return ({ path }, call) =>
    path === checkPath ? new GatedCall(deps, call) : new CountedCall(deps, path, call);
}

class CountedCall extends ServerInterceptingCall {
  readonly #deps: GateDeps;
  readonly #path: string;
  #ended = false;

  constructor(deps: GateDeps, path: string, call: ServerInterceptingCallInterface) {
    super(call);
    this.#deps = deps;
    this.#path = path;
  }

  override start(listener: Listener): void {
    super.start({
      ...forward(listener),
      onCancel: () => {
        this.end(this.deadlineMs() <= this.#deps.nowMs() ? "DeadlineExceeded" : "Canceled");
        listener.onCancel();
      },
    });
  }

  override sendStatus(status: Parameters<ServerInterceptingCall["sendStatus"]>[0]): void {
    this.end(codeName(status.code));
    super.sendStatus(status);
  }

  /** Infinity without a deadline. */
  protected deadlineMs(): number {
    const deadline = this.getDeadline();
    return deadline instanceof Date ? deadline.getTime() : deadline;
  }

  /** Runs once, at whatever ends the call first. */
  protected end(code: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deps.onCallEnd(this.#path, code);
  }

  protected get hasEnded(): boolean {
    return this.#ended;
  }
}

class GatedCall extends CountedCall {
  readonly #gate: GateDeps;
  #ticket: Ticket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #hasAsked = false;
  #isGranted = false;
  #wantsRead = false;

  constructor(deps: GateDeps, call: ServerInterceptingCallInterface) {
    super(deps, checkPath, call);
    this.#gate = deps;
  }

  override start(listener: Listener): void {
    super.start({
      ...forward(listener),
      onReceiveHalfClose: () => {
        // The whole check is here and will be answered now.
        clearTimeout(this.#timer);
        // Answered already, too late for the handler: it must not decide, and be counted, again.
        if (!this.hasEnded) listener.onReceiveHalfClose();
      },
    });
  }

  override startRead(): void {
    if (this.hasEnded) return;
    if (this.#isGranted) {
      super.startRead();
      return;
    }
    this.#wantsRead = true;
    if (this.#hasAsked) return;
    this.#hasAsked = true;
    this.#timer = setTimeout(() => this.#refuse(), this.#patienceMs());
    const ticket = this.#gate.admission.enter({
      granted: () => this.#grant(),
      refused: () => this.#refuse(),
    });
    // Refused or ended while it was being let in: nothing to keep.
    if (this.hasEnded) ticket.leave();
    else this.#ticket = ticket;
  }

  #grant(): void {
    this.#isGranted = true;
    if (this.#wantsRead) super.startRead();
  }

  #refuse(): void {
    if (this.hasEnded) return;
    this.sendMetadata(new Metadata());
    this.sendMessage(this.#gate.refuseOverloaded(), () => {});
    this.sendStatus({ code: grpcStatus.OK, details: "OK" });
  }

  #patienceMs(): number {
    const leftMs = Math.max(0, this.deadlineMs() - this.#gate.nowMs());
    return Math.min(readMsMax, leftMs * deadlineShare);
  }

  protected override end(code: string): void {
    clearTimeout(this.#timer);
    super.end(code);
    this.#ticket?.leave();
  }
}

function forward(listener: Listener): Listener {
  return {
    onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
    onReceiveMessage: (message) => listener.onReceiveMessage(message),
    onReceiveHalfClose: () => listener.onReceiveHalfClose(),
    onCancel: () => listener.onCancel(),
  };
}

/** Names as Go's gRPC writes them, which dashboards for `grpc_server_handled_total` expect. */
export const grpcCodeNames = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
] as const;

function codeName(code: number | undefined): string {
  return grpcCodeNames[code ?? 2] ?? "Unknown";
}
