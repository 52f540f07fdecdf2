// The hunt's processes: a stub of a provider, a real LiteLLM in front of it, the authorizer, and an Envoy in each mode with
// the shipped configuration. The backend's master key is put in by the authorizer, as operators do it.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { envoyConfig, type Mode, places } from "../support/envoy-config.ts";
import { getLitellm, type LitellmVersion, startLitellm } from "../support/get-litellm.ts";
import { mintSecret, PolicyFolder } from "../support/policy-files.ts";
import { startAuthorizer } from "../support/start-authorizer.ts";
import { startEnvoy } from "../support/start-envoy.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { type ProviderStub, startProviderStub } from "./provider-stub.ts";
import { environmentOf, manifestsOf, masterKey, writeWorld } from "./world.ts";

export type HuntStack = {
  readonly stub: ProviderStub;
  /** Where requests go in: an Envoy of each mode, and LiteLLM itself, past all checks. */
  readonly ports: Readonly<Record<Mode | "unguarded", number>>;
  /** What a caller presents there. */
  readonly keys: Readonly<Record<Mode | "unguarded", string>>;
  stop(): Promise<void>;
};

export type HuntStackOptions = {
  readonly envoy: string;
  readonly litellm: LitellmVersion;
  /** Flags of `aliasguard serve`. */
  readonly args?: readonly string[];
};

export async function startHuntStack(options: HuntStackOptions): Promise<HuntStack> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  try {
    const folder = createTempFolder("hunt");
    stops.push(async () => folder.remove());
    const stub = await startProviderStub();
    stops.push(() => stub.stop());
    const configFile = writeWorld(folder.path, stub.port);
    const env = environmentOf(stub.port);
    const python = await getLitellm(undefined, options.litellm);
    const litellm = await startLitellm(python, { configFile, env });
    stops.push(() => litellm.stop());
    const key = mintSecret();
    const policy = new PolicyFolder(join(folder.path, "policy"));
    policy.write("policy.yaml", manifestsOf(key));
    const credentials = createTempFolder("hunt-credentials");
    stops.push(async () => credentials.remove());
    writeFileSync(join(credentials.path, "default"), masterKey);
    const args = ["--upstream-credentials", credentials.path, ...(options.args ?? [])];
    const authorizer = await startAuthorizer({ policy: policy.path, args });
    stops.push(() => authorizer.stop());
    const where = places({ authorizers: [authorizer.port], backendPort: litellm.port });
    const start = async (mode: Mode): Promise<number> => {
      const envoy = await startEnvoy(options.envoy, envoyConfig([where], mode));
      stops.push(() => envoy.stop());
      return envoy.port;
    };
    const extAuthz = await start("ext_authz");
    const extProc = await start("ext_proc");
    return {
      stub,
      ports: { ext_authz: extAuthz, ext_proc: extProc, unguarded: litellm.port },
      keys: { ext_authz: key.value, ext_proc: key.value, unguarded: masterKey },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
