// A provider of models on loopback that answers whatever is asked in the shape the path wants, and records of each call the
// model, the path, the account that paid for it, and the marker of the request that caused it.

import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export type Sighting = {
  /** The number of the request that caused it; undefined when its marker did not arrive. */
  readonly marker: number | undefined;
  readonly model: string;
  /** The first segment of the path: which of the stub's hosts was meant. */
  readonly host: string;
  readonly path: string;
  readonly account: string;
  /** Models that the call names beside it, in `models` and in hosted tools: OpenRouter would run them. */
  readonly beside: readonly string[];
  /** A header that no provider call has by itself. */
  readonly injected: boolean;
};

export type ProviderStub = {
  readonly port: number;
  /** What was seen since the last call. */
  take(): readonly Sighting[];
  stop(): Promise<void>;
};

/** What a request carries somewhere in its text, so that a call can be traced back to it. */
export function markerText(index: number): string {
  return `hunted-${index}-`;
}

/** The header value that callers try to inject. */
export const injectedValue = "hunt-injected";

const carriers = ["authorization", "api-key", "x-api-key", "x-goog-api-key"];

export async function startProviderStub(): Promise<ProviderStub> {
  let seen: Sighting[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("error", () => response.destroy());
    request.on("end", () => {
      const body = Buffer.concat(parts).toString("utf8");
      const sighting = sightingOf(request, body);
      // What is asked with GET runs nothing: LiteLLM looks at its providers' lists by itself.
      if (request.method !== "GET") seen.push(sighting);
      const answer = JSON.stringify(answerOf(sighting));
      // Slower than the timeouts that are tried, so that they are met.
      setTimeout(() => {
        const status = sighting.model.startsWith("shaky") ? 500 : 200;
        response.writeHead(status, { "content-type": "application/json" });
        response.end(answer);
      }, 20);
    });
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    take() {
      const taken = seen;
      seen = [];
      return taken;
    },
    stop: () => close(server),
  };
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

function sightingOf(request: IncomingMessage, body: string): Sighting {
  const path = request.url ?? "";
  const json = parsed(body);
  const inJson = json?.["model"];
  const inForm = [...body.matchAll(/name="?model"?\r\n\r\n([^\r]*)/g)].map(([, value]) => value);
  const inPath = /\/(?:models|deployments)\/([^/:?]+)/.exec(path)?.[1];
  const accounts = carriers.flatMap((name) => {
    const value = request.headers[name];
    return value === undefined ? [] : [String(value).replace(/^Bearer /, "")];
  });
  const marker = /hunted-(\d+)-/.exec(body)?.[1];
  return {
    marker: marker === undefined ? undefined : Number(marker),
    model: inJson === undefined ? inForm.join("+") || (inPath ?? "") : String(inJson),
    host: path.split("/")[1] ?? "",
    path,
    account: accounts.join("+"),
    beside: json === undefined ? [] : modelsBeside(json),
    injected: Object.values(request.headers).some((value) => String(value) === injectedValue),
  };
}

function parsed(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function modelsBeside(body: Readonly<Record<string, unknown>>): readonly string[] {
  const named: string[] = [];
  const look = (value: unknown, isModel: boolean): void => {
    if (typeof value === "string" && isModel) named.push(value);
    if (typeof value !== "object" || value === null) return;
    const isList = Array.isArray(value);
    for (const [key, child] of Object.entries(value)) {
      look(child, isList ? isModel : /^(models?|fallbacks)$/.test(key));
    }
  };
  for (const name of ["models", "fallbacks"]) look(body[name], true);
  for (const name of ["tools", "deferred_tools", "plugins"]) look(body[name], false);
  return named;
}

const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };

function answerOf({ path, model }: Sighting): unknown {
  if (path.includes("embeddings")) {
    const data = [{ object: "embedding", index: 0, embedding: [0.1] }];
    return { object: "list", model, data, usage: { prompt_tokens: 1, total_tokens: 1 } };
  }
  if (path.startsWith("/api/")) {
    const said = path.endsWith("/chat")
      ? { message: { role: "assistant", content: "ok" } }
      : { response: "ok" };
    return { model, created_at: "2026-01-01T00:00:00Z", ...said, done: true, done_reason: "stop" };
  }
  if (path.includes("/audio/")) return { text: "ok" };
  if (path.includes("/images/")) return { created: 1, data: [{ b64_json: "AAAA" }] };
  if (path.includes("/responses")) {
    const content = [{ type: "output_text", text: "ok", annotations: [] }];
    const message = { type: "message", id: "m", role: "assistant", status: "completed", content };
    const counts = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
    const base = { id: "resp_1", object: "response", created_at: 1, status: "completed", model };
    return { ...base, output: [message], usage: counts, parallel_tool_calls: true, tools: [] };
  }
  if (path.includes("/messages")) {
    const counts = { input_tokens: 1, output_tokens: 1 };
    const content = [{ type: "text", text: "ok" }];
    const base = { id: "m", type: "message", role: "assistant", model, content };
    return { ...base, stop_reason: "end_turn", usage: counts };
  }
  const isChat = path.includes("/chat/");
  const choice = isChat ? { message: { role: "assistant", content: "ok" } } : { text: "ok" };
  const choices = [{ index: 0, finish_reason: "stop", ...choice }];
  const object = isChat ? "chat.completion" : "text_completion";
  return { id: "c", object, created: 1, model, choices, usage };
}
