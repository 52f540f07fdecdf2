// A proxy in front of a test's API server that ends TLS itself, so that it can fail a call in any way a network or a
// server can: reset, hang, delay, another status, half a line of a watch.

import { readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { parse } from "yaml";

export type Fault =
  | { readonly kind: "none" }
  | { readonly kind: "reset" }
  | { readonly kind: "hang" }
  | { readonly kind: "delay"; readonly ms: number }
  | { readonly kind: "status"; readonly status: number; readonly retryAfter?: string }
  /** The first event of a watch is cut in the middle and the connection ended. */
  | { readonly kind: "half-line" }
  /** Each watch begins and is told that its version is too old. */
  | { readonly kind: "gone-event" };

/** A write that the server has taken: `version` is the object's own, which etcd counts up over all of them. */
export type Write = {
  readonly call: string;
  readonly version: number;
  /** When it came in, in the ms of performance.now(). */
  readonly atMs: number;
};

export type FaultProxy = {
  /** Like the server's own, with the proxy's address. */
  readonly kubeconfig: string;
  readonly requests: readonly string[];
  /** In the order in which they were answered. */
  readonly writes: readonly Write[];
  /** For calls from now on; `isHit`: for those `METHOD /path` only. */
  set(fault: Fault, isHit?: (call: string) => boolean): void;
  /** Resets every open connection. */
  resetAll(): void;
  stop(): Promise<void>;
};

/** `kubeconfig` is that of startKubeApi; its folder holds the server's key. */
export async function startFaultProxy(kubeconfig: string): Promise<FaultProxy> {
  const text = readFileSync(kubeconfig, "utf8");
  const { clusters, users } = parse(text) as {
    clusters: [{ cluster: Record<string, string> }];
    users: [{ user: Record<string, string> }];
  };
  const target = new URL(clusters[0].cluster["server"] ?? "");
  const bytesOf = (base64: string | undefined): Buffer => Buffer.from(base64 ?? "", "base64");
  const credentials = {
    ca: bytesOf(clusters[0].cluster["certificate-authority-data"]),
    cert: bytesOf(users[0].user["client-certificate-data"]),
    key: bytesOf(users[0].user["client-key-data"]),
  };
  let fault: Fault = { kind: "none" };
  let isHit: (call: string) => boolean = () => true;
  const requests: string[] = [];
  const writes: Write[] = [];
  const note = (incoming: IncomingMessage, given: IncomingMessage): void => {
    const [call, atMs] = [`${incoming.method} ${incoming.url}`, performance.now()];
    const chunks: Buffer[] = [];
    given.on("data", (chunk: Buffer) => chunks.push(chunk));
    given.on("end", () => {
      const { metadata } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as {
        metadata?: { resourceVersion?: string };
      };
      writes.push({ call, version: Number(metadata?.resourceVersion ?? Number.NaN), atMs });
    });
  };
  const forward = (incoming: IncomingMessage, answer: ServerResponse, cut: boolean): void => {
    const { method, headers } = incoming;
    const url = new URL(incoming.url ?? "/", target);
    const options = { ...credentials, method, headers, agent: false } as const;
    const outgoing = request(url, options, (given) => {
      answer.writeHead(given.statusCode ?? 502, given.headers);
      answer.flushHeaders();
      given.on("error", () => answer.destroy());
      if (method !== "GET" && (given.statusCode ?? 0) < 300) note(incoming, given);
      if (!cut) {
        given.pipe(answer);
        return;
      }
      given.once("data", (chunk: Buffer) => {
        answer.end(chunk.subarray(0, Math.ceil(chunk.length / 2)));
        outgoing.destroy();
      });
    });
    outgoing.on("error", () => answer.destroy());
    answer.on("close", () => outgoing.destroy());
    incoming.pipe(outgoing);
  };
  const pki = join(dirname(kubeconfig), "pki");
  const own = ["crt", "key"].map((end) => readFileSync(join(pki, `kube-apiserver.${end}`)));
  const server = createServer({ cert: own[0], key: own[1] }, (incoming, answer) => {
    requests.push(`${incoming.method} ${incoming.url}`);
    const isSpared = !isHit(`${incoming.method} ${incoming.url}`);
    const now: Fault = isSpared ? { kind: "none" } : fault;
    if (now.kind === "reset") incoming.socket.destroy();
    else if (now.kind === "delay") setTimeout(() => forward(incoming, answer, false), now.ms);
    else if (now.kind === "status") {
      const { status, retryAfter } = now;
      answer.writeHead(status, retryAfter === undefined ? {} : { "retry-after": retryAfter });
      answer.end(JSON.stringify({ kind: "Status", code: status, message: `fault ${status}` }));
    } else if (now.kind !== "hang") {
      const watch = incoming.url?.includes("watch=true") === true;
      if (now.kind === "gone-event" && watch) {
        const object = { kind: "Status", code: 410, reason: "Expired", message: "too old" };
        answer.writeHead(200, { "content-type": "application/json" });
        answer.end(`${JSON.stringify({ type: "ERROR", object })}\n`);
      } else forward(incoming, answer, now.kind === "half-line" && watch);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const file = join(dirname(kubeconfig), `proxy-${port}.kubeconfig`);
  writeFileSync(file, text.replace(target.origin, `https://127.0.0.1:${port}`), { mode: 0o600 });
  return {
    kubeconfig: file,
    requests,
    writes,
    set(next, hit = () => true) {
      fault = next;
      isHit = hit;
    },
    resetAll: () => server.closeAllConnections(),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
