// What the reflector and the lease need of an API server: objects, events, failures and the calls between them. No
// package, no I/O, so that tests can play the server.

export type KubeObject = {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly [field: string]: unknown;
  };
};

/** A line of a watch, not yet judged: an ERROR event carries a Status, a BOOKMARK only a resourceVersion. */
export type WatchEvent = { readonly type: string; readonly object: unknown };

export type ListPage<T> = {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  readonly continueToken?: string;
};

export type ListRequest = { readonly limit: number; readonly continueToken?: string };
export type WatchRequest = { readonly resourceVersion: string; readonly timeoutSeconds: number };

/** Failures reject with a KubeError. `watch` fulfils when the server ended it in order, and never outlives its signal. */
export type CollectionTransport<T extends KubeObject> = {
  list(request: ListRequest, signal: AbortSignal): Promise<ListPage<T>>;
  watch(
    request: WatchRequest,
    onEvent: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void>;
};

/** Reason of a failure that is ours: an answer of more bytes than are taken in. */
export const tooLongReason = "AnswerTooLong";

export type KubeErrorDetails = {
  /** The HTTP status, or the code of a Status object; absent when no answer came. */
  readonly status?: number | undefined;
  readonly retryAfterMs?: number | undefined;
  /** The server's word, as `Conflict` or `Expired`. */
  readonly reason?: string | undefined;
};

export class KubeError extends Error {
  override readonly name = "KubeError";
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly reason: string | undefined;

  constructor(message: string, { status, retryAfterMs, reason }: KubeErrorDetails = {}) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
    this.reason = reason;
  }
}

/** The failure that a Status object tells of. */
export function errorOfStatus(status: unknown, more: KubeErrorDetails = {}): KubeError {
  const { code, reason, message, details } = recordOf(status);
  const seconds = recordOf(details)["retryAfterSeconds"];
  return new KubeError(
    typeof message === "string" ? message.slice(0, 500) : "the API server tells no message",
    {
      status: more.status ?? (typeof code === "number" ? code : undefined),
      reason: typeof reason === "string" ? reason : undefined,
      retryAfterMs: more.retryAfterMs ?? (typeof seconds === "number" ? seconds * 1000 : undefined),
    },
  );
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  // A name with several addresses: the failure as a whole has no words of its own.
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}

export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}

/** Fulfils after `ms`, or once `signal` aborts. */
export type Delay = (ms: number, signal: AbortSignal) => Promise<void>;
