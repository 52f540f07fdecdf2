// What a scan of JSON gives: the members of the top-level object with their byte offsets, or why not; and the limits that
// every scanner holds to.

import type { DenyReason } from "../denials.ts";
import type { JsonContainers } from "./containers.ts";
import type { JsonKind } from "./token.ts";

/** Deepest nesting; the root object is 1. */
export const jsonDepthMax = 64;
/** Longest number, in characters. */
export const jsonNumberLengthMax = 512;

/** A member of the top-level object. Offsets count bytes; both tokens are given with their quotes or brackets. */
export type JsonMember = {
  /** Plain ASCII without escapes, for other top-level keys are refused: so it is 2 bytes shorter than its token. */
  readonly key: string;
  readonly keyStart: number;
  readonly kind: JsonKind;
  readonly start: number;
  readonly end: number;
};

export type JsonScan =
  | {
      readonly ok: true;
      readonly members: readonly JsonMember[];
      /** Holds until the scanner's next body. */
      readonly containers: JsonContainers;
    }
  | { readonly ok: false; readonly reason: DenyReason; readonly offset: number };

export type JsonScanOptions = {
  /**
   * The body is Envoy's sanitised text, in which every byte that was not UTF-8 has become "!": a key that holds one may
   * have been another key, so it is refused. Default false.
   */
  readonly isText?: boolean;
};

/** Never throws. Not reentrant; a scan is synchronous, so that one scanner serves a process. */
export type JsonScanner = (bytes: Uint8Array, options?: JsonScanOptions) => JsonScan;
