// The hunt's processes: a stub of a provider, a real LiteLLM in front of it, the authorizer, and an Envoy with a
// shipped configuration. The backend's master key is put in by the authorizer, as operators do it.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { envoyConfig, type Mode, places } from "../support/envoy-config.ts";
import { getLitellm, type LitellmVersion, startLitellm } from "../support/get-litellm.ts";
import { type Manifest, mintSecret, PolicyFolder } from "../support/policy-files.ts";
import { startAuthorizer } from "../support/start-authorizer.ts";
import { startEnvoy } from "../support/start-envoy.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { ollamaWorld, startOllama } from "./ollama.ts";
import { type ProviderStub, startProviderStub } from "./provider-stub.ts";
import {
  environmentOf,
  litellmWorld,
  manifestsOf,
  masterKey,
  type World,
  writeWorld,
} from "./world.ts";

export type Way = { readonly port: number; readonly key: string };

export type HuntStack = {
  readonly world: World;
  readonly stub: ProviderStub;
  /** The host at the provider that nobody was granted. */
  readonly forbiddenUrl: string;
  /** LiteLLM itself, past all checks. */
  readonly unguarded: Way;
  /** Through an Envoy and an authorizer; `args`: flags of `aliasguard serve`. */
  guarded(mode: Mode, args?: readonly string[]): Promise<Way>;
  stop(): Promise<void>;
};

/** A LiteLLM that may choose in every way it has. `more`: what the policy holds beside the hunted key. */
export async function startHuntStack(
  envoy: string,
  version: LitellmVersion,
  more: readonly Manifest[] = [],
): Promise<HuntStack> {
  const python = await getLitellm(undefined, version);
  const parts = { world: litellmWorld, envoy, credential: masterKey, more };
  return startStackWith(parts, (stub, folder) => {
    const configFile = writeWorld(folder, stub.port);
    return startLitellm(python, { configFile, env: environmentOf(stub.port) });
  });
}

/** An Ollama with two remote models, each at the stub. */
export function startOllamaStack(envoy: string, binary: string): Promise<HuntStack> {
  const parts = { world: ollamaWorld, envoy, credential: undefined, more: [] };
  return startStackWith(parts, (stub, folder) => startOllama(binary, folder, stub.port));
}

type Backend = { readonly port: number; stop(): Promise<void> };

type Parts = {
  readonly world: World;
  readonly envoy: string;
  /** What the backend wants of its callers. */
  readonly credential: string | undefined;
  readonly more: readonly Manifest[];
};

async function startStackWith(
  { world, envoy, credential, more }: Parts,
  startBackend: (stub: ProviderStub, folder: string) => Promise<Backend>,
): Promise<HuntStack> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  try {
    const folder = createTempFolder("hunt");
    stops.push(async () => folder.remove());
    const stub = await startProviderStub();
    stops.push(() => stub.stop());
    const backend = await startBackend(stub, folder.path);
    stops.push(() => backend.stop());
    // What it asks the provider at its start is no request's doing.
    stub.take();
    const key = mintSecret();
    const policy = new PolicyFolder(join(folder.path, "policy"));
    policy.write("policy.yaml", [...manifestsOf(world, key), ...more]);
    const credentials = join(folder.path, "credentials");
    mkdirSync(credentials);
    if (credential !== undefined) writeFileSync(join(credentials, "default"), credential);
    return {
      world,
      stub,
      forbiddenUrl: `http://127.0.0.1:${stub.port}/gold/v1`,
      unguarded: { port: backend.port, key: credential ?? "none" },
      async guarded(mode, flags = []) {
        const args = ["--upstream-credentials", credentials, ...flags];
        const authorizer = await startAuthorizer({ policy: policy.path, args });
        stops.push(() => authorizer.stop());
        const where = places({ authorizers: [authorizer.port], backendPort: backend.port });
        const proxy = await startEnvoy(envoy, envoyConfig([where], mode));
        stops.push(() => proxy.stop());
        return { port: proxy.port, key: key.value };
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
