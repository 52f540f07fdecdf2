// An LLM backend that runs nothing: it records what it received, byte for byte, and answers in the dialect of the path with
// the model that its path, body or form named. Only paths that a real backend serves are answered; all others are 404.

import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { document, type EchoAnswer } from "./echo-answer.ts";
import { anthropicAnswers } from "./echo-anthropic.ts";
import { type Asked, type EchoRequest, readAsked } from "./echo-asked.ts";
import { geminiAnswers } from "./echo-gemini.ts";
import { ollamaAnswers } from "./echo-ollama.ts";
import { cohereAnswers, openaiAnswers } from "./echo-openai.ts";

/** One request as the backend received it. */
export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A running backend. */
export interface EchoBackend {
  readonly port: number;
  /** Every request since the start, oldest first, those it answered 404 included. */
  readonly received: readonly ReceivedRequest[];
  /** The models it ran, in the order of its answers. */
  readonly ran: readonly string[];
  readonly stop: () => Promise<void>;
}

/** Which answer a path leads to, and the model in it, undecoded. */
type Route = {
  readonly make: ((asked: Asked) => EchoAnswer) | undefined;
  readonly model: string | undefined;
};

const azurePath = /^\/openai\/deployments\/(.+?)((?:\/images|\/audio|\/chat)?\/[a-z]+)$/;
const geminiPath = /^(?:\/v1(?:alpha|beta)?)?\/models\/(.+):([A-Za-z]+)$/;
const prefixes = "/openai/v1|/anthropic/v1|/api/v1|/v1beta1|/v1";
const vertexPath = new RegExp(
  `^(?:${prefixes})?(?:/projects/[^/]+/locations/[^/]+)?/publishers/([^/]+)/models/(.+):([A-Za-z]+)$`,
);
const azureBodyPath = "/openai(?=/(?:responses|chat/completions)$)";
const prefixedPath = new RegExp(`^(?:${prefixes}|${azureBodyPath})?(/.*)$`);

function vertexRoute(publisher: string, model: string, verb: string): Route {
  if (!verb.toLowerCase().endsWith("rawpredict")) return { make: geminiAnswers.get(verb), model };
  if (publisher !== "anthropic") return { make: openaiAnswers.get("/chat/completions"), model };
  return model === "count-tokens"
    ? { make: anthropicAnswers.get("/messages/count_tokens"), model: undefined }
    : { make: anthropicAnswers.get("/messages"), model };
}

function routeOf(path: string): Route {
  const [, deployment, rest = ""] = azurePath.exec(path) ?? [];
  if (deployment !== undefined) return { make: openaiAnswers.get(rest), model: deployment };
  const [, publisher, hosted = "", method = ""] = vertexPath.exec(path) ?? [];
  if (publisher !== undefined) return vertexRoute(publisher, hosted, method);
  const [, model, verb = ""] = geminiPath.exec(path) ?? [];
  if (model !== undefined) return { make: geminiAnswers.get(verb), model };
  const whole = cohereAnswers.get(path) ?? ollamaAnswers.get(path);
  if (whole !== undefined) return { make: whole, model: undefined };
  const name = prefixedPath.exec(path)?.[1] ?? "";
  return { make: openaiAnswers.get(name) ?? anthropicAnswers.get(name), model: undefined };
}

async function answerTo(request: EchoRequest): Promise<readonly [EchoAnswer, model: string]> {
  const { make, model } = routeOf(request.path);
  if (make === undefined) return [failure(404, "The echo backend has no such path."), ""];
  const asked = await readAsked(request, model);
  if (asked === undefined) return [failure(400, "The echo backend found no model."), ""];
  return [make(asked), asked.model];
}

function failure(status: number, message: string): EchoAnswer {
  return document({ error: { message } }, status);
}

async function answer(
  response: ServerResponse,
  request: ReceivedRequest,
  ran: string[],
): Promise<void> {
  const [path = "", query = ""] = request.path.split("?", 2);
  const contentType = request.headers["content-type"] ?? "";
  const [given, model] = await answerTo({ path, query, contentType, body: request.body });
  if (model !== "") ran.push(model);
  // Where the dialect's answer has no place for the model, a test finds it here.
  response.writeHead(given.status, { "content-type": given.contentType, "x-echo-model": model });
  for (const piece of given.pieces) {
    response.write(piece);
    await new Promise(setImmediate);
  }
  response.end();
}

/** Starts a backend on a free port of 127.0.0.1. */
export function startEchoBackend(): Promise<EchoBackend> {
  const received: ReceivedRequest[] = [];
  const ran: string[] = [];
  const receive = (request: IncomingMessage, response: ServerResponse): void => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const whole: ReceivedRequest = {
        method: request.method ?? "",
        path: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(parts),
      };
      received.push(whole);
      answer(response, whole, ran).catch((error: unknown) => response.destroy(error as Error));
    });
  };
  const server = createServer(receive);
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    // A test that ends without stopping it still ends.
    server.unref();
    server.listen(0, "127.0.0.1", () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        received,
        ran,
        stop: () =>
          new Promise((stopped) => {
            server.close(() => stopped());
            server.closeAllConnections();
          }),
      });
    });
  });
}
