// Calls to the API server with the addresses and credentials of @kubernetes/client-node's KubeConfig, over node:https.
// Its Watch is not used: it swallows lines that do not parse and callbacks that throw, ends after 30 s of quiet, and
// gives no Retry-After. Its agent is not used either (except for proxies): it never takes a renewed certificate.
// The only importer of that package, which costs some 85 MB: load this file by dynamic import.

import { Agent as HttpsAgent, type RequestOptions as HttpsOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import { quoted } from "../policy/decode/shown-text.ts";
import { type Call, callServer, readText } from "./http-call.ts";
import { createLineSplitter, parseJson } from "./json-lines.ts";
import { readKubeconfig } from "./kubeconfig.ts";
import {
  type CollectionTransport,
  KubeError,
  type KubeObject,
  type ListPage,
  messageOf,
  recordOf,
} from "./transport.ts";

export type CollectionQuery = {
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
};

export type ApplyOptions = {
  readonly fieldManager: string;
  /** Takes fields over from other managers. */
  readonly force?: boolean;
  readonly subresource?: string;
  /** Asked in the moment in which the call goes out: whether it still may. */
  readonly maySend?: () => boolean;
};

export type DeleteOptions = Pick<ApplyOptions, "maySend"> & {
  /** Fails with 409 when the object has another version. */
  readonly resourceVersion?: string;
};

/** Paths begin with `/api/v1/` or `/apis/`. Every call rejects with a KubeError, whose status is that of the answer. */
export type KubeClient = {
  /** The pod's own, or that of the context; `default` when neither names one. */
  readonly namespace: string;
  /** The path of a collection; a selector narrows it. */
  collection<T extends KubeObject>(path: string, query?: CollectionQuery): CollectionTransport<T>;
  get(path: string): Promise<KubeObject>;
  /** Server-side apply: the object carries every field that the manager owns. */
  apply(path: string, object: unknown, options: ApplyOptions): Promise<KubeObject>;
  /** The path is that of the collection. */
  create(path: string, object: unknown): Promise<KubeObject>;
  /** With metadata.resourceVersion, fails with 409 when the object has changed since. */
  update(path: string, object: unknown): Promise<KubeObject>;
  delete(path: string, options?: DeleteOptions): Promise<void>;
  /** Ends the connections that are kept for later calls. */
  close(): void;
};

export type KubeClientOptions = {
  /** A file; without it KUBECONFIG, ~/.kube/config or the pod's service account, in this order. */
  readonly kubeconfig?: string;
  /** Default: the kubeconfig's current one. */
  readonly context?: string;
};

/** Throws a KubeError when there is no cluster to talk to. */
export function createKubeClient(options: KubeClientOptions = {}): KubeClient {
  const config = loadConfig(options);
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new KubeError("no cluster is configured: the kubeconfig has no current context");
  }
  const server = cluster.server.replace(/\/+$/, "");
  const agents = createAgents(cluster.proxyUrl !== undefined);
  const call = async (request: Omit<Call, "url" | "https">, path: string) => {
    let https: HttpsOptions;
    try {
      https = await credentialsOf(config);
    } catch (error) {
      // The message of a parser repeats what it read: the output of a credential plugin.
      const isParser = error instanceof SyntaxError;
      const what = isParser ? "the credential plugin printed no JSON" : messageOf(error).trim();
      throw new KubeError(`no credentials: ${what}`);
    }
    return await callServer({ ...request, url: `${server}${path}`, https: agents.use(https) });
  };
  const json = async (request: Omit<Call, "url" | "https">, path: string): Promise<KubeObject> =>
    parseJson(await readText(await call(request, path))) as KubeObject;
  const type = "application/json";
  return {
    namespace: namespaceOf(config),
    collection: (path, query = {}) => collectionOf(path, query, call),
    get: (path) => json({ method: "GET" }, path),
    create: (path, object) => json({ method: "POST", body: { type, value: object } }, path),
    update: (path, object) => json({ method: "PUT", body: { type, value: object } }, path),
    apply(path, object, { fieldManager, force = false, subresource, maySend }) {
      const query = new URLSearchParams({ fieldManager, force: String(force) });
      const target = subresource === undefined ? path : `${path}/${subresource}`;
      const body = { type: "application/apply-patch+yaml", value: object };
      return json({ method: "PATCH", body, maySend }, `${target}?${query}`);
    },
    async delete(path, { resourceVersion, maySend } = {}) {
      const value = { preconditions: { resourceVersion } };
      const options = resourceVersion === undefined ? {} : { body: { type, value } };
      await readText(await call({ method: "DELETE", maySend, ...options }, path));
    },
    close: () => agents.close(),
  };
}

