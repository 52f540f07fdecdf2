// The request as the core reads it: what the ext_authz and ext_proc adapters translate their wire forms into.
// Nothing here knows protobuf or Envoy.

/** Most bytes that a model name may have, canonical, requested or alias (design: model grammar). */
export const modelNameBytesMax = 256;

/**
 * One HTTP request to decide on.
 *
 * `path` is the raw `:path`, query included. `headers` has lower-case names; a header that came several times is
 * joined with "," exactly as Envoy joins it, so that both wire forms of headers give the same decision.
 */
export type AuthzRequest = {
  readonly method: string;
  readonly path: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: RequestBody;
};

/**
 * The body as it arrived. `bytes` are the exact bytes; `text` is what Envoy makes of a body without pack_as_bytes
 * (every byte that is not UTF-8 has become "!"). `declaredBytes` is the sender's own count, undefined when it gave none;
 * it is larger than the body when the body was cut.
 */
export type RequestBody =
  | { readonly kind: "none" }
  | {
      readonly kind: "bytes";
      readonly bytes: Uint8Array;
      readonly declaredBytes: number | undefined;
    }
  | { readonly kind: "text"; readonly text: string; readonly declaredBytes: number | undefined };

/** What the core needs besides the request and the snapshot, so that it reads no clock and draws no lots. */
export type DecisionContext = {
  /** Milliseconds since the epoch: keys begin and expire by it. */
  readonly nowMs: number;
  /** A number in [0, 1) that chooses among the weighted targets of an alias that is sticky by request. */
  readonly draw: number;
};
