// One ext_authz check from bytes to bytes: decoded, decided, encoded, and observed once.

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
import { writeCheckResponse } from "../wire/check-response.ts";
import { pathInPrefix, readCheckRequest } from "./request.ts";
import { httpStatus, toCheckResponse } from "./response.ts";

export type { CheckDeps } from "../guarded-decision.ts";

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
      const request = read(bytes);
      const answer = request === undefined ? refuse("request_unreadable", "/") : decide(request);
      observe(deps, answer, { request, startUs });
      return answer.wire.bytes;
    },
    refuse(reason, seen = Buffer.alloc(0)) {
      const startUs = deps.monotonicUs();
      const answer = refuse(reason, pathInPrefix(seen));
      observe(deps, answer, { request: undefined, startUs });
      return answer.wire.bytes;
    },
  };

  function decide(request: AuthzRequest): Answer {
    return guarded(
      deps,
      request.path,
      (snapshot, context) => deps.decide(snapshot, request, context),
      (decision) => encode(decision, request.path),
    );
  }
}

type CheckBytes = { readonly bytes: Buffer; readonly status: number | undefined };
type Answer = Encoded<CheckBytes>;

function refuse(reason: DenyReason, path: string | undefined): Answer {
  const decision = refusal(reason, path);
  return { decision, wire: encode(decision, "/") };
}

function observe(
  deps: CheckDeps,
  { decision, wire }: Answer,
  { request, startUs }: { readonly request: AuthzRequest | undefined; readonly startUs: number },
): void {
  observeSafely(deps, {
    decision,
    status: wire.status,
    headers: request?.headers ?? new Map(),
    bodyBytes: request === undefined ? 0 : bodyBytes(request),
    durationUs: deps.monotonicUs() - startUs,
  });
}

function read(bytes: Buffer): AuthzRequest | undefined {
  try {
    const request = readCheckRequest(bytes);
    return request === "unreadable" ? undefined : request;
  } catch {
    return undefined;
  }
}

function encode(decision: Decision, path: string): CheckBytes {
  const message = toCheckResponse(decision, path);
  return { bytes: writeCheckResponse(message), status: httpStatus(message) };
}
