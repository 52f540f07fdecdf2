// Asks a running authorizer as Envoy would, for `check --server`: one Check call, and the answer as it came.

import { Client, type ClientOptions, credentials } from "@grpc/grpc-js";
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

/** What is PEM is read already. */
export type ClientTls = {
  /** Authorities of the server's certificate. */
  readonly ca: Buffer;
  /** What the server is shown, if it asks. */
  readonly own: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** The name that its certificate must hold, where that is not the address's. */
  readonly serverName: string | undefined;
};

/**
 * `address` is host:port or unix:/path; without `tls` in plain text. Rejects when the call fails: no answer, or no
 * authorizer there.
 */
export function askServer(
  address: string,
  request: AuthzRequest,
  tls?: ClientTls,
): Promise<WireCheckResponse> {
  const how =
    tls === undefined
      ? credentials.createInsecure()
      : credentials.createSsl(tls.ca, tls.own?.key ?? null, tls.own?.cert ?? null);
  const options: ClientOptions = {
    // A body as long as the server takes, and its headers.
    "grpc.max_send_message_length": -1,
    ...(tls?.serverName === undefined ? {} : { "grpc.ssl_target_name_override": tls.serverName }),
  };
  const client = new Client(address, how, options);
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
