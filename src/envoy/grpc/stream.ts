// gRPC over an HTTP/2 stream, as far as calls with bytes in and bytes out need it: the length prefix, the
// deadline, answers and statuses (the gRPC protocol's PROTOCOL-HTTP2). Nothing here throws.

import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";

/** Names as Go's gRPC writes them, which dashboards for `grpc_server_handled_total` expect; the index is the code. */
export const grpcCodeNames = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
] as const;

export type GrpcCode = (typeof grpcCodeNames)[number];

/** Bytes before each message: whether it is compressed, and its length. */
export const prefixBytes = 5;

const head = {
  ":status": 200,
  "content-type": "application/grpc+proto",
  "grpc-accept-encoding": "identity",
} as const;

export function isGrpc(headers: IncomingHttpHeaders): boolean {
  return headers["content-type"]?.startsWith("application/grpc") === true;
}

/** Milliseconds of each unit, by its character's code. */
const unitMs: ReadonlyMap<number, number> = new Map(
  Object.entries({ H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 }).map(
    ([unit, ms]) => [unit.charCodeAt(0), ms] as const,
  ),
);

/** Milliseconds from now; Infinity without a deadline, or with one that cannot be read: a call never fails for that. */
export function deadlineInMs(headers: IncomingHttpHeaders): number {
  const given = headers["grpc-timeout"];
  if (typeof given !== "string") return Number.POSITIVE_INFINITY;
  const digits = given.length - 1;
  const unit = unitMs.get(given.charCodeAt(digits));
  if (unit === undefined || digits < 1 || digits > 8) return Number.POSITIVE_INFINITY;
  let count = 0;
  for (let at = 0; at < digits; at += 1) {
    const digit = given.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return Number.POSITIVE_INFINITY;
    count = count * 10 + digit;
  }
  return count * unit;
}

/** Share of a call's deadline after which it is refused: the rest is for the answer's way back. */
export const deadlineShare = 0.8;

/** Pieces up to so many bytes are copied behind the prefix, so that a small message is one write. */
const copyBytesMax = 16 * 1024;

/** The message with its prefix, in as few pieces as go without copying much. */
function frame(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const isCopied = length <= copyBytesMax;
  const framed = Buffer.allocUnsafe(isCopied ? prefixBytes + length : prefixBytes);
  framed[0] = 0;
  framed.writeUInt32BE(length, 1);
  if (!isCopied) return [framed, ...pieces];
  let at = prefixBytes;
  for (const piece of pieces) {
    framed.set(piece, at);
    at += piece.length;
  }
  return [framed];
}

/** Ends the call with one message and OK. What the peer has not sent yet, it need not send. */
export function sendAnswer(stream: ServerHttp2Stream, message: Uint8Array): void {
  sendLast(stream, [message]);
}

/** The same with a message in pieces, whose memory must stay as it is until the stream is closed. */
export function sendLast(stream: ServerHttp2Stream, pieces: readonly Uint8Array[]): void {
  openAnswers(stream);
  if (isOver(stream)) return;
  const framed = frame(pieces);
  for (const piece of framed.slice(0, -1)) stream.write(piece);
  stream.end(framed.at(-1));
}

/** Sends the head of a call that answers with several messages. */
export function openAnswers(stream: ServerHttp2Stream): void {
  if (isOver(stream) || stream.headersSent) return;
  stream.once("wantTrailers", () => {
    if (isOver(stream)) return;
    stream.sendTrailers({ "grpc-status": "0" });
    dropRequest(stream);
  });
  stream.respond(head, { waitForTrailers: true });
}

/** One of several messages. `onSent` is called when its memory is needed no more, and perhaps never on a stream that breaks. */
export function sendNext(
  stream: ServerHttp2Stream,
  pieces: readonly Uint8Array[],
  onSent: () => void = () => {},
): void {
  openAnswers(stream);
  if (isOver(stream)) return;
  const framed = frame(pieces);
  for (const piece of framed.slice(0, -1)) stream.write(piece);
  stream.write(framed.at(-1), onSent);
}

/** Ends, with OK, a call that has answered. */
export function endAnswers(stream: ServerHttp2Stream): void {
  openAnswers(stream);
  if (!isOver(stream)) stream.end();
}

/** Ends a call that has sent nothing yet. `details` are plain ASCII without %. */
export function sendStatus(stream: ServerHttp2Stream, code: GrpcCode, details: string): void {
  if (isOver(stream)) return;
  const status = { "grpc-status": String(grpcCodeNames.indexOf(code)), "grpc-message": details };
  stream.respond({ ...head, ...status }, { endStream: true });
  dropRequest(stream);
}

/** A reset by the peer ends what can be read before it closes the stream. */
export function isOver(stream: ServerHttp2Stream): boolean {
  return stream.destroyed || stream.closed || stream.aborted || (stream.rstCode ?? 0) !== 0;
}

/**
 * Tells the peer, once the answer is out, to stop sending (RFC 9113, 8.1), and forgets what it has sent. A request that has been
 * read to its end needs no reset: the stream ends with the answer.
 */
function dropRequest(stream: ServerHttp2Stream): void {
  if (stream.readableEnded) return;
  stream.removeAllListeners("data");
  stream.resume();
  setImmediate(() => {
    if (!isOver(stream)) stream.close(constants.NGHTTP2_NO_ERROR);
  });
}
