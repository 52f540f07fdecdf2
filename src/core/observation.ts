// What is told of each check once it is decided, and of each response that is read: the values that log lines and metrics
// are made from.

import type { Decision } from "./decision.ts";

export type CheckObservation = {
  readonly decision: Decision;
  /** HTTP status that the caller gets from us; undefined for an allow. */
  readonly status: number | undefined;
  /** Headers of the request; empty when it could not be read. For the request and trace ids only. */
  readonly headers: ReadonlyMap<string, string>;
  readonly bodyBytes: number;
  /** Microseconds from the decoded bytes to the encoded answer. */
  readonly durationUs: number;
};

/** What a backend says that it ran. `unknown`: the response was a success, and named no model or could not be read. */
export type Served = "authorized" | "other" | "unknown";

/** Told once for each response, as soon as another model is named, else at its end. */
export type ResponseObservation = {
  readonly served: Served;
  /** The models as the backend wrote them, at most 8 of 256 UTF-16 units: any text whatever. */
  readonly servedModels: readonly string[];
  readonly operation: string;
  readonly key: string;
  readonly team: string | undefined;
  /** The canonical name of the model that was authorized. */
  readonly model: string;
  /** Headers of the request. For the request and trace ids only. */
  readonly headers: ReadonlyMap<string, string>;
};
