// The echo backend's answers on Anthropic's paths.

import { anthropicUsage, document, type EchoAnswer, events, said } from "./echo-answer.ts";
import type { Asked } from "./echo-asked.ts";

/** The path without its prefix -> the answer. */
export const anthropicAnswers: ReadonlyMap<string, (asked: Asked) => EchoAnswer> = new Map([
  ["/messages", message],
  ["/messages/count_tokens", ({ model }: Asked) => document({ input_tokens: 1, model })],
]);

function message(asked: Asked): EchoAnswer {
  const { model } = asked;
  const head = { id: "msg_echo", type: "message", role: "assistant", model };
  if (!asked.streams()) {
    const content = [{ type: "text", text: said(model) }];
    const end = { stop_reason: "end_turn", stop_sequence: null, usage: anthropicUsage };
    return document({ ...head, content, ...end });
  }
  const start = { stop_reason: null, stop_sequence: null, usage: anthropicUsage };
  const delta = { stop_reason: "end_turn", stop_sequence: null };
  const steps: readonly (readonly [type: string, more: object])[] = [
    ["message_start", { message: { ...head, content: [], ...start } }],
    ["content_block_start", { index: 0, content_block: { type: "text", text: "" } }],
    ["content_block_delta", { index: 0, delta: { type: "text_delta", text: said(model) } }],
    ["content_block_stop", { index: 0 }],
    ["message_delta", { delta, usage: { output_tokens: 1 } }],
    ["message_stop", {}],
  ];
  return events(steps.map(([type, more]) => ({ name: type, data: { type, ...more } })));
}
