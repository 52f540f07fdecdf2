// Responses as backends send them, each as a function of what stands in the model's place. All of them also hold
// decoys: a `model` in text, tool arguments, metadata and tools that nobody may touch.

import type { Dialect } from "../../../src/core/denials.ts";
import { createResponseReader, type ServedModel } from "../../../src/core/response/model.ts";

export const json = "application/json";
export const ndjson = "application/x-ndjson";
export const sse = "text/event-stream; charset=utf-8";

export type Sample = {
  readonly name: string;
  readonly dialect: Dialect;
  readonly contentType: string;
  /** The body with `said` (a JSON token) in every place of the model. */
  readonly body: (said: string) => string;
};

const decoy = String.raw`{\"model\":\"decoy\",\"text\":\"caf\u00e9 \\\"model\\\": \\\"decoy\\\"\"}`;
const events = (...datas: readonly string[]): string =>
  datas.map((data) => `data: ${data}\n\n`).join("");
const named = (type: string, data: string): string => `event: ${type}\ndata: ${data}\n\n`;

const chatChunk = (model: string, delta: string): string =>
  `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1733000000,"model":${model},"service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x"}`;

const openAiSamples: readonly Sample[] = [
  {
    name: "openai chat completion, indented",
    dialect: "openai",
    contentType: json,
    body: (said) => `{
  "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
  "object": "chat.completion",
  "created": 1741569952,
  "model": ${said},
  "choices": [
    {
      "index": 0,
      "message": {
        "role": "assistant",
        "content": "The \\"model\\": \\"decoy\\" is 😀 \\ud83d\\ude00 \\\\",
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "${decoy}"}}],
        "model": "decoy", "refusal": null, "annotations": []
      },
      "logprobs": null,
      "finish_reason": "stop"
    }
  ],
  "moderation": {"input": {"model": "decoy"}},
  "metadata": {"model": "decoy", "response": {"model": "decoy"}},
  "usage": {"prompt_tokens": 19, "completion_tokens": 10, "cost": -1.5e-7},
  "service_tier": "default"
}
`,
  },
  {
    name: "openai chat stream",
    dialect: "openai",
    contentType: sse,
    body: (said) =>
      `: OPENROUTER PROCESSING\n\n${events(
        chatChunk(said, `{"role":"assistant","content":"","refusal":null}`),
        chatChunk(said, `{"content":"model"}`),
        chatChunk(said, `{"tool_calls":[{"index":0,"function":{"arguments":"${decoy}"}}]}`),
        "[DONE]",
      )}`,
  },
  {
    name: "azure chat stream, whose first event names no model",
    dialect: "azure",
    contentType: "text/event-stream",
    body: (said) =>
      events(
        `{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}`,
        chatChunk(said, `{"content":"Hi"}`),
        "[DONE]",
      ),
  },
  {
    name: "openai embeddings, the model last",
    dialect: "openai",
    contentType: `${json};charset=UTF-8`,
    body: (said) =>
      `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[-0.0023,1e-3,0.5]}],"usage":{"prompt_tokens":8},"model":${said}}`,
  },
  {
    name: "openai response",
    dialect: "openai",
    contentType: json,
    body: (said) =>
      `{"id":"resp_1","object":"response","model":${said},"output":[{"type":"message","content":[{"type":"output_text","text":"hi"}]}],"tools":[{"type":"image_generation","model":"decoy"}],"response":{"model":"decoy"},"metadata":{"model":"decoy"}}`,
  },
  {
    name: "openai response stream",
    dialect: "openai",
    contentType: sse,
    body: (said) =>
      named(
        "response.created",
        `{"type":"response.created","response":{"id":"resp_1","object":"response","status":"in_progress","tools":[{"type":"image_generation","model":"decoy"}],"model":${said},"metadata":{"model":"decoy"}},"sequence_number":0}`,
      ) +
      named(
        "response.output_text.delta",
        `{"type":"response.output_text.delta","delta":"\\"model\\":\\"decoy\\"","item":{"model":"decoy"},"sequence_number":4}`,
      ) +
      named(
        "response.completed",
        `{"type":"response.completed","sequence_number":9,"response":{"model":${said},"usage":{"total_tokens":9}}}`,
      ),
  },
];

