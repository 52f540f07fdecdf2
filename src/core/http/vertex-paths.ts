// The paths of Vertex AI, and whose bodies each takes: Google's own models and those of the vendors that it hosts.

import type { Dialect } from "../denials.ts";

export type VertexPath = {
  readonly dialect: Dialect;
  readonly name: string;
  readonly path: string;
  /** Google's parameters of the query, or Anthropic's. */
  readonly query: "gemini" | "anthropic" | "none";
};

export const geminiVerbs = [
  "generateContent",
  "streamGenerateContent",
  "countTokens",
  "embedContent",
  "batchEmbedContents",
] as const;

/** With a project and a place, or by an API key alone; what stands before them is the caller's version or prefix. */
export const vertexPaths: readonly VertexPath[] = [
  "/projects/{project}/locations/{location}/publishers",
  "/publishers",
].flatMap((lead): readonly VertexPath[] => [
  ...[...geminiVerbs, "predict"].map((verb) => ({
    dialect: "gemini" as const,
    name: `gemini.${verb}`,
    path: `${lead}/{publisher}/models/{model}:${verb}`,
    query: "gemini" as const,
  })),
  {
    dialect: "anthropic",
    name: "messages.count_tokens",
    path: `${lead}/anthropic/models/count-tokens:rawPredict`,
    query: "anthropic",
  },
  ...["rawPredict", "streamRawPredict"].flatMap((verb): readonly VertexPath[] => [
    {
      dialect: "anthropic",
      name: "messages",
      path: `${lead}/anthropic/models/{model}:${verb}`,
      query: "anthropic",
    },
    {
      dialect: "openai",
      name: "chat.completions",
      path: `${lead}/{publisher}/models/{model}:${verb}`,
      query: "none",
    },
  ]),
]);
