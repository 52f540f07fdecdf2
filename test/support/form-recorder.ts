// Forms as clients send them and as the backend got them: a fetch that keeps the bytes it sends, and files read back out of
// a form by Node's own parser.

import assert from "node:assert/strict";
import type { ReceivedRequest } from "./echo-backend.ts";

export type FormRecorder = {
  /** In the place of the global one. */
  readonly fetch: typeof fetch;
  /** The same without a content-length: in chunks, as clients send that stream their forms. */
  readonly fetchInChunks: typeof fetch;
  /** The bytes of the last body. */
  readonly lastSent: () => Buffer;
};

export function createFormRecorder(): FormRecorder {
  let bytes = Buffer.alloc(0);
  const send = async (request: Request): Promise<Response> => {
    const copy = request.clone();
    const response = await fetch(request);
    bytes = Buffer.from(await copy.arrayBuffer());
    return response;
  };
  return {
    fetch: (input, init) => send(new Request(input, init)),
    fetchInChunks(input, init) {
      const { url, method, headers, body } = new Request(input, init);
      const streamed = body === null ? {} : { body, duplex: "half" as const };
      return send(new Request(url, { method, headers, ...streamed }));
    },
    lastSent: () => bytes,
  };
}

/** The bytes of one file of the form that the backend got. */
export async function fileIn(received: ReceivedRequest, name: string): Promise<Buffer> {
  const headers = { "content-type": received.headers["content-type"] ?? "" };
  const form = await new Response(new Uint8Array(received.body), { headers }).formData();
  const file = form.get(name);
  assert.ok(file instanceof File, `the form has no file "${name}"`);
  return Buffer.from(await file.arrayBuffer());
}

/** Bytes of all values, CR LF and dashes among them, the same for the same seed. */
export function fillBytes(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 24;
  }
  bytes.write("\r\n--\r\n\r\nAgentX-LLM ", Math.floor(length / 2), "latin1");
  return bytes;
}
