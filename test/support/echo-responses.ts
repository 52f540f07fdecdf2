// The echo backend's answers of the Responses API: whole, and as the events of a stream in their order, which clients
// and agents insist on.

import { document, type EchoAnswer, events, said, saidInPieces } from "./echo-answer.ts";

const usage = {
  input_tokens: 1,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 1,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 2,
};

function messageOf(text: string | undefined): Readonly<Record<string, unknown>> {
  const content = text === undefined ? [] : [{ type: "output_text", text, annotations: [] }];
  const status = text === undefined ? "in_progress" : "completed";
  return { type: "message", id: "msg_echo", role: "assistant", status, content };
}

function responseOf(model: string, isDone: boolean): Readonly<Record<string, unknown>> {
  return {
    id: "resp_echo",
    object: "response",
    created_at: 0,
    status: isDone ? "completed" : "in_progress",
    error: null,
    incomplete_details: null,
    model,
    output: isDone ? [messageOf(said(model))] : [],
    parallel_tool_calls: true,
    tool_choice: "auto",
    tools: [],
    usage: isDone ? usage : null,
  };
}

export function wholeResponse(model: string): EchoAnswer {
  return document(responseOf(model, true));
}

export function streamResponse(model: string): EchoAnswer {
  const text = said(model);
  const at = { output_index: 0 };
  const inItem = { ...at, item_id: "msg_echo", content_index: 0 };
  const part = (content: string): object => ({
    part: { type: "output_text", text: content, annotations: [] },
  });
  const steps: readonly (readonly [type: string, more: object])[] = [
    ["response.created", { response: responseOf(model, false) }],
    ["response.in_progress", { response: responseOf(model, false) }],
    ["response.output_item.added", { ...at, item: messageOf(undefined) }],
    ["response.content_part.added", { ...inItem, ...part("") }],
    ...saidInPieces(model).map(
      (delta) => ["response.output_text.delta", { ...inItem, delta, logprobs: [] }] as const,
    ),
    ["response.output_text.done", { ...inItem, text, logprobs: [] }],
    ["response.content_part.done", { ...inItem, ...part(text) }],
    ["response.output_item.done", { ...at, item: messageOf(text) }],
    ["response.completed", { response: responseOf(model, true) }],
  ];
  return events(
    steps.map(([type, more], sequence_number) => ({
      name: type,
      data: { type, sequence_number, ...more },
    })),
  );
}
