// One check from bytes to bytes. The only try/catch around a decision: whatever goes wrong is a refusal inside a healthy
// RPC, because a failed RPC is decided by Envoy's failure_mode_allow and not by us.

import type { Decide } from "../core/decide.ts";
import type { Decision, DenyDecision, DenyReason } from "../core/decision.ts";
import type { CheckObservation } from "../core/observation.ts";
import type { AuthzRequest } from "../core/request.ts";
import { dialectOfPath } from "../core/routes.ts";
import type { Snapshot } from "../core/snapshot.ts";
import { pathInPrefix, readCheckRequest } from "./check-request.ts";
import { httpStatus, toCheckResponse } from "./check-response.ts";
import { decodeCheckRequest, encodeCheckResponse } from "./wire.ts";

export type CheckDeps = {
  readonly decide: Decide;
  readonly holder: { current(): Snapshot | undefined };
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  /** Microseconds of a clock that never goes back. */
  readonly monotonicUs: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Called once for each check. What it throws is reported and changes nothing. */
  readonly observe: (observation: CheckObservation) => void;
  /** A bug in our own code. */
  readonly reportBug: (error: unknown) => void;
};

/** Neither throws, and each tells `observe` of the check once. */
export type CheckHandler = {
  /** Bytes of a CheckRequest to bytes of a CheckResponse. */
  handle(bytes: Buffer): Buffer;
  /** The refusal of a check that is not read to its end; `seen` is what came of it, for the caller's dialect. */
  refuse(reason: DenyReason, seen?: Uint8Array): Buffer;
};

export function createCheckHandler(deps: CheckDeps): CheckHandler {
  return {
    handle(bytes) {
      const startUs = deps.monotonicUs();
      const given = answer(deps, bytes);
      observe(deps, given, startUs);
      return given.response.bytes;
    },
    refuse(reason, seen = Buffer.alloc(0)) {
      const startUs = deps.monotonicUs();
      const dialect = dialectOfPath(pathInPrefix(seen) ?? "/");
      const decision: DenyDecision = { ...denyWithoutFacts(reason), dialect };
      const given = { decision, request: undefined, response: encode(decision, "/") };
      observe(deps, given, startUs);
      return given.response.bytes;
    },
  };
}

function observe(deps: CheckDeps, { decision, request, response }: Answer, startUs: number): void {
  try {
    deps.observe({
      decision,
      status: httpStatus(response.message),
      headers: request?.headers ?? new Map(),
      bodyBytes: request === undefined ? 0 : bodyBytes(request),
      durationUs: deps.monotonicUs() - startUs,
    });
  } catch (error) {
    deps.reportBug(error);
  }
}

type Encoded = { readonly message: ReturnType<typeof toCheckResponse>; readonly bytes: Buffer };
type Answer = {
  readonly decision: Decision;
  readonly request: AuthzRequest | undefined;
  readonly response: Encoded;
};

function answer(deps: CheckDeps, bytes: Buffer): Answer {
  const request = read(bytes);
  if (request === undefined) {
    const decision = denyWithoutFacts("request_unreadable");
    return { decision, request, response: encode(decision, "/") };
  }
  try {
    const context = { nowMs: deps.nowMs(), draw: deps.random() };
    const decision = deps.decide(deps.holder.current(), request, context);
    return { decision, request, response: encode(decision, request.path) };
  } catch (error) {
    deps.reportBug(error);
    const dialect = dialectOfPath(request.path);
    const decision: DenyDecision = { ...denyWithoutFacts("internal"), dialect };
    return { decision, request, response: encode(decision, "/") };
  }
}

function read(bytes: Buffer): AuthzRequest | undefined {
  try {
    const request = readCheckRequest(decodeCheckRequest(bytes));
    return request === "unreadable" ? undefined : request;
  } catch {
    return undefined;
  }
}

function encode(decision: Decision, path: string): Encoded {
  const message = toCheckResponse(decision, path);
  return { message, bytes: encodeCheckResponse(message) };
}

function bodyBytes({ body }: AuthzRequest): number {
  if (body.kind === "none") return 0;
  return body.kind === "bytes" ? body.bytes.length : Buffer.byteLength(body.text);
}

function denyWithoutFacts(reason: DenyReason): DenyDecision {
  return {
    kind: "deny",
    reason,
    detail: {},
    trace: undefined,
    dialect: "openai",
    operation: undefined,
    key: undefined,
    team: undefined,
    requestedModel: undefined,
    revision: undefined,
  };
}
