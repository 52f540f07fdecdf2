// An API server in memory, on loopback without TLS: lists in pages, Secrets, creations and rehearsals of them, updates. A test may
// answer a request in its stead. What the real one does is tested in test/e2e/kube-commands.test.ts.

import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import {
  kubeconfigText,
  saveText,
  sendJson,
  startLoopbackServer,
} from "../kubernetes/loopback-server.ts";
import { createTempFolder } from "../support/temp-folder.ts";

export type FakeObject = {
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
};

export type FakeKubeApi = {
  readonly kubeconfig: string;
  /** By plural, `secrets` among them, and name; all of them in one namespace, `prod`. */
  readonly objects: Map<string, Map<string, FakeObject>>;
  readonly requests: readonly string[];
  /** Puts an object there as if somebody had created it. */
  put(plural: string, name: string, more: Readonly<Record<string, unknown>>): void;
  /** Called before each answer; true: it has answered itself. */
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  stop(): Promise<void>;
};

export function sendStatus(response: ServerResponse, code: number, more: object = {}): true {
  sendJson(response, { kind: "Status", code, ...more }, code);
  return true;
}

export async function startFakeKubeApi(): Promise<FakeKubeApi> {
  const folder = createTempFolder("fake-kube");
  const objects = new Map<string, Map<string, FakeObject>>();
  const server = await startLoopbackServer((request, response) => {
    if (api.intercept?.(request, response) === true) return;
    answer(objects, request, response);
  });
  const cluster = { server: server.url, "insecure-skip-tls-verify": true };
  const kubeconfig = join(folder.path, "kubeconfig");
  saveText(folder.path, "kubeconfig", kubeconfigText({ fake: { cluster, namespace: "prod" } }));
  const api: FakeKubeApi = {
    ...{ kubeconfig, objects, requests: server.requests, intercept: undefined },
    put(plural, name, more) {
      const metadata = { name, namespace: "prod", creationTimestamp: "2026-01-01T00:00:00Z" };
      const kind = objects.get(plural) ?? new Map<string, FakeObject>();
      objects.set(plural, kind.set(name, { metadata, ...more }));
    },
    async stop() {
      await server.stop();
      folder.remove();
    },
  };
  return api;
}

function answer(
  objects: Map<string, Map<string, FakeObject>>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  const [, namespace, plural = "", name] =
    /\/namespaces\/([^/]+)\/([^/]+)(?:\/(.+))?$/.exec(pathname) ?? [];
  const kind = (namespace === "prod" ? objects.get(plural) : undefined) ?? new Map();
  const absent = { reason: "NotFound", message: `${plural} "${name}" not found` };
  if (request.method === "GET" && name !== undefined) {
    const found = kind.get(name);
    if (found === undefined) sendStatus(response, 404, absent);
    else sendJson(response, found);
  } else if (request.method === "GET") {
    const from = Number(searchParams.get("continue") ?? 0);
    const to = from + Number(searchParams.get("limit"));
    const more = to < kind.size ? { continue: String(to) } : {};
    sendJson(response, {
      items: [...kind.values()].slice(from, to),
      metadata: { resourceVersion: "1", ...more },
    });
  } else if (request.method === "DELETE" && name !== undefined) {
    if (kind.delete(name)) sendJson(response, { kind: "Status" });
    else sendStatus(response, 404, absent);
  } else {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const object = JSON.parse(Buffer.concat(chunks).toString("utf8")) as FakeObject;
      const given = object.metadata.name;
      if (request.method === "PUT") {
        if (kind.get(given) === undefined) sendStatus(response, 404, absent);
        else {
          objects.set(plural, kind.set(given, object));
          sendJson(response, object);
        }
        return;
      }
      if (kind.has(given)) {
        const message = `${plural} "${given}" already exists`;
        sendStatus(response, 409, { reason: "AlreadyExists", message });
        return;
      }
      if (!searchParams.has("dryRun")) objects.set(plural, kind.set(given, object));
      sendJson(response, object, 201);
    });
  }
}
