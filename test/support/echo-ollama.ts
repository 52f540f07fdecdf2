// The echo backend's answers on Ollama's paths, which stream unless the caller says no.

import { document, type EchoAnswer, lines, said, saidInPieces } from "./echo-answer.ts";
import type { Asked } from "./echo-asked.ts";

export const ollamaAnswers: ReadonlyMap<string, (asked: Asked) => EchoAnswer> = new Map([
  ["/api/chat", (asked: Asked) => spoken(asked, chatMember)],
  ["/api/generate", (asked: Asked) => spoken(asked, (response) => ({ response }))],
  ["/api/embed", embed],
  ["/api/embeddings", ({ model }: Asked) => document({ model, embedding: [0, 1] })],
  ["/api/show", ({ model }: Asked) => document({ details: { family: model }, capabilities: [] })],
]);

const createdAt = "2026-01-01T00:00:00Z";
const end = { done: true, done_reason: "stop", total_duration: 1, eval_count: 1 };

function chatMember(content: string): object {
  return { message: { role: "assistant", content } };
}

function spoken(asked: Asked, member: (text: string) => object): EchoAnswer {
  const { model } = asked;
  const head = { model, created_at: createdAt };
  if (!asked.streams(true)) return document({ ...head, ...member(said(model)), ...end });
  const parts = saidInPieces(model).map((text) => ({ ...head, ...member(text), done: false }));
  return lines([...parts, { ...head, ...member(""), ...end }]);
}

function embed(asked: Asked): EchoAnswer {
  const input = asked.field("input");
  const embeddings = (Array.isArray(input) ? input : [input]).map(() => [0, 1]);
  return document({ model: asked.model, embeddings });
}
