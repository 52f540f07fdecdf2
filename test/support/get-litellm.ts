// A real LiteLLM proxy from its Python package, in the private cache, without touching the system's packages; started
// with deploy/envoy/litellm.yaml, whose answers are made up: no database, no network, no provider.

import { createServer } from "node:net";
import { join } from "node:path";
import { cached } from "./cache-folder.ts";
import { Child, run } from "./child.ts";
import { pip, type Say } from "./python.ts";
import { MissingComponent } from "./requirements.ts";

/** The version that compose.yaml runs, too. */
export const litellmVersion = "1.83.14";

const configFile = join(import.meta.dirname, "../../deploy/envoy/litellm.yaml");

/** The folder that PYTHONPATH must name. Throws MissingComponent when it cannot be had. */
export async function getLitellm(say: Say = () => undefined): Promise<string> {
  const python = await run(
    { name: "python3", command: "python3", args: [pythonTag, tagScript] },
    20_000,
  );
  if (python.code !== 0) throw new MissingComponent("LiteLLM needs python3 (3.10 to 3.13).");
  return cached(
    `litellm-${litellmVersion}-${python.stdout.trim()}`,
    async (draft) => {
      say(`Installing LiteLLM ${litellmVersion} into a private folder (about 400 MB, once) ...`);
      const wanted = `litellm[proxy]==${litellmVersion}`;
      await pip(["install", "--quiet", "--no-compile", "--target", draft, wanted], say);
    },
    () => say("Waiting for another process that installs LiteLLM ..."),
  );
}

const pythonTag = "-c";
const tagScript = 'import sys; print("py%d%d" % sys.version_info[:2])';

export type Litellm = { readonly port: number; stop(): Promise<void> };

/** Starts it and waits until it answers; its start takes some ten seconds. */
export async function startLitellm(folder: string): Promise<Litellm> {
  const port = await freePort();
  const main = 'import sys; sys.argv[0] = "litellm"; from litellm import run_server; run_server()';
  const options = ["--config", configFile, "--host", "127.0.0.1", "--port", String(port)];
  const child = new Child({
    name: "litellm",
    command: "python3",
    args: ["-c", main, ...options, "--telemetry", "False"],
    env: {
      PYTHONPATH: folder,
      PYTHONDONTWRITEBYTECODE: "1",
      LITELLM_LOCAL_MODEL_COST_MAP: "True",
      LITELLM_TELEMETRY: "False",
      OPENROUTER_API_KEY: "none",
      NO_PROXY: "*",
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
