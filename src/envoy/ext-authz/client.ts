// Asks a running authorizer as Envoy would, for `check --server`: one Check call, and the answer as it came.

import { Client, credentials } from "@grpc/grpc-js";
import type { AuthzRequest } from "../../core/request.ts";
import {
  checkPath,
  decodeCheckResponse,
  encodeCheckRequest,
  type WireCheckRequest,
  type WireCheckResponse,
} from "../wire.ts";

/** Milliseconds that the server gets, connecting included. */
const askMsMax = 10_000;

/** `address` is host:port or unix:/path. Rejects when the call fails: no answer, or no authorizer there. */
export function askServer(address: string, request: AuthzRequest): Promise<WireCheckResponse> {
  const client = new Client(address, credentials.createInsecure(), {
    // A body as long as the server takes, and its headers.
    "grpc.max_send_message_length": -1,
  });
  const deadline = Date.now() + askMsMax;
  return new Promise<WireCheckResponse>((resolve, reject) => {
    client.makeUnaryRequest(
      checkPath,
      encodeCheckRequest,
      decodeCheckResponse,
      toCheckRequest(request),
      { deadline },
      (error, answer) => {
        if (error !== null) reject(new Error(`${address}: ${error.details}`, { cause: error }));
        else if (answer === undefined) reject(new Error(`${address}: an empty answer`));
        else resolve(answer);
      },
    );
  }).finally(() => client.close());
}

function toCheckRequest({ method, path, headers, body }: AuthzRequest): WireCheckRequest {
  const http = { method, path, headers: Object.fromEntries(headers) };
  if (body.kind === "none") return { attributes: { request: { http } } };
  const bytes = body.kind === "bytes" ? Buffer.from(body.bytes) : Buffer.from(body.text);
  return { attributes: { request: { http: { ...http, size: bytes.length, raw_body: bytes } } } };
}
