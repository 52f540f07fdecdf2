// The echo backend's answers on the OpenAI paths, Azure's among them: what the SDK's types say, and of Cohere and Mistral
// what their references say.

import {
  document,
  type EchoAnswer,
  events,
  openaiUsage,
  plain,
  said,
  saidInPieces,
} from "./echo-answer.ts";
import type { Asked } from "./echo-asked.ts";
import { streamResponse, wholeResponse } from "./echo-responses.ts";

type Answer = (asked: Asked) => EchoAnswer;

/** The path without its prefix -> the answer. */
export const openaiAnswers: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  ["/chat/completions", chat],
  ["/fim/completions", chat],
  ["/completions", completion],
  ["/embeddings", embedding],
  ["/responses", (asked) => (asked.streams() ? streamResponse : wholeResponse)(asked.model)],
  [
    "/responses/compact",
    ({ model }) => document({ id: "resp_echo", object: "response.compaction", model, output: [] }),
  ],
  [
    "/responses/input_tokens",
    ({ model }) => document({ object: "response.input_tokens", input_tokens: 1, model }),
  ],
  ["/moderations", ({ model }) => document({ id: "modr-echo", model, results: [] })],
  ["/images/generations", (asked) => image(asked, "image_generation.completed")],
  ["/images/edits", (asked) => image(asked, "image_edit.completed")],
  ["/images/variations", (asked) => image(asked, "image_edit.completed")],
  ["/audio/speech", speech],
  ["/audio/transcriptions", transcription],
  ["/audio/translations", transcription],
  ["/rerank", ({ model }) => document({ id: "rerank-echo", model, results: ranked })],
  [
    "/ocr",
    ({ model }) =>
      document({
        model,
        pages: [{ index: 0, markdown: said(model), images: [], dimensions: null }],
        usage_info: { pages_processed: 1, doc_size_bytes: 1 },
      }),
  ],
]);

/** Cohere's second version has no prefix and shapes of its own; `model` is in none of them, so we add it. */
export const cohereAnswers: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  ["/v2/chat", cohereChat],
  [
    "/v2/embed",
    ({ model }) =>
      document({ id: "embed-echo", model, embeddings: { float: [[0, 1]] }, texts: [] }),
  ],
  ["/v2/rerank", ({ model }) => document({ id: "rerank-echo", model, results: ranked })],
]);

const ranked = [{ index: 0, relevance_score: 1 }];

function chat(asked: Asked): EchoAnswer {
  const { model } = asked;
  const head = (object: string): object => ({ id: "chatcmpl-echo", object, created: 0, model });
  if (!asked.streams()) {
    const message = { role: "assistant", content: said(model) };
    const choices = [{ index: 0, finish_reason: "stop", message }];
    return document({ ...head("chat.completion"), choices, usage: openaiUsage });
  }
  const chunk = (choices: readonly unknown[], more: object = {}): { readonly data: unknown } => ({
    data: { ...head("chat.completion.chunk"), choices, ...more },
  });
  return events([
    ...saidInPieces(model).map((content) =>
      chunk([{ index: 0, delta: { role: "assistant", content }, finish_reason: null }]),
    ),
    chunk([{ index: 0, delta: {}, finish_reason: "stop" }]),
    ...(wantsUsage(asked) ? [chunk([], { usage: openaiUsage })] : []),
    { data: "[DONE]" },
  ]);
}

function wantsUsage(asked: Asked): boolean {
  const options = asked.field("stream_options");
  if (typeof options !== "object" || options === null) return false;
  return "include_usage" in options && options.include_usage === true;
}

function completion(asked: Asked): EchoAnswer {
  const { model } = asked;
  const head = { id: "cmpl-echo", object: "text_completion", created: 0, model };
  const choice = (text: string, reason: string | null): object => ({
    ...head,
    choices: [{ index: 0, text, logprobs: null, finish_reason: reason }],
  });
  if (!asked.streams()) return document({ ...choice(said(model), "stop"), usage: openaiUsage });
  return events([
    ...saidInPieces(model).map((text) => ({ data: choice(text, null) })),
    { data: choice("", "stop") },
    { data: "[DONE]" },
  ]);
}

/** The SDK asks for base64 and gives its caller numbers; one vector for each text. */
function embedding(asked: Asked): EchoAnswer {
  const input = asked.field("input");
  const vector = [0, 1];
  const isEncoded = asked.field("encoding_format") === "base64";
  const shown = isEncoded
    ? Buffer.from(new Float32Array(vector).buffer).toString("base64")
    : vector;
  const data = (Array.isArray(input) ? input : [input]).map((_, index) => ({
    object: "embedding",
    index,
    embedding: shown,
  }));
  const usage = { prompt_tokens: 1, total_tokens: 1 };
  return document({ object: "list", model: asked.model, data, usage });
}

/** Images do not say their model; the prompt that was really used does it for them. */
function image(asked: Asked, completed: string): EchoAnswer {
  const { model } = asked;
  const b64_json = Buffer.from(said(model)).toString("base64");
  if (!asked.streams()) {
    const data = [{ b64_json, revised_prompt: said(model) }];
    return document({ created: 0, model, data, output_format: "png" });
  }
  return events([{ name: completed, data: { type: completed, b64_json, created_at: 0, model } }]);
}

/** Audio whose bytes are the words. */
function speech(asked: Asked): EchoAnswer {
  return plain(Buffer.from(said(asked.model)), "audio/mpeg");
}

function transcription(asked: Asked): EchoAnswer {
  const { model } = asked;
  const text = said(model);
  if (asked.streams()) {
    return events([
      ...saidInPieces(model).map((delta) => ({ data: { type: "transcript.text.delta", delta } })),
      { data: { type: "transcript.text.done", text } },
      { data: "[DONE]" },
    ]);
  }
  switch (asked.field("response_format")) {
    case "text":
      return plain(`${text}\n`, "text/plain; charset=utf-8");
    case "srt":
      return plain(`1\n00:00:00,000 --> 00:00:01,000\n${text}\n\n`, "text/plain; charset=utf-8");
    case "vtt":
      return plain(`WEBVTT\n\n00:00.000 --> 00:01.000\n${text}\n`, "text/plain; charset=utf-8");
    case "verbose_json":
      return document({ task: "transcribe", language: "english", duration: 1, text, model });
    default:
      return document({ text, model });
  }
}

function cohereChat(asked: Asked): EchoAnswer {
  const { model } = asked;
  if (!asked.streams()) {
    const message = { role: "assistant", content: [{ type: "text", text: said(model) }] };
    return document({ id: "chat-echo", finish_reason: "COMPLETE", model, message });
  }
  const event = (
    type: string,
    more: object,
  ): { readonly name: string; readonly data: unknown } => ({
    name: type,
    data: { type, ...more },
  });
  const delta = (text: string): object => ({ delta: { message: { content: { text } } } });
  return events([
    event("message-start", { id: "chat-echo", delta: { message: { role: "assistant" } } }),
    event("content-start", {
      index: 0,
      delta: { message: { content: { type: "text", text: "" } } },
    }),
    ...saidInPieces(model).map((text) => event("content-delta", { index: 0, ...delta(text) })),
    event("content-end", { index: 0 }),
    event("message-end", { delta: { finish_reason: "COMPLETE" } }),
  ]);
}
