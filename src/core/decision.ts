// The answer to one request: what it says, and what of the request it was made from.

import type { DenyDetail, DenyReason, Dialect } from "./denials.ts";
import type { DroppedHeader } from "./http/header-rules.ts";
import type { DenyTrace } from "./permission/authorize.ts";
import type { UpstreamCredential } from "./permission/snapshot.ts";

/** One replacement of bytes in the body. Offsets count bytes of the body as it arrived; edits ascend and never overlap. */
export type BodyEdit = {
  readonly offset: number;
  /** The exact bytes that stand there: a whole JSON token, quotes included, or the value of a part of a form. UTF-8. */
  readonly old: string;
  /** The bytes to put there. ASCII. */
  readonly new: string;
};

/** What the log, the metrics and the metadata say of a request, as far as it got. Undefined: it did not get that far. */
export type DecisionFacts = {
  readonly dialect: Dialect;
  readonly operation: string | undefined;
  readonly key: string | undefined;
  /** The public id of a presented key that nobody has, or that is malformed; absent otherwise. */
  readonly keyId?: string;
  readonly team: string | undefined;
  readonly requestedModel: string | undefined;
  readonly revision: string | undefined;
};

export type AllowDecision = DecisionFacts & {
  readonly kind: "allow";
  readonly operation: string;
  readonly key: string;
  readonly requestedModel: string;
  readonly revision: string;
  /** Canonical name of the resolved model: the only one that was authorized, and what the model header says. */
  readonly model: string;
  /** What the backend calls it. */
  readonly upstreamModel: string;
  /** Aliases passed on the way, in order, the requested name first. Empty when it was no alias. */
  readonly hops: readonly string[];
  /** Bytes of the body that the edits were made for. */
  readonly bodyBytes: number;
  readonly bodyEdits: readonly BodyEdit[];
  /** The `:path` for the backend where it differs from the one that came. */
  readonly path: string | undefined;
  /** Headers to set or overwrite, in order. Values hold no CR, LF or NUL. */
  readonly setHeaders: readonly (readonly [name: string, value: string])[];
  /** What the backend wants in place of the caller's key; undefined: the default, where there is one. No value. */
  readonly upstreamCredential: UpstreamCredential | undefined;
  /** Never holds a header that is also set: Envoy removes after it sets. */
  readonly removeHeaders: readonly string[];
  /** Those of the request that are removed though they are no carrier of the key, each with the reason. None: absent. */
  readonly droppedHeaders?: readonly DroppedHeader[];
};

/** Let through unchecked, for an operator has listed the route: of the request only the key was looked at. */
export type PassDecision = DecisionFacts &
  Pick<
    AllowDecision,
    "operation" | "key" | "revision" | "path" | "setHeaders" | "removeHeaders" | "droppedHeaders"
  > & {
    readonly kind: "pass";
  };

/** Answered by us: the list of models, or a probe. `status` is 200. */
export type AnswerDecision = DecisionFacts & {
  readonly kind: "answer";
  readonly operation: string;
  readonly status: 200;
  /** JSON, or empty. */
  readonly body: string;
};

export type DenyDecision = DecisionFacts & {
  readonly kind: "deny";
  readonly reason: DenyReason;
  /** Safe to show to the caller. */
  readonly detail: DenyDetail;
  /** For the operator only: never in a response. */
  readonly trace: DenyTrace | undefined;
};

export type Decision = AllowDecision | PassDecision | AnswerDecision | DenyDecision;

export function denyDecision(
  facts: DecisionFacts,
  reason: DenyReason,
  detail: DenyDetail = {},
  trace: DenyTrace | undefined = undefined,
): DenyDecision {
  return { ...facts, kind: "deny", reason, detail, trace };
}
