// `npm run hunt [--minutes N] [--seed TEXT] [--litellm VERSION] [--unguarded]`: looks for a request that makes a real LiteLLM
// behind a real Envoy run a model, reach a host or use an account that its key was not granted. Exit 1 when there is one.

import { parseArgs } from "node:util";
import { readSnapshot } from "../harvest/classes.ts";
import { modes } from "../support/envoy-config.ts";
import { getEnvoy } from "../support/get-envoy.ts";
import { litellmVersion, olderLitellmVersion } from "../support/get-litellm.ts";
import { attemptsOf, type Names } from "./attempts.ts";
import { figureLines, hunt } from "./hunter.ts";
import { startHuntStack } from "./stack.ts";

const options = {
  minutes: { type: "string", default: "10" },
  seed: { type: "string", default: "aliasguard" },
  litellm: { type: "string", default: litellmVersion },
  /** Past Envoy and the authorizer: shows what the hunt would find. */
  unguarded: { type: "boolean", default: false },
  /** Flags of `aliasguard serve`. */
  serve: { type: "string", multiple: true },
} as const;

/** The names of the snapshot. */
export function harvestedNames(): Names {
  const all = readSnapshot().flatMap(({ names }) => names);
  const headers = all.filter(({ place }) => place === "header").map(({ name }) => name);
  const fields = all.filter(({ place }) => place !== "header").map(({ name }) => name);
  const unique = (list: readonly string[]): readonly string[] => [...new Set(list)].sort();
  return { fields: unique(fields), headers: unique([...headers, ...otherHeaders]) };
}

/** Headers of gateways whose sources are not harvested. */
const otherHeaders = (
  "openai-organization openai-project ocp-apim-subscription-key x-goog-user-project azureml-model-deployment " +
  "x-ms-oai-image-generation-deployment x-amzn-sagemaker-target-model x-envoy-original-dst-host model " +
  "target-pod routing-strategy x-dynamo-worker x-worker-instance-id x-portkey-provider x-model"
).split(" ");

async function main(): Promise<number> {
  const { values } = parseArgs({ options, strict: true });
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const version = values.litellm === olderLitellmVersion ? olderLitellmVersion : litellmVersion;
  const envoy = await getEnvoy(say);
  const stack = await startHuntStack({ envoy, litellm: version, args: values.serve ?? [] });
  const names = harvestedNames();
  say(
    `LiteLLM ${version}; names harvested: ${names.fields.length} fields, ${names.headers.length} headers`,
  );
  let holes = 0;
  try {
    const ways = values.unguarded ? (["unguarded"] as const) : modes;
    for (const way of ways) {
      const url = `http://127.0.0.1:${stack.stub.port}/gold/v1`;
      const figures = await hunt({
        port: stack.ports[way],
        key: stack.keys[way],
        stub: stack.stub,
        attempts: attemptsOf(names, url, `${values.seed} ${version} ${way}`),
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

if (process.argv[1] === import.meta.filename) process.exitCode = await main();
