// Sends one request of the probe, over HTTP/1.1 or HTTP/2, on a connection of its own, and reads what the answer says.

import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:http2";
import { request as httpsRequest } from "node:https";
import { nodeOf } from "../../doctor/tree.ts";
import type { ProbeRequest } from "./requests.ts";
import type { ProbeAnswer } from "./verdict.ts";

/** Most bytes of an answer that are read; what stands behind them is not looked at. */
const answerBytesMax = 1024 * 1024;

/** Resolves to an answer, or to why there is none; rejects never. */
export function sendProbe(
  origin: URL,
  request: ProbeRequest,
  timeoutMs: number,
): Promise<ProbeAnswer> {
  return request.protocol === "http2"
    ? sendHttp2(origin, request, timeoutMs)
    : sendHttp1(origin, request, timeoutMs);
}

function headersOf({ headers, body }: ProbeRequest): Record<string, string> {
  return {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "user-agent": "aliasguard-probe",
    ...Object.fromEntries(headers),
  };
}

function sendHttp1(origin: URL, wanted: ProbeRequest, timeoutMs: number): Promise<ProbeAnswer> {
  return new Promise((resolve) => {
    const send = origin.protocol === "https:" ? httpsRequest : httpRequest;
    const options = { method: "POST", headers: headersOf(wanted), agent: false };
    const outgoing = send(new URL(wanted.path, origin), options);
    const timer = setTimeout(() => end({ kind: "timeout", why: noAnswer(timeoutMs) }), timeoutMs);
    const end = (answer: ProbeAnswer): void => {
      clearTimeout(timer);
      resolve(answer);
      outgoing.destroy();
    };
    outgoing.on("response", (incoming: IncomingMessage) => {
      readAll(incoming, (body) => end(answerOf(incoming.statusCode ?? 0, body)));
    });
    outgoing.on("upgrade", (incoming: IncomingMessage) => {
      end(answerOf(incoming.statusCode ?? 101, Buffer.from("upgraded")));
    });
    outgoing.on("error", (error: Error) => end({ kind: "failed", why: error.message }));
    outgoing.end(wanted.body);
  });
}

/** Without TLS by prior knowledge: gRPC's way, and Envoy's. */
function sendHttp2(origin: URL, wanted: ProbeRequest, timeoutMs: number): Promise<ProbeAnswer> {
  return new Promise((resolve) => {
    let isConnected = false;
    const session = connect(origin);
    const timer = setTimeout(() => {
      if (isConnected) end({ kind: "timeout", why: noAnswer(timeoutMs) });
      else end({ kind: "not_spoken", why: "no settings came" });
    }, timeoutMs);
    const end = (answer: ProbeAnswer): void => {
      clearTimeout(timer);
      resolve(answer);
      session.destroy();
    };
    const fail = (error: Error): void =>
      end({ kind: isConnected ? "failed" : "not_spoken", why: error.message });
    session.on("error", fail);
    session.on("remoteSettings", () => {
      isConnected = true;
    });
    const head = { ":method": "POST", ":path": wanted.path, ...headersOf(wanted) };
    const stream = session.request(head);
    stream.on("error", fail);
    stream.on("close", () => end({ kind: "failed", why: "the stream was closed" }));
    stream.on("response", (headers) => {
      readAll(stream, (body) => end(answerOf(Number(headers[":status"]), body)));
    });
    stream.end(wanted.body);
  });
}

function noAnswer(timeoutMs: number): string {
  return `no answer within ${timeoutMs} ms`;
}

function readAll(stream: NodeJS.ReadableStream, done: (body: Buffer) => void): void {
  const parts: Buffer[] = [];
  let bytes = 0;
  stream.on("data", (part: Buffer) => {
    parts.push(part);
    bytes += part.length;
    if (bytes > answerBytesMax) done(Buffer.concat(parts));
  });
  stream.on("end", () => done(Buffer.concat(parts)));
}

/** The code and the model stand where the OpenAI API has them; the authorizer and Envoy's local replies do so too. */
export function answerOf(status: number, body: Buffer): ProbeAnswer {
  let root: unknown;
  try {
    root = JSON.parse(body.toString("utf8")) as unknown;
  } catch {
    // A page, a stream or nothing: it says neither.
  }
  const top = nodeOf(root);
  return {
    kind: "answer",
    status,
    code: textOf(nodeOf(top?.["error"])?.["code"]),
    model: textOf(top?.["model"]),
    isEmpty: body.length === 0,
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
