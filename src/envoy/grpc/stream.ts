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

const unitMs: ReadonlyMap<string, number> = new Map([
  ["H", 3_600_000],
  ["M", 60_000],
  ["S", 1000],
  ["m", 1],
  ["u", 0.001],
  ["n", 0.000_001],
]);

/** Milliseconds from now; Infinity without a deadline, or with one that cannot be read: a call never fails for that. */
export function deadlineInMs(headers: IncomingHttpHeaders): number {
  const [, count, unit] = /^([0-9]{1,8})([HMSmun])$/.exec(String(headers["grpc-timeout"])) ?? [];
  return Number(count ?? Number.POSITIVE_INFINITY) * (unitMs.get(unit ?? "S") ?? 1);
}

/** Share of a call's deadline after which it is refused: the rest is for the answer's way back. */
export const deadlineShare = 0.8;

/** Pieces up to so many bytes are copied behind the prefix, so that a small message is one write. */
const copyBytesMax = 16 * 1024;

/** The message with its prefix, in as few pieces as go without copying much. */
function frame(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(length, 1);
  return length <= copyBytesMax ? [Buffer.concat([prefix, ...pieces])] : [prefix, ...pieces];
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

/** Tells the peer, once the answer is out, to stop sending (RFC 9113, 8.1), and forgets what it has sent. */
function dropRequest(stream: ServerHttp2Stream): void {
  stream.removeAllListeners("data");
  stream.resume();
  setImmediate(() => {
    if (!isOver(stream)) stream.close(constants.NGHTTP2_NO_ERROR);
  });
}
