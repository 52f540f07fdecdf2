// Envoy with ext_proc in front of a backend whose answers a test writes byte by byte, and an authorizer that reads them.

import assert from "node:assert/strict";
import { createServer as createHttp1, request, type ServerResponse } from "node:http";
import { connect, createServer as createHttp2, type Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import type { Dialect } from "../../src/core/denials.ts";
import { backendHttp2, type ConfigChange, envoyConfig, places } from "./envoy-config.ts";
import { PolicyFolder } from "./policy-files.ts";
import { type Authorizer, startAuthorizer } from "./start-authorizer.ts";
import { type Envoy, startEnvoy } from "./start-envoy.ts";
import { alice, binary, manifests } from "./start-stack.ts";
import { createTempFolder } from "./temp-folder.ts";

export type BackendResponse = ServerResponse | Http2ServerResponse;
export type Answer = (response: BackendResponse) => void;

export type Got = {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, unknown>>;
  /** Whether the answer came to its end. */
  readonly isWhole: boolean;
};

export type Asked = {
  readonly dialect?: Dialect;
  readonly headers?: Readonly<Record<string, string>>;
  /** Called with each chunk; true: the caller goes away. */
  readonly onChunk?: (chunk: Buffer) => boolean;
};

export const alias = "AgentX-LLM";
const chat = JSON.stringify({ model: alias, messages: [{ role: "user", content: "hi" }] });
const contents = JSON.stringify({ contents: [{ parts: [{ text: "hi" }] }] });

/** An allowed request of each dialect, whose response can name a model. */
const requests: Readonly<Record<Dialect, readonly [path: string, body: string]>> = {
  openai: ["/v1/chat/completions", chat],
  azure: [`/openai/deployments/${alias}/chat/completions?api-version=2024-10-21`, chat],
  anthropic: ["/v1/messages", chat],
  gemini: [`/v1beta/models/${alias}:streamGenerateContent`, contents],
  ollama: ["/api/chat", chat],
};

type Options = {
  readonly model: "ignore" | "count" | "requested";
  readonly changes?: readonly ConfigChange[];
  /** The backend speaks HTTP/2. */
  readonly isHttp2?: boolean;
  readonly args?: readonly string[];
};

export class ResponseStack {
  readonly authorizer: Authorizer;
  readonly envoy: Envoy;
  readonly backend: Backend;
  readonly #removeFolder: () => void;

  constructor(
    { authorizer, envoy, backend }: Pick<ResponseStack, "authorizer" | "envoy" | "backend">,
    removeFolder: () => void,
  ) {
    this.authorizer = authorizer;
    this.envoy = envoy;
    this.backend = backend;
    this.#removeFolder = removeFolder;
  }

  static async start({ model, changes = [], isHttp2 = false, args = [] }: Options) {
    const folder = createTempFolder("policy");
    new PolicyFolder(folder.path).write("policy.yaml", manifests);
    const backend = await startBackend(isHttp2);
    const all = ["--response-model", model, ...args];
    const authorizer = await startAuthorizer({ policy: folder.path, args: all });
    const where = places({ authorizers: [authorizer.port], backendPort: backend.port });
    const config = [where, ...(isHttp2 ? [backendHttp2] : []), ...changes];
    const envoy = await startEnvoy(binary, envoyConfig(config, "ext_proc"));
    return new ResponseStack({ authorizer, envoy, backend }, () => folder.remove());
  }

  /** Over HTTP/1.1, with the alias as the model. */
  ask(answer: Answer, { dialect = "openai", headers = {}, onChunk }: Asked = {}): Promise<Got> {
    this.backend.answer = answer;
    const [path, body] = requests[dialect];
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          ...{ host: "127.0.0.1", port: this.envoy.port, path, method: "POST", agent: false },
          headers: { ...requestHeaders, ...headers },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          const end = (isWhole: boolean): void => {
            const { statusCode: status = 0, headers: given, trailers } = incoming;
            resolve({ status, headers: given, trailers, isWhole, body: Buffer.concat(chunks) });
          };
          incoming.on("data", (chunk: Buffer) => {
            chunks.push(chunk);
            if (onChunk?.(chunk) === true) outgoing.destroy();
          });
          incoming.on("error", () => end(false));
          incoming.on("end", () => end(true));
        },
      );
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }

  /** Over HTTP/2. */
  async askHttp2(answer: Answer, { dialect = "openai" }: Asked = {}): Promise<Got> {
    this.backend.answer = answer;
    const [path, body] = requests[dialect];
    const session = connect(`http://127.0.0.1:${this.envoy.port}`);
    const stream = session.request({ ":method": "POST", ":path": path, ...requestHeaders });
    const chunks: Buffer[] = [];
    let headers: Record<string, unknown> = {};
    let trailers: Record<string, unknown> = {};
    stream.on("response", (given) => {
      headers = given;
    });
    stream.on("trailers", (given) => {
      trailers = given;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", () => {});
    stream.end(body);
    await new Promise((resolve) => stream.once("close", resolve));
    session.destroy();
    const isWhole = stream.rstCode === 0;
    const status = Number(headers[":status"]);
    return { status, headers, trailers, isWhole, body: Buffer.concat(chunks) };
  }

  /** aliasguard_responses_total by `served`. */
  async counts(): Promise<Readonly<Record<string, number>>> {
    const text = await this.metrics();
    const found = text.matchAll(/^aliasguard_responses_total\{served="([a-z]+)"\} (\d+)$/gm);
    return Object.fromEntries([...found].map(([, served, count]) => [served, Number(count)]));
  }

  async metrics(): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.authorizer.adminPort}/metrics`);
    return answer.text();
  }

  /** The lines about responses of other models. */
  logged(): readonly Record<string, unknown>[] {
    return this.authorizer.log().filter((line) => line["msg"] === "response");
  }

  async stop(): Promise<void> {
    await this.envoy.stop();
    await this.authorizer.stop();
    await this.backend.stop();
    this.#removeFolder();
  }
}

const requestHeaders = {
  "content-type": "application/json",
  authorization: `Bearer ${alice.value}`,
  "accept-encoding": "gzip, br",
  "x-request-id": "c7a3b6a0-0000-4000-8000-000000000000",
};

type Backend = {
  readonly port: number;
  answer: Answer;
  /** Headers of the last request. */
  readonly received: () => ReadonlyMap<string, unknown>;
  readonly stop: () => Promise<void>;
};

async function startBackend(isHttp2: boolean): Promise<Backend> {
  let last: ReadonlyMap<string, unknown> = new Map();
  const sessions = new Set<{ destroy(): void }>();
  const server = isHttp2 ? createHttp2() : createHttp1();
  server.on("session", (session) => sessions.add(session));
  server.on("connection", (socket) => sessions.add(socket));
  server.on("request", (incoming, response: BackendResponse) => {
    last = new Map(Object.entries(incoming.headers));
    response.on("error", () => {});
    incoming.on("error", () => {});
    incoming.resume();
    incoming.on("end", () => backend.answer(response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const backend: Backend = {
    port: (server.address() as AddressInfo).port,
    answer: (response) => response.end(),
    received: () => last,
    stop: () =>
      new Promise((resolve) => {
        for (const session of sessions) session.destroy();
        server.close(() => resolve());
      }),
  };
  return backend;
}

/** Sends pieces one after another, each in a write of its own. */
export function pieces(
  contentType: string,
  list: readonly Buffer[],
  { delayMs = 0, status = 200, headers = {} }: PiecesOptions = {},
): Answer {
  return (response) => {
    // The two classes declare it alike and TypeScript cannot tell.
    (response as ServerResponse).writeHead(status, { "content-type": contentType, ...headers });
    const send = (at: number): void => {
      const piece = list[at];
      if (piece === undefined) {
        response.end();
        return;
      }
      (response as ServerResponse).write(piece);
      if (delayMs > 0) setTimeout(() => send(at + 1), delayMs);
      else setImmediate(() => send(at + 1));
    };
    send(0);
  };
}

type PiecesOptions = {
  readonly delayMs?: number;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
};

/** Looks until it is true; fails after far longer than a loaded machine needs. */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let looks = 0; !(await isTrue()); looks += 1) {
    assert.ok(looks < 500, "it never came true");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
