// The names that the hunt tries: those of the harvest, and headers of gateways whose sources are not harvested.

import { readSnapshot } from "../harvest/classes.ts";
import type { Names } from "./attempts.ts";

export function harvestedNames(): Names {
  const all = readSnapshot().flatMap(({ names }) => names);
  const headers = all.filter(({ place }) => place === "header").map(({ name }) => name);
  const fields = all.filter(({ place }) => place !== "header").map(({ name }) => name);
  const unique = (list: readonly string[]): readonly string[] => [...new Set(list)].sort();
  const isFree = (name: string): boolean => !framing.has(name);
  return { fields: unique(fields), headers: unique([...headers, ...otherHeaders]).filter(isFree) };
}

/** What makes the request another one for Node or Envoy, not for the backend; the key itself is always sent. */
const framing: ReadonlySet<string> = new Set(
  "host content-length transfer-encoding content-type authorization".split(" "),
);

const otherHeaders: readonly string[] = [
  "openai-organization",
  "openai-project",
  "ocp-apim-subscription-key",
  "x-goog-user-project",
  "azureml-model-deployment",
  "x-ms-oai-image-generation-deployment",
  "x-amzn-sagemaker-target-model",
  "x-envoy-original-dst-host",
  "model",
  "target-pod",
  "routing-strategy",
  "x-dynamo-worker",
  "x-worker-instance-id",
  "x-portkey-provider",
  "x-model",
];
