// A real Ollama without a model file: two remote models, each of which it asks the stub for in its own protocol. Built from
// its Go module as test/hunt/ollama/go.mod pins it.

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cached } from "../support/cache-folder.ts";
import { Child, run } from "../support/child.ts";
import { call } from "../support/http-client.ts";
import { pip } from "../support/python.ts";
import { MissingComponent } from "../support/requirements.ts";
import { ungranted, type World } from "./world.ts";

export const ollamaVersion = "0.17.4";
const headersVersion = "0.3.36";

/** The stub's paths have no host of their own here: Ollama keeps the address alone. */
export const ollamaWorld: World = {
  granted: { cheap: ["api  cheap-real"] },
  alsoGranted: [],
  paths: [
    "/api/chat",
    "/api/generate",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/messages",
    "/v1/responses",
  ],
  formPath: undefined,
};

const minute = 60_000;

/** The binary, built where Go and a C++ compiler are. Throws MissingComponent when it cannot be had. */
export async function getOllama(): Promise<string> {
  const folder = await cached(`ollama-${ollamaVersion}`, async (draft) => {
    const include = `-O1 -I${await getHeaders(draft)}`;
    const args = ["build", "-o", join(draft, "ollama"), "github.com/ollama/ollama"];
    const cwd = join(import.meta.dirname, "ollama");
    const env = { CGO_CFLAGS: include, CGO_CXXFLAGS: include };
    const made = await run({ name: "go build", command: "go", args, cwd, env }, 20 * minute);
    if (made.code === 0 && existsSync(join(draft, "ollama"))) return;
    throw new MissingComponent(`Ollama needs Go and a C++ compiler: ${made.stderr.slice(-400)}`);
  });
  return join(folder, "ollama");
}

/** Go's modules leave out folders called `vendor`: the headers there come from llama-cpp-python, which has them too. */
async function getHeaders(draft: string): Promise<string> {
  const wanted = `llama-cpp-python==${headersVersion}`;
  const source = ["--no-deps", "--no-binary", "llama-cpp-python"];
  await pip(["download", "--quiet", ...source, "--dest", draft, wanted], () => undefined);
  const file = `llama_cpp_python-${headersVersion}`;
  const args = ["xzf", join(draft, `${file}.tar.gz`), "-C", draft];
  const unpacked = await run({ name: "tar", command: "tar", args }, minute);
  if (unpacked.code !== 0) throw new MissingComponent(`tar: ${unpacked.stderr.slice(-400)}`);
  return join(draft, file, "vendor/llama.cpp/vendor");
}

/** Starts it with its models. */
export async function startOllama(
  binary: string,
  folder: string,
  providerPort: number,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const home = join(folder, "ollama");
  mkdirSync(home);
  const child = new Child({
    name: "ollama",
    command: binary,
    args: ["serve"],
    env: {
      HOME: home,
      OLLAMA_MODELS: join(home, "models"),
      OLLAMA_HOST: "127.0.0.1:0",
      OLLAMA_REMOTES: "127.0.0.1",
      NO_PROXY: "*",
    },
  });
  try {
    const said = await child.until(
      () =>
        child.stderr
          .concat(child.stdout)
          .map((line) => /Listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1])
          .find((found) => found !== undefined),
      30_000,
    );
    const port = Number(said);
    for (const name of ["cheap", ungranted.model]) await create(port, name, providerPort);
    return {
      port,
      async stop() {
        await child.stop();
      },
    };
  } catch (error) {
    writeFileSync(join(home, "log.txt"), child.stderr.join("\n"));
    await child.stop();
    throw error;
  }
}

async function create(port: number, name: string, providerPort: number): Promise<void> {
  const body = JSON.stringify({
    model: name,
    from: `${name}-real`,
    remote_host: `http://127.0.0.1:${providerPort}`,
    stream: false,
  });
  const headers = [["content-type", "application/json"]] as const;
  const answer = await call({ port, path: "/api/create", headers, body });
  if (answer.status !== 200) throw new Error(`Ollama made no ${name}: ${answer.body}`);
}
