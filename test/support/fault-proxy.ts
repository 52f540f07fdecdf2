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
  | { readonly kind: "half-line" };

export type FaultProxy = {
  /** Like the server's own, with the proxy's address. */
  readonly kubeconfig: string;
  readonly requests: readonly string[];
  /** For calls from now on. */
  set(fault: Fault): void;
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
  const requests: string[] = [];
  const forward = (incoming: IncomingMessage, answer: ServerResponse, cut: boolean): void => {
    const { method, headers } = incoming;
    const url = new URL(incoming.url ?? "/", target);
    const options = { ...credentials, method, headers, agent: false } as const;
    const outgoing = request(url, options, (given) => {
      answer.writeHead(given.statusCode ?? 502, given.headers);
      answer.flushHeaders();
      given.on("error", () => answer.destroy());
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
    const now = fault;
    if (now.kind === "reset") incoming.socket.destroy();
    else if (now.kind === "delay") setTimeout(() => forward(incoming, answer, false), now.ms);
    else if (now.kind === "status") {
      const { status, retryAfter } = now;
      answer.writeHead(status, retryAfter === undefined ? {} : { "retry-after": retryAfter });
      answer.end(JSON.stringify({ kind: "Status", code: status, message: `fault ${status}` }));
    } else if (now.kind !== "hang") {
      const watch = incoming.url?.includes("watch=true") === true;
      forward(incoming, answer, now.kind === "half-line" && watch);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const file = join(dirname(kubeconfig), `proxy-${port}.kubeconfig`);
  writeFileSync(file, text.replace(target.origin, `https://127.0.0.1:${port}`), { mode: 0o600 });
  return {
    kubeconfig: file,
    requests,
    set(next) {
      fault = next;
    },
    resetAll: () => server.closeAllConnections(),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
