// One HTTP request to the API server: no compression, a time limit on everything, and every failure a KubeError.

import { type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { type RequestOptions as HttpsOptions, request as requestHttps } from "node:https";
import type { Socket } from "node:net";
import { errorOfStatus, KubeError, messageOf, tooLongReason } from "./transport.ts";

/** The head of the answer has to come within, in ms; for all but a watch the whole answer. */
export const answerMsMax = 30_000;
/** An answer that is longer is not taken in: who asked for a page asks for a smaller one. */
export const bodyBytesMax = 64 * 1024 * 1024;

export type Call = {
  readonly method: string;
  readonly url: string;
  /** Credentials and agent. */
  readonly https: HttpsOptions;
  readonly body?: { readonly type: string; readonly value: unknown };
  readonly signal?: AbortSignal;
  /** The body may take as long as it likes: a watch. */
  readonly stream?: boolean;
  /** Asked in the moment in which the call goes out, connection and all: whether it still may. */
  readonly maySend?: (() => boolean) | undefined;
};

/** The answer, once its head is there and says success. Rejects with a KubeError. */
export async function callServer(call: Call): Promise<IncomingMessage> {
  const answer = await headOf(call).catch((error: unknown) => {
    // The server closed a kept connection just when it was used again: most likely nothing of the call has reached it.
    // Sent twice, a creation could fail for what its first sending made.
    if (error instanceof StaleConnection && call.method !== "POST") return headOf(call);
    throw error;
  });
  const status = answer.statusCode ?? 0;
  if (status >= 200 && status < 300) return answer;
  const retryAfterMs = retryAfterOf(answer.headers["retry-after"]);
  const text = await readText(answer).catch(() => "");
  let told: unknown;
  try {
    told = JSON.parse(text);
  } catch {
    told = { message: `the API server answered ${status}` };
  }
  throw errorOfStatus(told, { status, retryAfterMs });
}

/** The whole body. */
export async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer) {
      bytes += (chunk as Buffer).length;
      if (bytes > bodyBytesMax) {
        throw new KubeError("an answer is too long", { reason: tooLongReason });
      }
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    if (error instanceof KubeError) throw error;
    throw new KubeError(`an answer broke off: ${messageOf(error)}`);
  }
  return Buffer.concat(chunks).toString("utf8");
}

class StaleConnection extends KubeError {}

function headOf(call: Call): Promise<IncomingMessage> {
  const { method, url, https, body, signal, stream, maySend } = call;
  const text = body === undefined ? undefined : Buffer.from(JSON.stringify(body.value));
  const headers = {
    ...https.headers,
    accept: "application/json",
    "accept-encoding": "identity",
    "user-agent": "aliasguard",
    ...(body && text && { "content-type": body.type, "content-length": String(text.length) }),
  };
  const request = url.startsWith("http:") ? requestHttp : requestHttps;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void =>
      reject(new KubeError(`no answer of the API server: ${messageOf(error)}`));
    try {
      const options = { ...https, method, headers, ...(signal && { signal }) };
      const outgoing = request(url, options, (answer) => {
        if (stream === true && answer.statusCode === 200) clearTimeout(timer);
        answer.once("close", () => clearTimeout(timer));
        // An abort may come when nobody reads any more; who reads is told by the reading itself.
        answer.on("error", () => undefined);
        resolve(answer);
      });
      const timer = setTimeout(() => {
        outgoing.destroy(new Error(`none within ${answerMsMax / 1000} s`));
      }, answerMsMax);
      outgoing.on("socket", hearErrors);
      outgoing.on("error", (error) => {
        clearTimeout(timer);
        const isReset = "code" in error && (error.code === "ECONNRESET" || error.code === "EPIPE");
        if (isReset && outgoing.reusedSocket) reject(new StaleConnection(messageOf(error)));
        else fail(error);
      });
      if (maySend === undefined) outgoing.end(text);
      else sendIf(maySend, outgoing, text);
    } catch (error) {
      fail(error);
    }
  });
}

const heard = new WeakSet<Socket>();

/**
 * For as long as the connection lives: an abort in the moment in which it changes hands, from a call that has ended to
 * the agent, finds nobody else who listens, and would end the process.
 */
function hearErrors(socket: Socket): void {
  if (heard.has(socket)) return;
  heard.add(socket);
  socket.on("error", () => undefined);
}

/** A process that was stopped for a while must not send what it may no longer: so nothing is sent ahead of the answer. */
function sendIf(maySend: () => boolean, outgoing: ClientRequest, text: Buffer | undefined): void {
  const send = (): void => {
    if (maySend()) outgoing.end(text);
    else outgoing.destroy(new Error("the call was not sent: this process may no longer write"));
  };
  outgoing.once("socket", (socket) => {
    if (outgoing.reusedSocket || !socket.connecting) send();
    else socket.once("encrypted" in socket ? "secureConnect" : "connect", send);
  });
}

/** Seconds or a date; undefined when it is neither. */
function retryAfterOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
