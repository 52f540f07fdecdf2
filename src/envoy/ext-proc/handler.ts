// One ext_proc stream from messages to its decision: headers, then the body if the decision needs it, then one last answer,
// behind which the response may follow. Whatever comes in another order, twice or unreadable is refused: never is a stream
// left without an answer.

import type { Decider } from "../../core/decide.ts";
import type { Decision } from "../../core/decision.ts";
import type { DenyReason } from "../../core/denials.ts";
import type { AuthzRequest } from "../../core/request.ts";
import {
  bodyBytes,
  type CheckDeps,
  type Encoded,
  guarded,
  observeSafely,
  refusal,
} from "../guarded-decision.ts";
import { readProcessing, type WireProcessing } from "../wire/process-request.ts";
import {
  pathInProcessPrefix,
  type RequestHead,
  readProcessBody,
  readProcessHeaders,
} from "./request.ts";
import {
  type Asked,
  continueToBody,
  continueToBodyAndResponse,
  type ProcessAnswer,
  passResponseHeaders,
  toProcessAnswer,
} from "./response.ts";
import { createResponseSide, type ResponseDeps, type ResponseSide } from "./response-side.ts";
import { bodyModeBuffered } from "./wire.ts";

export type ProcessDeps = CheckDeps &
  Pick<Decider, "decideHeaders"> & {
    /** undefined: nothing of a response is asked for. */
    readonly responses?: ResponseDeps;
  };

/**
 * What to send. After `isLast` nothing more is read, and the stream may end; with `response`, what comes then may be read by
 * that, or the stream may end as well.
 */
export type ProcessStep = {
  readonly pieces: readonly Uint8Array[];
  readonly isLast: boolean;
  readonly response?: ResponseSide | undefined;
};

/** The request of one stream. Nothing throws; `observe` is told once, with the last step. Not used after it. */
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

/** `body`: it decides. `gone`: Envoy has answered the caller itself, and there is nothing to decide on any more. */
type Outcome = Answer | "body" | "gone";

const headersAlone: Asked = { kind: "headers" };

class ProcessOf implements Process {
  readonly #deps: ProcessDeps;
  /** What the first message told; undefined before it. */
  #head: RequestHead | undefined;
  #bodyBytes = 0;
  #response: ResponseSide | undefined;
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
      return this.#takeSecond(this.#head, message);
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

  #step(run: () => Outcome): ProcessStep {
    const { monotonicUs, responses } = this.#deps;
    const startUs = monotonicUs();
    const outcome = run();
    this.#spentUs += monotonicUs() - startUs;
    if (outcome === "body") {
      const goOn = responses === undefined ? continueToBody : continueToBodyAndResponse;
      return { pieces: [goOn], isLast: false };
    }
    if (outcome === "gone") return { pieces: [passResponseHeaders], isLast: true };
    const { decision, wire } = outcome;
    observeSafely(this.#deps, {
      decision,
      status: wire.status,
      headers: this.#head?.headers ?? new Map(),
      bodyBytes: this.#bodyBytes,
      durationUs: this.#spentUs,
    });
    return { pieces: wire.pieces, isLast: true, response: this.#response };
  }

  #takeFirst(message: WireProcessing): Outcome {
    const { kind, headers: given, isObserving, requestBodyMode } = message;
    // Envoy skips the headers, which could not be changed any more then.
    if (kind === "request_body" || kind === "request_trailers") return refuse("body_not_buffered");
    if (kind !== "request_headers" || given === undefined) return refuse("request_unreadable");
    const head = readProcessHeaders(given);
    if (head === "unreadable") return refuse("request_unreadable");
    this.#head = head;
    // Envoy would not wait for the answer.
    if (isObserving) return refuse("request_unreadable", head.path);
    const request: AuthzRequest = { ...head, body: { kind: "none" } };
    if (given.isEnd) return this.#decide(request, headersAlone);
    const decided = guarded(
      this.#deps,
      head.path,
      (snapshot, context) => this.#deps.decideHeaders(snapshot, request, context),
      (decision) => toProcessAnswer(decision, headersAlone),
    );
    if (decided !== undefined) return decided;
    // In any other mode Envoy would let the request go, or the headers, before it is told.
    const isBuffered = requestBodyMode === bodyModeBuffered;
    return isBuffered ? "body" : refuse("body_not_buffered", head.path);
  }

  #takeSecond(head: RequestHead, message: WireProcessing): Outcome {
    const { kind, body: given } = message;
    // A body over Envoy's limit, for example, or a caller that was too slow.
    if (kind === "response_headers") return "gone";
    if (kind !== "request_body" || given === undefined) {
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
      (decision) => toProcessAnswer(this.#openResponse(decision, asked), asked),
    );
  }

  /** An allow whose response is read asks for one that can be: not encoded. */
  #openResponse(decision: Decision, asked: Asked): Decision {
    const { responses, reportBug } = this.#deps;
    this.#response = undefined;
    if (responses === undefined || decision.kind !== "allow" || asked.kind !== "body") {
      return decision;
    }
    const deps = { ...responses, reportBug };
    this.#response = createResponseSide(deps, decision, asked.head.headers);
    if (this.#response === undefined) return decision;
    return { ...decision, removeHeaders: [...decision.removeHeaders, "accept-encoding"] };
  }
}

function decode(bytes: Buffer): WireProcessing | undefined {
  try {
    return readProcessing(bytes);
  } catch {
    return undefined;
  }
}

function refuse(reason: DenyReason, path?: string): Answer {
  const decision = refusal(reason, path);
  return { decision, wire: toProcessAnswer(decision, headersAlone) };
}
