// `npm run hunt [--minutes N] [--seed TEXT] [--litellm VERSION | --ollama] [--serve=--FLAG=VALUE] [--unguarded]`: looks for a
// request that makes a real backend behind a real Envoy run a model, reach a host or use an account that its key was not
// granted. Exit 1 when there is one.

import { parseArgs } from "node:util";
import { modes } from "../support/envoy-config.ts";
import { getEnvoy } from "../support/get-envoy.ts";
import { litellmVersions, newestLitellmVersion } from "../support/get-litellm.ts";
import { attemptsOf } from "./attempts.ts";
import { figureLines, hunt } from "./hunter.ts";
import { harvestedNames } from "./names.ts";
import { getOllama, ollamaVersion } from "./ollama.ts";
import { startHuntStack, startOllamaStack } from "./stack.ts";

const options = {
  minutes: { type: "string", default: "10" },
  seed: { type: "string", default: "aliasguard" },
  litellm: { type: "string", default: newestLitellmVersion },
  /** A real Ollama in LiteLLM's place; builds it from its Go module, once. */
  ollama: { type: "boolean", default: false },
  /** Past Envoy and the authorizer: shows what the hunt would find. */
  unguarded: { type: "boolean", default: false },
  /** Flags of `aliasguard serve`. */
  serve: { type: "string", multiple: true },
} as const;

async function main(): Promise<number> {
  const { values } = parseArgs({ options, strict: true });
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const version = litellmVersions.find((each) => each === values.litellm);
  if (version === undefined) throw new Error(`--litellm is one of ${litellmVersions.join(" ")}`);
  const envoy = await getEnvoy(say);
  const stack = values.ollama
    ? await startOllamaStack(envoy, await getOllama())
    : await startHuntStack(envoy, version);
  const names = harvestedNames();
  say(values.ollama ? `Ollama ${ollamaVersion}` : `LiteLLM ${version}`);
  say(`${names.fields.length} fields and ${names.headers.length} headers harvested`);
  let holes = 0;
  try {
    const ways = values.unguarded ? (["unguarded"] as const) : modes;
    for (const way of ways) {
      const isUnguarded = way === "unguarded";
      const to = isUnguarded ? stack.unguarded : await stack.guarded(way, values.serve ?? []);
      const figures = await hunt({
        ...to,
        world: stack.world,
        stub: stack.stub,
        attempts: attemptsOf(
          stack.world,
          names,
          stack.forbiddenUrl,
          `${values.seed} ${version} ${way}`,
        ),
        until: performance.now() + (Number(values.minutes) * 60_000) / ways.length,
      });
      say(`\n${way}\n${figureLines(figures).join("\n")}`);
      holes += figures.holes.length;
    }
  } finally {
    await stack.stop();
  }
  return holes === 0 ? 0 : 1;
}

process.exitCode = await main();