const otherSamples: readonly Sample[] = [
  {
    name: "anthropic message",
    dialect: "anthropic",
    contentType: json,
    body: (said) =>
      `{"model":${said},"id":"msg_1","type":"message","role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"f","input":{"model":"decoy"}}],"stop_reason":"tool_use","message":{"model":"decoy"},"usage":{"input_tokens":1,"iterations":[{"model":"decoy"}]}}`,
  },
  {
    name: "anthropic stream",
    dialect: "anthropic",
    contentType: sse,
    body: (said) =>
      named(
        "message_start",
        `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":${said},"content":[],"usage":{"input_tokens":25,"model":"decoy"}}}`,
      ) +
      named("ping", `{"type": "ping"}`) +
      named(
        "content_block_delta",
        `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"${decoy}","model":"decoy"}}`,
      ) +
      named("message_stop", `{"type":"message_stop"}`),
  },
  {
    name: "gemini answer",
    dialect: "gemini",
    contentType: `${json}; charset=UTF-8`,
    body: (said) =>
      `{\n  "candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {"modelVersion": "decoy"}}}], "role": "model"}}],\n  "usageMetadata": {"modelVersion": "decoy"},\n  "model": "decoy",\n  "modelVersion": ${said},\n  "responseId": "model"\n}\n`,
  },
  {
    name: "gemini stream as an array",
    dialect: "gemini",
    contentType: json,
    body: (said) =>
      `[{\n  "candidates": [{"content": {"parts": [{"text": "["}]}}],\n  "modelVersion": ${said}\n}\n,\r\n{\n  "candidates": [[{"modelVersion": "decoy"}]],\n  "modelVersion": ${said}\n}\n]\n`,
  },
  {
    name: "gemini stream as events",
    dialect: "gemini",
    contentType: "text/event-stream",
    body: (said) =>
      `data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}],"modelVersion":${said}}\r\n\r\ndata: {"modelVersion":${said},"responseId":"r"}\r\n\r\n`,
  },
  {
    name: "ollama chat stream",
    dialect: "ollama",
    contentType: ndjson,
    body: (said) =>
      `{"model":${said},"created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"\\"model\\"","model":"decoy"},"done":false}\n{"model":${said},"message":{"content":"","tool_calls":[{"function":{"arguments":{"model":"decoy"}}}]},"done":true,"total_duration":4883583458}\n`,
  },
  {
    name: "ollama answer at once",
    dialect: "ollama",
    contentType: `${json}; charset=utf-8`,
    body: (said) => `{"model":${said},"response":"{\\"model\\":\\"decoy\\"}","done":true}`,
  },
];

export const samples: readonly Sample[] = [...openAiSamples, ...otherSamples];

export type Told = {
  readonly dialect: Dialect;
  readonly contentType: string;
  readonly shown: string | undefined;
  readonly authorized?: readonly string[];
};

export type Reading = {
  readonly output: Buffer;
  readonly served: readonly ServedModel[];
  /** Most bytes that were held back after a push. */
  readonly heldMax: number;
};

/** What a reader makes of `chunks`, the last of them marked so. */
export function readAll(chunks: readonly Buffer[], told: Told): Reading {
  const reader = createResponseReader(new Map([["content-type", told.contentType]]), 200, {
    dialect: told.dialect,
    authorized: told.authorized ?? ["gpt-x"],
    shown: told.shown,
  });
  if (reader === undefined) throw new Error(`no reader for ${told.contentType}`);
  const pieces: Buffer[] = [];
  let heldMax = 0;
  let held = 0;
  chunks.forEach((chunk, at) => {
    const piece = reader.push(chunk, at === chunks.length - 1);
    // A replacement hides how much was held, so that only readings without one are exact here.
    held = Math.max(0, held + chunk.length - piece.length);
    heldMax = Math.max(heldMax, held);
    pieces.push(piece);
  });
  return { output: Buffer.concat(pieces), served: reader.served(), heldMax };
}

/** The bytes cut at each of `cuts`, which may repeat. */
export function splitAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((to, at) => bytes.subarray(places[at], to));
}
