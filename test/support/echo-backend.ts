// An LLM backend that runs nothing: it records what it received, byte for byte, and answers in the dialect of the path
// with the model that its body named. Only paths that a real backend serves are answered; all others are 404.

import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

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
  readonly stop: () => Promise<void>;
}

interface Asked {
  readonly model: string;
  readonly stream: boolean;
}

type Answer = (asked: Asked) => unknown;

const anthropicUsage = { input_tokens: 1, output_tokens: 1 };
const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };

function said(model: string): string {
  return `This is ${model}.`;
}

const answers: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  [
    "/v1/chat/completions",
    ({ model }) => ({
      id: "chatcmpl-echo",
      object: "chat.completion",
      created: 0,
      model,
      choices: [
        {
          index: 0,
          finish_reason: "stop",
          message: { role: "assistant", content: said(model) },
        },
      ],
      usage,
    }),
  ],
  [
    "/v1/embeddings",
    ({ model }) => ({
      object: "list",
      model,
      data: [{ object: "embedding", index: 0, embedding: [0, 1] }],
      usage: { prompt_tokens: 1, total_tokens: 1 },
    }),
  ],
  [
    "/v1/responses",
    ({ model }) => ({
      id: "resp_echo",
      object: "response",
      created_at: 0,
      status: "completed",
      model,
      output: [
        {
          type: "message",
          id: "msg_echo",
          role: "assistant",
          status: "completed",
          content: [{ type: "output_text", text: said(model), annotations: [] }],
        },
      ],
      usage,
    }),
  ],
  ["/v1/moderations", ({ model }) => ({ id: "modr-echo", model, results: [] })],
  [
    "/v1/messages",
    ({ model }) => ({
      id: "msg_echo",
      type: "message",
      role: "assistant",
      model,
      content: [{ type: "text", text: said(model) }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage: anthropicUsage,
    }),
  ],
  ["/v1/messages/count_tokens", () => ({ input_tokens: 1 })],
  [
    "/api/chat",
    ({ model }) => ({
      model,
      created_at: "2026-01-01T00:00:00Z",
      message: { role: "assistant", content: said(model) },
      done: true,
    }),
  ],
]);

function readAsked(body: Buffer): Asked | undefined {
  try {
    const value: unknown = JSON.parse(body.toString("utf8"));
    if (typeof value !== "object" || value === null || !("model" in value)) return undefined;
    if (typeof value.model !== "string") return undefined;
    return { model: value.model, stream: "stream" in value && value.stream === true };
  } catch {
    return undefined;
  }
}

function streamChat(response: ServerResponse, model: string): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const head = { id: "chatcmpl-echo", object: "chat.completion.chunk", created: 0, model };
  for (const content of said(model).split(" ")) {
    const choices = [{ index: 0, delta: { role: "assistant", content }, finish_reason: null }];
    response.write(`data: ${JSON.stringify({ ...head, choices })}\n\n`);
  }
  const choices = [{ index: 0, delta: {}, finish_reason: "stop" }];
  response.end(`data: ${JSON.stringify({ ...head, choices })}\n\ndata: [DONE]\n\n`);
}

function streamMessage(response: ServerResponse, model: string): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const send = (type: string, more: object): void => {
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`);
  };
  const message = { id: "msg_echo", type: "message", role: "assistant", model, content: [] };
  const start = { stop_reason: null, stop_sequence: null, usage: anthropicUsage };
  send("message_start", { message: { ...message, ...start } });
  send("content_block_start", { index: 0, content_block: { type: "text", text: "" } });
  send("content_block_delta", { index: 0, delta: { type: "text_delta", text: said(model) } });
  send("content_block_stop", { index: 0 });
  const delta = { stop_reason: "end_turn", stop_sequence: null };
  send("message_delta", { delta, usage: { output_tokens: 1 } });
  send("message_stop", {});
  response.end();
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

function answer(response: ServerResponse, request: ReceivedRequest): void {
  const path = request.path.split("?")[0] ?? "";
  const make = answers.get(path);
  if (make === undefined) {
    sendJson(response, 404, { error: { message: "The echo backend has no such path." } });
    return;
  }
  const asked = readAsked(request.body);
  if (asked === undefined) {
    sendJson(response, 400, { error: { message: "The echo backend found no model." } });
    return;
  }
  if (asked.stream && path === "/v1/chat/completions") {
    streamChat(response, asked.model);
    return;
  }
  if (asked.stream && path === "/v1/messages") {
    streamMessage(response, asked.model);
    return;
  }
  sendJson(response, 200, make(asked));
}

/** Starts a backend on a free port of 127.0.0.1. */
export function startEchoBackend(): Promise<EchoBackend> {
  const received: ReceivedRequest[] = [];
  const server = createServer((request, response) => {
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
      answer(response, whole);
    });
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        received,
        stop: () =>
          new Promise((stopped) => {
            server.close(() => stopped());
            server.closeAllConnections();
          }),
      });
    });
  });
}
