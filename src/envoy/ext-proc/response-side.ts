// The response of an allowed request, from its headers to its end: which model the backend says it ran, and the caller's own
// name in its place. Nothing here may break an answer: what cannot be read, or is not expected, goes to the caller as it is.

import type { AllowDecision } from "../../core/decision.ts";
import type { ResponseObservation } from "../../core/observation.ts";
import { createResponseReader, type ResponseReader } from "../../core/response/model.ts";
import { canNameModel } from "../../core/response/operations.ts";
import { joinList } from "../header-values.ts";
import {
  readProcessing,
  type WireBody,
  type WireHeaders,
  type WireProcessing,
} from "../wire/process-request.ts";
import { passResponseHeaders } from "./response.ts";
import { encodeChunkAnswer, writeProcessingResponse } from "./wire.ts";

/** `count`: responses are read. `requested`: and show the name that the caller sent. */
export type ResponseModel = "count" | "requested";

export type ResponseDeps = {
  readonly model: ResponseModel;
  /** Called at most once for each response. What it throws is reported and changes nothing. */
  readonly observe: (observation: ResponseObservation) => void;
};

type Deps = ResponseDeps & { readonly reportBug: (error: unknown) => void };

/** What to send, perhaps nothing. After `isLast` the stream ends well, and Envoy passes on what follows as it is. */
export type ResponseStep = { readonly pieces: readonly Uint8Array[]; readonly isLast: boolean };

/** One stream behind its allow. Nothing throws. */
export type ResponseSide = {
  /** Bytes of a ProcessingRequest. Nothing of them is kept but what `heldBytes` counts. */
  take(bytes: Buffer): ResponseStep;
  /** Bytes of the response that go out with the next chunk: the stream must not end before it. */
  heldBytes(): number;
  /** The next chunk is the last that is looked at: it goes out with all that is held. */
  finishNext(): void;
  /** The stream has ended, whoever ended it. Safe to call twice. */
  close(): void;
  /** Instead of everything: there is no room to read the response. */
  leaveUnread(): void;
};

const passChunk = writeProcessingResponse({ response_body: { response: {} } });
const passTrailers = writeProcessingResponse({ response_trailers: {} });
const passRequestTrailers = writeProcessingResponse({ request_trailers: {} });

/** What is said of the bytes of a body, and no longer true of others. Envoy drops the length itself unless told not to. */
const headersOfBytes = [
  ...["content-length", "content-md5", "digest", "content-digest", "repr-digest", "etag"],
] as const;

/** Headers of the request that the log takes. */
const idHeaders = ["x-request-id", "traceparent"] as const;

/** undefined where no response of the operation names a model: then the stream can end behind the allow. */
export function createResponseSide(
  deps: Deps,
  decision: AllowDecision,
  requestHeaders: ReadonlyMap<string, string>,
): ResponseSide | undefined {
  if (!canNameModel(decision.operation)) return undefined;
  return new ResponseSideOf(deps, decision, requestHeaders);
}

type Facts = Pick<AllowDecision, "dialect" | "upstreamModel" | "requestedModel"> &
  Omit<ResponseObservation, "served" | "servedModels">;

class ResponseSideOf implements ResponseSide {
  readonly #deps: Deps;
  /** No more than is needed: a response may last for hours. */
  readonly #facts: Facts;
  #hasHeaders = false;
  #isSuccess = false;
  #reader: ResponseReader | undefined;
  #isFinishing = false;
  #isObserved = false;

  constructor(deps: Deps, decision: AllowDecision, requestHeaders: ReadonlyMap<string, string>) {
    const { dialect, upstreamModel, requestedModel, operation, key, team, model } = decision;
    const ids = idHeaders.flatMap((name) => {
      const value = requestHeaders.get(name);
      return value === undefined ? [] : [[name, value] as const];
    });
    const headers = new Map(ids);
    this.#deps = deps;
    this.#facts = { dialect, upstreamModel, requestedModel, operation, key, team, model, headers };
  }

  take(bytes: Buffer): ResponseStep {
    let message: WireProcessing;
    try {
      message = readProcessing(bytes);
    } catch {
      return { pieces: [], isLast: true };
    }
    try {
      return this.#answer(message);
    } catch (error) {
      this.#deps.reportBug(error);
      return { pieces: passOf(message), isLast: true };
    }
  }

  heldBytes(): number {
    return this.#reader?.heldBytes() ?? 0;
  }

  finishNext(): void {
    this.#isFinishing = true;
  }

  close(): void {
    if (!this.#isSuccess) return;
    const isNamed = (this.#reader?.served().length ?? 0) > 0;
    this.#observe(isNamed ? "authorized" : "unknown");
  }

  leaveUnread(): void {
    this.#observe("unknown");
  }

  /** Whatever Envoy does not send in this place ends the stream: it goes on without us. */
  #answer(message: WireProcessing): ResponseStep {
    const { kind, headers, body } = message;
    if (kind === "request_trailers") return { pieces: [passRequestTrailers], isLast: false };
    if (kind === "response_headers" && headers !== undefined && !this.#hasHeaders) {
      return this.#takeHeaders(headers);
    }
    if (kind === "response_body" && body !== undefined && this.#reader !== undefined) {
      return this.#takeChunk(this.#reader, body);
    }
    return { pieces: kind === "response_trailers" ? [passTrailers] : [], isLast: true };
  }

  #takeHeaders({ list, isEnd }: WireHeaders): ResponseStep {
    this.#hasHeaders = true;
    const headers = joinList(list);
    const status = Number(headers.get(":status"));
    this.#isSuccess = status >= 200 && status <= 299;
    if (!isEnd) this.#reader = this.#createReader(headers, status);
    if (this.#reader === undefined) return { pieces: [passResponseHeaders], isLast: true };
    if (this.#deps.model === "count")
      return { pieces: [passResponseHeaders], isLast: this.#isFinishing };
    const remove_headers = headersOfBytes.filter((name) => headers.has(name));
    const response = { header_mutation: { set_headers: [], remove_headers } };
    const pieces = [writeProcessingResponse({ response_headers: { response } })];
    return { pieces, isLast: this.#isFinishing };
  }

  #createReader(headers: ReadonlyMap<string, string>, status: number): ResponseReader | undefined {
    const { dialect, upstreamModel, requestedModel, model } = this.#facts;
    const shown = this.#deps.model === "requested" ? requestedModel : undefined;
    return createResponseReader(headers, status, {
      ...{ dialect, authorized: [upstreamModel, model], shown },
    });
  }

  #takeChunk(reader: ResponseReader, { bytes, isEnd }: WireBody): ResponseStep {
    const isLast = isEnd || this.#isFinishing;
    const output = reader.push(bytes, isLast);
    if (reader.served().some(({ isAuthorized }) => !isAuthorized)) this.#observe("other");
    const isSame = output === bytes || output.equals(bytes);
    return { pieces: isSame ? [passChunk] : encodeChunkAnswer(output), isLast };
  }

  #observe(served: ResponseObservation["served"]): void {
    if (this.#isObserved) return;
    this.#isObserved = true;
    const { operation, key, team, model, headers } = this.#facts;
    const servedModels = (this.#reader?.served() ?? []).map(({ name }) => name);
    try {
      this.#deps.observe({ served, servedModels, operation, key, team, model, headers });
    } catch (error) {
      this.#deps.reportBug(error);
    }
  }
}

function passOf(message: WireProcessing): readonly Uint8Array[] {
  if (message.kind === "response_headers") return [passResponseHeaders];
  return message.kind === "response_body" ? [passChunk] : [];
}
