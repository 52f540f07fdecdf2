// The admin port: /healthz (the process lives), /readyz (a policy is loaded and nothing is stopping), /metrics.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

export type Readiness = {
  readonly ready: boolean;
  readonly revision: string | undefined;
  readonly policyAgeSeconds: number | undefined;
  /**
   * How long ago a controller last said that this policy is what the objects say; undefined: no controller has, or the
   * policy comes from files. Readiness does not depend on it.
   */
  readonly policyConfirmedAgeSeconds?: number | undefined;
  /** Whether the last attempt to load a policy succeeded; the last good one serves on either way. */
  readonly sourceHealthy: boolean;
  readonly lastError: string | undefined;
};

export type AdminDeps = {
  readonly readiness: () => Readiness;
  readonly metricsText: () => Promise<string>;
  readonly metricsContentType: string;
  /** Of a listening server, or of an answer; neither ends the process. */
  readonly reportError: (error: unknown) => void;
};

export type AdminServer = {
  /** Binds `host:port` and gives the address as it turned out. Rejects when it cannot. */
  listen(address: string): Promise<string>;
  stop(): Promise<void>;
};

/** A request's head is small and quick: nobody uploads anything here. */
const headMs = 5000;

export function createAdminServer(deps: AdminDeps): AdminServer {
  const server = createServer(
    {
      requestTimeout: headMs,
      headersTimeout: headMs,
      keepAliveTimeout: headMs,
      maxHeaderSize: 16_384,
    },
    (request, response) => {
      answer(deps, request, response).catch((error: unknown) => {
        deps.reportError(error);
        if (!response.headersSent) response.writeHead(500);
        response.end();
      });
    },
  );
  return {
    listen(address) {
      const at = address.lastIndexOf(":");
      const host = address.slice(0, at).replace(/^\[|\]$/g, "");
      return new Promise((resolve, reject) => {
        const refuse = (error: Error): void => {
          reject(new Error(`cannot listen on ${address}: ${error.message}`, { cause: error }));
        };
        server.once("error", refuse);
        server.listen(Number(address.slice(at + 1)), host, () => {
          server.off("error", refuse);
          server.on("error", deps.reportError);
          const bound = server.address();
          const port = typeof bound === "object" && bound !== null ? bound.port : 0;
          resolve(`${address.slice(0, at)}:${port}`);
        });
      });
    },
    stop() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

async function answer(
  deps: AdminDeps,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { allow: "GET, HEAD" }).end();
    return;
  }
  switch (request.url?.split("?", 1)[0]) {
    case "/healthz":
      response.writeHead(200, { "content-type": "text/plain" }).end("ok\n");
      return;
    case "/readyz": {
      const readiness = deps.readiness();
      response.writeHead(readiness.ready ? 200 : 503, { "content-type": "application/json" });
      response.end(`${JSON.stringify(readiness)}\n`);
      return;
    }
    case "/metrics": {
      const text = await deps.metricsText();
      response.writeHead(200, { "content-type": deps.metricsContentType }).end(text);
      return;
    }
    default:
      response.writeHead(404).end();
  }
}
