// The whole product for a test: a backend, the authorizer with the seed's policy, and Envoy in front of it.

import assert from "node:assert/strict";
import { type EchoBackend, type ReceivedRequest, startEchoBackend } from "./echo-backend.ts";
import {
  type ConfigChange,
  envoyConfig,
  type Mode,
  type OptionalPart,
  places,
} from "./envoy-config.ts";
import { getEnvoy } from "./get-envoy.ts";
import { call, type HttpAnswer } from "./http-client.ts";
import { type Manifest, mintSecret, PolicyFolder } from "./policy-files.ts";
import { requirement } from "./requirements.ts";
import { type Authorizer, startAuthorizer } from "./start-authorizer.ts";
import { type Envoy, startEnvoy } from "./start-envoy.ts";
import { createTempFolder } from "./temp-folder.ts";

const found = await requirement(() => getEnvoy());
/** The Envoy binary; empty when tests are skipped. */
export const binary = found.value ?? "";

/** Why tests with an Envoy are skipped, or false. */
export const skip: string | false = found.skip;

export const target = "openrouter/qwen/qwen3.5-flash-02-23";
export const path = "/v1/chat/completions";
export const alice = mintSecret();
export const namedOnly = mintSecret();
export const aliasOnly = mintSecret();
export const stranger = mintSecret();

export const manifests: readonly Manifest[] = [
  { kind: "ModelAlias", name: "agentx-llm", spec: { alias: "AgentX-LLM", target } },
  { kind: "Team", name: "research", spec: { grants: { models: [target] } } },
  { kind: "VirtualKey", name: "alice", spec: { keyHash: alice.keyHash, team: "research" } },
  {
    kind: "VirtualKey",
    name: "named-only",
    spec: { keyHash: namedOnly.keyHash, grants: { models: ["AgentX-LLM"] } },
  },
  {
    kind: "VirtualKey",
    name: "alias-only",
    spec: { keyHash: aliasOnly.keyHash, grants: { aliases: ["AgentX-LLM"] } },
  },
];

/** A body with white space, an escape and a number that no serializer would write again the same way. */
export function chat(model: string, filler = ""): string {
  return `{ "model" : "${model}",\n\t"temperature":1.0e0, "messages":[{"role":"user","content":"h\\u00e9 ${filler}"}]}\n`;
}

/** All of it, running. */
export class Stack {
  readonly backend: EchoBackend;
  readonly authorizer: Authorizer;
  readonly envoy: Envoy;
  readonly policy: PolicyFolder;
  readonly #removeFolder: () => void;

  constructor(
    parts: {
      readonly backend: EchoBackend;
      readonly authorizer: Authorizer;
      readonly envoy: Envoy;
      readonly policy: PolicyFolder;
    },
    removeFolder: () => void,
  ) {
    this.backend = parts.backend;
    this.authorizer = parts.authorizer;
    this.envoy = parts.envoy;
    this.policy = parts.policy;
    this.#removeFolder = removeFolder;
  }

  /** `args`: flags of `aliasguard serve`. */
  static async start(
    more: readonly ConfigChange[] = [],
    mode: Mode = "ext_authz",
    args: readonly string[] = [],
    optional: readonly OptionalPart[] = [],
  ): Promise<Stack> {
    const folder = createTempFolder("policy");
    const policy = new PolicyFolder(folder.path);
    policy.write("policy.yaml", manifests);
    const backend = await startEchoBackend();
    const authorizer = await startAuthorizer({ policy: policy.path, args });
    const where = places({ authorizers: [authorizer.port], backendPort: backend.port });
    const envoy = await startEnvoy(binary, envoyConfig([where, ...more], mode, optional));
    return new Stack({ backend, authorizer, envoy, policy }, () => folder.remove());
  }

  ask(
    secret: string,
    body: string,
    more: readonly (readonly [string, string])[] = [],
    chunked = false,
  ): Promise<HttpAnswer> {
    const headers = [
      ["content-type", "application/json"],
      ["authorization", `Bearer ${secret}`],
      ...more,
    ] as const;
    return call({ port: this.envoy.port, path, headers, body, chunked });
  }

  /** What the backend received last. */
  last(): ReceivedRequest {
    const received = this.backend.received.at(-1);
    assert.ok(received !== undefined, "the backend received nothing");
    return received;
  }

  async stop(): Promise<void> {
    await this.envoy.stop();
    await this.authorizer.stop();
    await this.backend.stop();
    this.#removeFolder();
  }
}

/** The backend received `sent` with the target in the alias's place, and nothing else changed. */
export function assertExact(stack: Stack, sent: string): void {
  const received = stack.last();
  const wanted = sent.replace("AgentX-LLM", target);
  assert.equal(received.path, path);
  assert.equal(received.headers["x-model"], target);
  // Over ext_proc what came without a content-length goes on without one.
  const length = received.headers["content-length"] ?? received.headers["transfer-encoding"];
  assert.ok([String(Buffer.byteLength(wanted)), "chunked"].includes(length ?? "none"), length);
  assert.ok(received.body.equals(Buffer.from(wanted)), "the body is not the one sent");
}
