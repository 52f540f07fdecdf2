// The echo backend's answers on Gemini's paths: `:verb` after the model, the stream as server-sent events where the caller
// asked for them with `alt=sse`, else as one growing array.

import {
  document,
  type EchoAnswer,
  events,
  growingArray,
  said,
  saidInPieces,
} from "./echo-answer.ts";
import type { Asked } from "./echo-asked.ts";

/** The verb -> the answer. Counts and embeddings do not say their model, so we add it. */
export const geminiAnswers: ReadonlyMap<string, (asked: Asked) => EchoAnswer> = new Map([
  ["generateContent", ({ model }: Asked) => document(content(model, said(model), true))],
  ["streamGenerateContent", stream],
  ["countTokens", ({ model }: Asked) => document({ totalTokens: 1, modelVersion: model })],
  [
    "embedContent",
    ({ model }: Asked) => document({ embedding: { values: [0, 1] }, modelVersion: model }),
  ],
  ["batchEmbedContents", batch],
  ["predict", ({ model }: Asked) => document({ predictions: [], model })],
]);

function content(model: string, text: string, isLast: boolean): object {
  const usageMetadata = { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 };
  const candidate = { content: { role: "model", parts: [{ text }] }, index: 0 };
  const candidates = [isLast ? { ...candidate, finishReason: "STOP" } : candidate];
  return { candidates, usageMetadata, modelVersion: model, responseId: "echo" };
}

function stream({ model, query }: Asked): EchoAnswer {
  const pieces = saidInPieces(model);
  const all = pieces.map((text, at) => content(model, text, at === pieces.length - 1));
  const isSse = query.get("alt") === "sse" || query.get("$alt") === "sse";
  return isSse
    ? events(
        all.map((data) => ({ data })),
        "\r\n",
      )
    : growingArray(all);
}

function batch(asked: Asked): EchoAnswer {
  const requests = asked.field("requests");
  const count = Array.isArray(requests) ? requests.length : 0;
  const embeddings = Array.from({ length: count }, () => ({ values: [0, 1] }));
  return document({ embeddings, modelVersion: asked.model });
}
