// Requests to Envoy from inside the cluster's network, and what the backend says that it received.

import { Agent, request } from "node:http";
import { envoyHost, envoyPort } from "./manifests.ts";

export type Seen = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

export type Answer = {
  readonly status: number;
  readonly body: string;
  /** What reached the backend, if it was the backend that answered. */
  readonly seen: Seen | undefined;
};

export const path = "/v1/chat/completions";
const agent = new Agent({ keepAlive: true });
const answerMsMax = 10_000;

/** A body with white space, an escape and a number that no serializer would write again the same way. */
export function chat(model: string): string {
  return `{ "model" : "${model}",\n\t"temperature":1.0e0, "messages":[{"role":"user","content":"h\\u00e9"}]}\n`;
}

/** Asks for a model by its name or alias. Rejects when there is no whole answer within ten seconds. */
export function ask(key: string, model: string): Promise<Answer> {
  const body = chat(model);
  const headers = {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    ...(key === "" ? {} : { authorization: `Bearer ${key}` }),
  };
  const where = { host: envoyHost, port: envoyPort, path, method: "POST", agent };
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...where, headers, timeout: answerMsMax }, (incoming) => {
      const parts: Buffer[] = [];
      incoming.on("data", (part: Buffer) => parts.push(part));
      incoming.on("error", reject);
      incoming.on("end", () => {
        const text = Buffer.concat(parts).toString("utf8");
        const status = incoming.statusCode ?? 0;
        resolve({ status, body: text, seen: status === 200 ? seenIn(text) : undefined });
      });
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer within ten seconds")));
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

export function seenIn(text: string): Seen {
  const { method, path: seenPath, headers, body } = JSON.parse(text) as Seen & { body: string };
  return { method, path: seenPath, headers, body: Buffer.from(body, "base64") };
}

/** The code of a refusal, in the envelope of OpenAI's API. */
export const codeIn = ({ body }: Answer): string =>
  (JSON.parse(body) as { readonly error: { readonly code: string } }).error.code;

/** What is wrong with an answer to `alias` that should have run `target`, or nothing. */
export function fault({ status, body, seen }: Answer, alias: string, target: string): string {
  if (seen === undefined) return `${status} ${body.slice(0, 200)}`;
  const wanted = chat(alias).replace(alias, target);
  if (seen.headers["x-model"] !== target) return `x-model was ${seen.headers["x-model"]}`;
  return seen.body.equals(Buffer.from(wanted)) ? "" : `the body was ${seen.body}`;
}
