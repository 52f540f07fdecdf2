// One ext_proc stream from messages to answers: headers, then the body if the decision needs it, then one last answer.
// Whatever comes in another order, twice or unreadable is refused: never is a stream left without an answer.

import type { Decider } from "../core/decide.ts";
import type { DenyReason } from "../core/decision.ts";
import type { AuthzRequest } from "../core/request.ts";
import {
  bodyBytes,
  type CheckDeps,
  type Encoded,
  guarded,
  observeSafely,
  refusal,
} from "./guarded-decision.ts";
import {
  kindOf,
  pathInProcessPrefix,
  type RequestHead,
  readProcessBody,
  readProcessHeaders,
} from "./process-request.ts";
import {
  type Asked,
  continueToBody,
  type ProcessAnswer,
  toProcessAnswer,
} from "./process-response.ts";
import {
  bodyModeBuffered,
  decodeProcessingRequest,
  type WireProcessingRequest,
} from "./process-wire.ts";

export type ProcessDeps = CheckDeps & Pick<Decider, "decideHeaders">;

/** What to send. After `isLast` nothing more is read, and the stream may end. */
export type ProcessStep = { readonly pieces: readonly Uint8Array[]; readonly isLast: boolean };

/** One stream. Nothing throws; `observe` is told once, with the last step. Not used after it. */
export type Process = {
  /** Bytes of a ProcessingRequest. What is kept of them afterwards is the headers' text. */
  take(bytes: Buffer): ProcessStep;
  /** The refusal of a stream that is not read on; `seen` is what came of a message, for the caller's dialect. */
  refuse(reason: DenyReason, seen?: Uint8Array): ProcessStep;
  /**
   * The last step when the peer ends its side where the body was due: Envoy does so when its caller has gone. Nobody waits for
   * the answer, so it is a refusal, but no decision was made that could be observed.
   */
  abandon(): ProcessStep;
  /** Characters of the headers that are held while the body is waited for. */
  heldLength(): number;
};

export type ProcessHandler = { open(): Process };

export function createProcessHandler(deps: ProcessDeps): ProcessHandler {
  return { open: () => new ProcessOf(deps) };
}

type Answer = Encoded<ProcessAnswer>;

const headersAlone: Asked = { kind: "headers" };

class ProcessOf implements Process {
  readonly #deps: ProcessDeps;
  /** What the first message told; undefined before it. */
  #head: RequestHead | undefined;
  #bodyBytes = 0;
  /** Microseconds spent on it so far; waiting for the body is not among them. */
  #spentUs = 0;

  constructor(deps: ProcessDeps) {
    this.#deps = deps;
  }

  take(bytes: Buffer): ProcessStep {
    return this.#step(() => {
      const message = decode(bytes);
      if (message === undefined) return refuse("request_unreadable", this.#head?.path);
      if (this.#head === undefined) return this.#takeFirst(message);
      return this.#takeBody(this.#head, message);
    });
  }

  refuse(reason: DenyReason, seen: Uint8Array = Buffer.alloc(0)): ProcessStep {
    return this.#step(() => refuse(reason, this.#head?.path ?? pathInProcessPrefix(seen)));
  }

  abandon(): ProcessStep {
    return { pieces: refuse("request_unreadable", this.#head?.path).wire.pieces, isLast: true };
  }

  heldLength(): number {
    let sum = this.#head?.path.length ?? 0;
    for (const [name, value] of this.#head?.headers ?? []) sum += name.length + value.length;
    return sum;
  }

  #step(run: () => Answer | undefined): ProcessStep {
    const { monotonicUs } = this.#deps;
    const startUs = monotonicUs();
    const answer = run();
    this.#spentUs += monotonicUs() - startUs;
    if (answer === undefined) return { pieces: [continueToBody], isLast: false };
    const { decision, wire } = answer;
    observeSafely(this.#deps, {
      decision,
      status: wire.status,
      headers: this.#head?.headers ?? new Map(),
      bodyBytes: this.#bodyBytes,
      durationUs: this.#spentUs,
    });
    return { pieces: wire.pieces, isLast: true };
  }

  /** undefined: the body decides. */
  #takeFirst(message: WireProcessingRequest): Answer | undefined {
    const kind = kindOf(message);
    // Envoy skips the headers, which could not be changed any more then.
    if (kind === "request_body" || kind === "request_trailers") return refuse("body_not_buffered");
    const { request_headers: given, observability_mode, protocol_config } = message;
    if (kind !== "request_headers" || given === undefined) return refuse("request_unreadable");
    const head = readProcessHeaders(given);
    if (head === "unreadable") return refuse("request_unreadable");
    this.#head = head;
    // Envoy would not wait for the answer.
    if (observability_mode === true) return refuse("request_unreadable", head.path);
    const request: AuthzRequest = { ...head, body: { kind: "none" } };
    if (given.end_of_stream === true) return this.#decide(request, headersAlone);
    const decided = guarded(
      this.#deps,
      head.path,
      (snapshot, context) => this.#deps.decideHeaders(snapshot, request, context),
      (decision) => toProcessAnswer(decision, headersAlone),
    );
    if (decided !== undefined) return decided;
    // In any other mode Envoy would let the request go, or the headers, before it is told.
    const isBuffered = protocol_config?.request_body_mode === bodyModeBuffered;
    return isBuffered ? undefined : refuse("body_not_buffered", head.path);
  }

  #takeBody(head: RequestHead, message: WireProcessingRequest): Answer {
    const { request_body: given } = message;
    if (kindOf(message) !== "request_body" || given === undefined) {
      return refuse("request_unreadable", head.path);
    }
    const body = readProcessBody(given);
    return this.#decide({ ...head, body }, { kind: "body", head, body });
  }

  #decide(request: AuthzRequest, asked: Asked): Answer {
    this.#bodyBytes = bodyBytes(request);
    return guarded(
      this.#deps,
      request.path,
      (snapshot, context) => this.#deps.decide(snapshot, request, context),
      (decision) => toProcessAnswer(decision, asked),
    );
  }
}

function decode(bytes: Buffer): WireProcessingRequest | undefined {
  try {
    return decodeProcessingRequest(bytes);
  } catch {
    return undefined;
  }
}

function refuse(reason: DenyReason, path?: string): Answer {
  const decision = refusal(reason, path);
  return { decision, wire: toProcessAnswer(decision, headersAlone) };
}