function loadConfig({ kubeconfig, context }: KubeClientOptions): KubeConfig {
  const { KUBECONFIG: variable, HOME: home } = process.env;
  const text = readKubeconfig({ named: kubeconfig, variable, home });
  const config = new KubeConfig();
  try {
    if (text !== undefined) config.loadFromString(text);
    else config.loadFromDefault();
  } catch (error) {
    throw new KubeError(`no kubeconfig: ${messageOf(error)}`);
  }
  // What client-node takes when it finds nothing: a server of long ago, without TLS.
  if (config.getCurrentCluster()?.server === "http://localhost:8080" && text === undefined) {
    throw new KubeError("no cluster is configured: there is no kubeconfig, and this is no pod");
  }
  if (context !== undefined) {
    if (config.getContextObject(context) === null) {
      throw new KubeError(`there is no context ${quoted(context)} in the kubeconfig`);
    }
    config.setCurrentContext(context);
  }
  return config;
}

/** A number is a name too, as YAML has it. */
function namespaceOf(config: KubeConfig): string {
  const { namespace } = recordOf(config.getContextObject(config.getCurrentContext()));
  return String(namespace ?? "").trim() || "default";
}

/** Read for each call: KubeConfig reads certificate files each time and a token file after 60 s. */
async function credentialsOf(config: KubeConfig): Promise<HttpsOptions> {
  const https: HttpsOptions = {};
  await config.applyToHTTPSOptions(https);
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(https.headers ?? {})) {
    // A token file may end with a newline, which no header may.
    headers.set(name, String(value).trim());
  }
  return { ...https, headers: Object.fromEntries(headers) };
}

type Agents = { use(https: HttpsOptions): HttpsOptions; close(): void };

/** One agent for as long as the certificates are the same. */
function createAgents(byProxy: boolean): Agents {
  let known: { readonly key: string; readonly agent: HttpsAgent } | undefined;
  return {
    use(https) {
      if (byProxy || !(https.agent instanceof HttpsAgent)) return https;
      const { ca, cert, key: secret, pfx, passphrase, rejectUnauthorized, servername } = https;
      const tls = { ca, cert, key: secret, pfx, passphrase, rejectUnauthorized, servername };
      const given = Object.fromEntries(
        Object.entries(tls).filter(([, value]) => value !== undefined),
      );
      const key = JSON.stringify(given);
      if (known?.key !== key) {
        known?.agent.destroy();
        known = { key, agent: new HttpsAgent({ keepAlive: true, timeout: 60_000, ...given }) };
      }
      return { ...https, agent: known.agent };
    },
    close: () => known?.agent.destroy(),
  };
}

function collectionOf<T extends KubeObject>(
  path: string,
  selectors: CollectionQuery,
  call: (request: Omit<Call, "url" | "https">, path: string) => ReturnType<typeof callServer>,
): CollectionTransport<T> {
  return {
    async list({ limit, continueToken }, signal) {
      const query = new URLSearchParams({ ...selectors, limit: String(limit) });
      if (continueToken !== undefined) query.set("continue", continueToken);
      return pageOf<T>(
        parseJson(await readText(await call({ method: "GET", signal }, `${path}?${query}`))),
      );
    },
    async watch({ resourceVersion, timeoutSeconds }, onEvent, signal) {
      const query = new URLSearchParams({
        ...selectors,
        watch: "true",
        allowWatchBookmarks: "true",
        resourceVersion,
        timeoutSeconds: String(timeoutSeconds),
      });
      const answer = await call({ method: "GET", signal, stream: true }, `${path}?${query}`);
      const lines = createLineSplitter((line) => {
        const { type, object } = recordOf(line);
        if (typeof type !== "string") throw new KubeError("an event of a watch has no type");
        onEvent({ type, object });
      });
      try {
        for await (const chunk of answer) lines.push(chunk as Buffer);
      } catch (error) {
        if (error instanceof KubeError) throw error;
        throw new KubeError(`a watch broke off: ${error instanceof Error ? error.message : ""}`);
      }
      lines.end();
    },
  };
}

function pageOf<T extends KubeObject>(body: unknown): ListPage<T> {
  const { items, metadata } = recordOf(body);
  const { resourceVersion, continue: continueToken } = recordOf(metadata);
  if (!Array.isArray(items) || typeof resourceVersion !== "string") {
    throw new KubeError("the API server sent what is no list");
  }
  const page = { items: items as readonly T[], resourceVersion };
  return typeof continueToken === "string" && continueToken !== ""
    ? { ...page, continueToken }
    : page;
}
