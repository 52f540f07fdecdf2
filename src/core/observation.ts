// What is told of each check once it is decided: the one value that log lines and metrics are made from.

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
