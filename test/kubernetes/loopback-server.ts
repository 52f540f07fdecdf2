// A web server on loopback that plays an API server byte by byte, with a certificate of its own, and kubeconfigs for it.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { stringify } from "yaml";
import { MissingComponent } from "../support/requirements.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export type LoopbackServer = {
  /** `https://127.0.0.1:PORT`, or http. */
  readonly url: string;
  /** `METHOD PATH` of each request. */
  readonly requests: readonly string[];
  stop(): Promise<void>;
};

export type Certificate = { readonly cert: string; readonly key: string };

/** Makes a certificate for loopback, signed by itself, in files of `folder`. Throws MissingComponent without openssl. */
export function makeCertificate(folder: string, name: string): Certificate {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  const files = ["-nodes", "-days", "2", "-keyout", key, "-out", cert];
  const made = spawnSync("openssl", ["req", "-x509", ...curve, ...subject, ...files]);
  if (made.error !== undefined) throw new MissingComponent("install openssl to make certificates");
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr.toString("utf8")}`);
  return { cert, key };
}

/** With a certificate it speaks TLS and asks for the client's certificate. */
export async function startLoopbackServer(
  handle: Handler,
  certificate?: Certificate,
): Promise<LoopbackServer> {
  const requests: string[] = [];
  const listener: RequestListener = (request, response) => {
    requests.push(`${request.method} ${request.url}`);
    handle(request, response);
  };
  const server =
    certificate === undefined
      ? createHttpServer(listener)
      : createHttpsServer(
          {
            cert: readFileSync(certificate.cert),
            key: readFileSync(certificate.key),
            ...{ requestCert: true, rejectUnauthorized: false },
          },
          listener,
        );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${certificate === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    requests,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The common name of the client's certificate. */
export function clientNameOf({ socket }: IncomingMessage): string | undefined {
  const { subject } = (socket as TLSSocket).getPeerCertificate();
  const name = subject?.CN;
  return Array.isArray(name) ? name[0] : name;
}

export function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

export type KubeconfigParts = {
  readonly cluster: Readonly<Record<string, unknown>>;
  readonly user?: Readonly<Record<string, unknown>>;
  readonly namespace?: unknown;
};

/** Each context has a cluster and a user of its own, all of one name; the first is the current one. */
export function kubeconfigText(contexts: Readonly<Record<string, KubeconfigParts>>): string {
  const parts = Object.entries(contexts);
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": parts[0]?.[0],
    clusters: parts.map(([name, { cluster }]) => ({ name, cluster })),
    users: parts.map(([name, { user = {} }]) => ({ name, user })),
    contexts: parts.map(([name, { namespace }]) => ({
      name,
      context: { cluster: name, user: name, ...(namespace === undefined ? {} : { namespace }) },
    })),
  });
}

export function saveText(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
