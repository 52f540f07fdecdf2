// The demo's processes: Envoy with the shipped configuration, the authorizer, and the backend, on free loopback ports.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type EchoBackend, startEchoBackend } from "../../test/support/echo-backend.ts";
import { envoyConfig, places } from "../../test/support/envoy-config.ts";
import { exampleMasterKey, getLitellm, startLitellm } from "../../test/support/get-litellm.ts";
import { call } from "../../test/support/http-client.ts";
import { type Manifest, PolicyFolder } from "../../test/support/policy-files.ts";
import { startAuthorizer } from "../../test/support/start-authorizer.ts";
import { startEnvoy } from "../../test/support/start-envoy.ts";
import { createTempFolder } from "../../test/support/temp-folder.ts";
import type { DemoRequest, DemoResult } from "./cases.ts";

/** All of it, running. */
export interface DemoStack {
  /** Envoy's port on 127.0.0.1. */
  readonly port: number;
  readonly policyPath: string;
  readonly ask: (request: DemoRequest) => Promise<DemoResult>;
  readonly writePolicy: (manifests: readonly Manifest[]) => void;
  readonly stop: () => Promise<void>;
}

/** What to start. */
export interface StackOptions {
  readonly binary: string;
  readonly backend: "echo" | "litellm";
  readonly manifests: readonly Manifest[];
  readonly say: (line: string) => void;
}

interface Backend {
  readonly port: number;
  /** What it received; undefined when it cannot tell. */
  readonly received: EchoBackend["received"] | undefined;
  readonly stop: () => Promise<void>;
}

async function startBackend(options: StackOptions): Promise<Backend> {
  if (options.backend === "echo") return startEchoBackend();
  const litellm = await startLitellm(await getLitellm(options.say));
  return { port: litellm.port, received: undefined, stop: () => litellm.stop() };
}

/** What the backend received since it had `before` requests, one line each. */
function backendLines(backend: Backend, before: number): readonly string[] {
  if (backend.received === undefined) return [];
  const news = backend.received.slice(before);
  if (news.length === 0) return ["received nothing"];
  return news.flatMap(({ headers, body }) => [
    `x-model: ${String(headers["x-model"])}`,
    body.toString("utf8"),
  ]);
}

/** Starts everything; what was started is stopped again when a later part does not start. */
export async function startStack(options: StackOptions): Promise<DemoStack> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const stopOne of stops.splice(0).reverse()) await stopOne();
  };
  try {
    const folder = createTempFolder("demo");
    stops.push(async () => folder.remove());
    const policy = new PolicyFolder(folder.path);
    const writePolicy = (manifests: readonly Manifest[]): void =>
      policy.write("policy.yaml", manifests);
    writePolicy(options.manifests);
    const backend = await startBackend(options);
    stops.push(backend.stop);
    options.say(`backend     127.0.0.1:${backend.port} (${options.backend})`);
    const credentials = createTempFolder("demo-credentials");
    stops.push(async () => credentials.remove());
    writeFileSync(join(credentials.path, "default"), exampleMasterKey);
    const isLitellm = options.backend === "litellm";
    const args = isLitellm ? ["--upstream-credentials", credentials.path] : [];
    const authorizer = await startAuthorizer({ policy: policy.path, args });
    stops.push(() => authorizer.stop());
    options.say(`aliasguard  127.0.0.1:${authorizer.port}`);
    const where = places({ authorizers: [authorizer.port], backendPort: backend.port });
    const envoy = await startEnvoy(options.binary, envoyConfig([where]));
    stops.push(() => envoy.stop());
    options.say(`Envoy       127.0.0.1:${envoy.port} (deploy/envoy/envoy.yaml)`);
    const ask = async (request: DemoRequest): Promise<DemoResult> => {
      const before = backend.received?.length ?? 0;
      const headers = [
        ["authorization", `Bearer ${request.secret}`],
        ...(request.body === undefined ? [] : [["content-type", "application/json"] as const]),
        ...request.headers,
      ] as const;
      const { method, path, body } = request;
      const sent = { port: envoy.port, method, path, headers };
      const answer = await call(body === undefined ? sent : { ...sent, body });
      const received = backend.received?.slice(before);
      const lines = backendLines(backend, before);
      return { status: answer.status, body: answer.body.trim(), backend: lines, received };
    };
    return { port: envoy.port, policyPath: policy.path, ask, writePolicy, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
