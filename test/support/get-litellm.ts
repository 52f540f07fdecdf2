// A real LiteLLM proxy from its Python package, in the private cache, without touching the system's packages: each version
// with every package it needs pinned (test/support/litellm/VERSION.txt), so that no test depends on what a registry
// publishes tomorrow. No database, no network.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { cached, isCached } from "./cache-folder.ts";
import { Child, run } from "./child.ts";
import { pip, type Say } from "./python.ts";
import { MissingComponent } from "./requirements.ts";

/** The version that compose.yaml runs, too: the newest whose proxy pip can install. */
export const litellmVersion = "1.108.7";

/** The newest of all. Pip cannot install its proxy's extra, which asks for packages that are not published. */
export const newestLitellmVersion = "1.110.2";

/** A version of half a year before: it has fewer guards of its own. */
export const olderLitellmVersion = "1.83.14";

export const litellmVersions = [litellmVersion, newestLitellmVersion, olderLitellmVersion] as const;
export type LitellmVersion = (typeof litellmVersions)[number];

/** The master key of deploy/envoy/litellm.yaml where the environment names none. */
export const exampleMasterKey = "sk-litellm-example";

const exampleFile = join(import.meta.dirname, "../../deploy/envoy/litellm.yaml");

/** Whether tests may use this version: it is there, or may be fetched without asking. */
export function isLitellmWanted(version: LitellmVersion = litellmVersion): boolean {
  return (
    process.env["CI"] === "true" ||
    process.env["ALIASGUARD_TEST_LITELLM"] === "1" ||
    isCached(new RegExp(`^litellm-${version.replaceAll(".", "\\.")}-`))
  );
}

/** The folder that PYTHONPATH must name. Throws MissingComponent when it cannot be had. */
export async function getLitellm(
  say: Say = () => undefined,
  version: LitellmVersion = litellmVersion,
): Promise<string> {
  const python = await run(
    { name: "python3", command: "python3", args: [pythonTag, tagScript] },
    20_000,
  );
  if (python.code !== 0) throw new MissingComponent("LiteLLM needs python3 (3.10 to 3.13).");
  const packages = join(import.meta.dirname, "litellm", `${version}.txt`);
  const hash = createHash("sha256").update(readFileSync(packages)).digest("hex").slice(0, 8);
  return cached(
    `litellm-${version}-${python.stdout.trim()}-${hash}`,
    async (draft) => {
      say(`Installing LiteLLM ${version} into a private folder (about 500 MB, once) ...`);
      const args = ["install", "--quiet", "--no-compile", "--target", draft, "-r", packages];
      await pip(args, say);
    },
    () => say("Waiting for another process that installs LiteLLM ..."),
  );
}

const pythonTag = "-c";
const tagScript = 'import sys; print("py%d%d" % sys.version_info[:2])';

export type Litellm = { readonly port: number; stop(): Promise<void> };

export type LitellmOptions = {
  /** Default: the configuration that deploy/envoy ships. */
  readonly configFile?: string;
  readonly env?: Readonly<Record<string, string>>;
};

/** Starts it and waits until it answers; its start takes some ten seconds. */
export async function startLitellm(folder: string, options: LitellmOptions = {}): Promise<Litellm> {
  const { configFile = exampleFile, env = {} } = options;
  const port = await freePort();
  const main = 'import sys; sys.argv[0] = "litellm"; from litellm import run_server; run_server()';
  const flags = ["--config", configFile, "--host", "127.0.0.1", "--port", String(port)];
  const child = new Child({
    name: "litellm",
    command: "python3",
    args: ["-c", main, ...flags, "--telemetry", "False"],
    env: {
      PYTHONPATH: folder,
      PYTHONDONTWRITEBYTECODE: "1",
      LITELLM_LOCAL_MODEL_COST_MAP: "True",
      LITELLM_TELEMETRY: "False",
      LITELLM_MASTER_KEY: exampleMasterKey,
      OPENROUTER_API_KEY: "none",
      NO_PROXY: "*",
      ...env,
    },
  });
  try {
    await child.until(
      () => child.stderr.concat(child.stdout).find((line) => line.includes("Uvicorn running on")),
      120_000,
    );
  } catch (error) {
    await child.stop();
    throw error;
  }
  return {
    port,
    async stop() {
      await child.stop();
    },
  };
}

/** A port that was free a moment ago; LiteLLM cannot be told to choose one and say which. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
