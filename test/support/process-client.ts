// Asks over ext_proc as Envoy does: the headers, and when they are answered the body; and what Envoy would make of the
// answers. Hostile streams are made by hand in test/envoy.

import assert from "node:assert/strict";
import { Client, credentials } from "@grpc/grpc-js";
import type { AuthzRequest } from "../../src/core/request.ts";
import {
  decodeProcessingResponse,
  encodeProcessingRequest,
  processPath,
  type WireProcessingRequest,
  type WireProcessingResponse,
} from "../../src/envoy/ext-proc/wire.ts";

/** What came of one stream: its answers in order, and the gRPC code that it ended with. */
export type Processed = {
  readonly responses: readonly WireProcessingResponse[];
  readonly code: number;
};

export type ProcessClient = {
  /** Sends the messages, each but the first only when the one before is answered, and waits for the stream's end. */
  ask(messages: readonly WireProcessingRequest[]): Promise<Processed>;
  close(): void;
};

export function createProcessClient(address: string): ProcessClient {
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.max_send_message_length": -1,
    "grpc.max_receive_message_length": -1,
    "grpc.use_local_subchannel_pool": 1,
  });
  return {
    ask: (messages) => ask(client, messages),
    close: () => client.close(),
  };
}

function ask(client: Client, messages: readonly WireProcessingRequest[]): Promise<Processed> {
  const stream = client.makeBidiStreamRequest(
    processPath,
    encodeProcessingRequest,
    decodeProcessingResponse,
  );
  const responses: WireProcessingResponse[] = [];
  let sent = 0;
  const sendNext = (): void => {
    const message = messages[sent++];
    // Envoy keeps its side open until the stream ends.
    if (message !== undefined) stream.write(message);
  };
  return new Promise((resolve) => {
    stream.on("data", (response: WireProcessingResponse) => {
      responses.push(response);
      sendNext();
    });
    stream.on("error", () => {});
    stream.on("status", ({ code }) => resolve({ responses, code }));
    sendNext();
  });
}

export type AskedAs = {
  /** Trailers follow the body, so that its message does not end the stream. */
  readonly hasTrailers?: boolean;
  /** 2 is BUFFERED; undefined: an Envoy that does not tell. */
  readonly bodyMode?: number | undefined;
};

/** The messages that Envoy sends for a request; what Envoy says only in a CheckRequest cannot be told. */
export function messagesOf(
  { method, path, headers, body }: AuthzRequest,
  asked: AskedAs = {},
): readonly WireProcessingRequest[] {
  const { hasTrailers = false, bodyMode } = { bodyMode: 2, ...asked };
  const all = [[":authority", "gateway"], [":path", path], [":method", method], ...headers];
  const list = all.map(([key = "", value = ""]) => ({
    key,
    raw_value: Buffer.from(value, "utf8"),
  }));
  const protocol = bodyMode === undefined ? {} : { request_body_mode: bodyMode };
  const first: WireProcessingRequest = {
    request_headers: { headers: { headers: list }, end_of_stream: body.kind === "none" },
    ...(bodyMode === undefined ? {} : { protocol_config: protocol }),
  };
  if (body.kind === "none") return [first];
  assert.equal(body.kind, "bytes", "ext_proc sends bytes");
  const bytes = body.kind === "bytes" ? Buffer.from(body.bytes) : Buffer.alloc(0);
  return [first, { request_body: { body: bytes, end_of_stream: !hasTrailers } }];
}
