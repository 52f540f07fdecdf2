// grpc.health.v1: SERVING while a policy is loaded and the process is not stopping. Kubernetes' probes and Envoy's
// grpc_health_check read it.

import type { ServerHttp2Stream } from "node:http2";
import {
  authorizationService,
  healthService,
  processorService,
  type WireCodec,
  type WireHealth,
} from "../wire.ts";
import {
  type GrpcCode,
  isOver,
  openAnswers,
  prefixBytes,
  sendAnswer,
  sendNext,
  sendStatus,
} from "./stream.ts";

/** Bytes of a question; it holds a service's name. */
const questionBytesMax = 4096;

/** A peer may begin a question and not end it for so long. */
const questionMs = 10_000;

const names: ReadonlySet<string> = new Set(["", authorizationService, processorService]);

export type HealthMethod = "Check" | "List" | "Watch";
export type HealthCallDeps = {
  readonly codec: WireCodec;
  /** How the call ended, once. */
  readonly onEnd: (code: GrpcCode) => void;
};

export type Health = {
  /** Reads the question from a stream of grpc.health.v1 and answers it. */
  take(stream: ServerHttp2Stream, method: HealthMethod, deps: HealthCallDeps): void;
  /** Tells the watchers when the answer is another than before. */
  changed(): void;
  /** Ends the watchers' streams, so that a drain does not wait for them. */
  endWatches(): void;
};

export function healthMethod(path: string | undefined): HealthMethod | undefined {
  const method = path?.startsWith(`/${healthService}/`)
    ? path.slice(healthService.length + 2)
    : undefined;
  return method === "Check" || method === "List" || method === "Watch" ? method : undefined;
}

type Watcher = { status: WireHealth["status"]; tell: (status: WireHealth["status"]) => void };

export function createHealth(isServing: () => boolean): Health {
  const watchers = new Map<ServerHttp2Stream, Watcher & { readonly service: string }>();
  const statusOf = (service: string): WireHealth["status"] => {
    if (!names.has(service)) return 3;
    return isServing() ? 1 : 2;
  };

  function answer(
    stream: ServerHttp2Stream,
    method: HealthMethod,
    service: string,
    encode: (value: object) => Buffer,
  ): GrpcCode | undefined {
    const status = statusOf(service);
    if (method === "List") {
      const entries = [...names].map((name) => [name, { status: statusOf(name) }] as const);
      sendAnswer(stream, encode({ statuses: Object.fromEntries(entries) }));
      return "OK";
    }
    if (method === "Check" && status === 3) {
      sendStatus(stream, "NotFound", "unknown service");
      return "NotFound";
    }
    if (method === "Check") {
      sendAnswer(stream, encode({ status }));
      return "OK";
    }
    const tell = (next: WireHealth["status"]): void => sendNext(stream, [encode({ status: next })]);
    watchers.set(stream, { service, status, tell });
    stream.once("close", () => watchers.delete(stream));
    openAnswers(stream);
    tell(status);
    return undefined;
  }

  return {
    take(stream, method, { codec, onEnd }) {
      let code: GrpcCode | undefined;
      stream.once("close", () => onEnd(code ?? "Canceled"));
      readQuestion(stream, (question) => {
        const { requestDeserialize, responseSerialize } = codec.health[method] ?? {};
        if (requestDeserialize === undefined || responseSerialize === undefined) return;
        const service = serviceIn(question, requestDeserialize);
        if (service !== undefined) code = answer(stream, method, service, responseSerialize);
        else {
          code = "Internal";
          sendStatus(stream, code, "the question could not be read");
        }
      });
    },
    changed() {
      for (const watcher of watchers.values()) {
        const status = statusOf(watcher.service);
        if (status === watcher.status) continue;
        watcher.status = status;
        watcher.tell(status);
      }
    },
    endWatches() {
      for (const stream of watchers.keys()) if (!isOver(stream)) stream.end();
      watchers.clear();
    },
  };
}

/** Gives the framed question once it is whole, cut at the most it may be long. */
function readQuestion(stream: ServerHttp2Stream, whole: (question: Buffer) => void): void {
  const timer = setTimeout(() => stream.close(), questionMs);
  stream.once("close", () => clearTimeout(timer));
  let question = Buffer.alloc(0);
  stream.on("data", (chunk: Buffer) => {
    if (question.length <= questionBytesMax) question = Buffer.concat([question, chunk]);
  });
  stream.once("end", () => {
    clearTimeout(timer);
    if (!isOver(stream)) whole(question);
  });
}

function serviceIn(question: Buffer, decode: (bytes: Buffer) => object): string | undefined {
  const isWhole = question.length >= prefixBytes && question.length <= questionBytesMax;
  if (!isWhole || question[0] !== 0) return undefined;
  if (question.readUInt32BE(1) !== question.length - prefixBytes) return undefined;
  try {
    const message = decode(question.subarray(prefixBytes));
    const service: unknown = "service" in message ? message.service : "";
    return typeof service === "string" ? service : undefined;
  } catch {
    return undefined;
  }
}
