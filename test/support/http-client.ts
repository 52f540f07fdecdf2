// A plain HTTP/1.1 caller for tests: it sends exactly the header lines and body bytes it is given.

import { request } from "node:http";

/** What a caller sends. A body goes with a content-length unless `chunked` is true. */
export interface HttpCall {
  readonly port: number;
  readonly path: string;
  readonly method?: string;
  /** Names and values in turn; a name may stand twice. */
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: Buffer | string;
  readonly chunked?: boolean;
}

/** What a caller got. Header names are lower case. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** One request on a connection of its own. Rejects when the connection breaks or 30 seconds pass. */
export function call(wanted: HttpCall): Promise<HttpAnswer> {
  const lines = ["host", `127.0.0.1:${wanted.port}`];
  for (const [name, value] of wanted.headers ?? []) lines.push(name, value);
  const body = wanted.body === undefined ? undefined : Buffer.from(wanted.body);
  if (body !== undefined) {
    if (wanted.chunked === true) lines.push("transfer-encoding", "chunked");
    else lines.push("content-length", String(body.length));
  }
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: "127.0.0.1",
        port: wanted.port,
        path: wanted.path,
        method: wanted.method ?? (body === undefined ? "GET" : "POST"),
        headers: lines,
        agent: false,
        timeout: 30_000,
      },
      (incoming) => {
        const parts: Buffer[] = [];
        incoming.on("data", (part: Buffer) => parts.push(part));
        incoming.on("error", reject);
        incoming.on("end", () => {
          const headers = new Map<string, string>();
          for (const [name, value] of Object.entries(incoming.headers)) {
            if (value !== undefined) headers.set(name, String(value));
          }
          const text = Buffer.concat(parts).toString("utf8");
          resolve({ status: incoming.statusCode ?? 0, headers, body: text });
        });
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer within 30 seconds")));
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
