// The top-level fields of the official request schemas, per dialect: what a Model with `strictFields` still takes.
// Read from the official SDKs' types (openai 7, @anthropic-ai/sdk 1) and Ollama's API reference.

import type { Dialect } from "./decision.ts";

const toSet = (...lines: readonly string[]): ReadonlySet<string> =>
  new Set(lines.flatMap((line) => line.split(" ")));

const openai = toSet(
  "model messages stream stream_options temperature top_p n stop max_tokens max_completion_tokens",
  "presence_penalty frequency_penalty logit_bias logprobs top_logprobs user seed tools tool_choice",
  "parallel_tool_calls functions function_call response_format reasoning_effort metadata store",
  "service_tier modalities audio prediction verbosity web_search_options safety_identifier",
  "prompt prompt_cache_key prompt_cache_retention suffix echo best_of input dimensions encoding_format",
  "instructions include previous_response_id conversation background reasoning text truncation",
  "max_output_tokens max_tool_calls context_management size quality style background moderation",
  "output_format output_compression partial_images voice speed stream_format query documents top_n",
  "return_documents rank_fields max_chunks_per_doc texts images inputs input_type embedding_types",
  "truncate document pages include_image_base64 image_limit image_min_size random_seed min_tokens",
  "safety_model",
);

const anthropic = toSet(
  "model messages max_tokens system stream temperature top_p top_k stop_sequences tools tool_choice",
  "metadata thinking service_tier output_config output_format context_management betas cache_control",
  "inference_geo speed",
);

const ollama = toSet(
  "model messages prompt suffix images stream format options tools keep_alive think system template",
  "raw context input truncate dimensions logprobs top_logprobs",
);

/** The known fields of a dialect; those of dialects whose bodies are not read yet are none. */
export function knownFields(dialect: Dialect): ReadonlySet<string> {
  switch (dialect) {
    case "openai":
    case "azure":
      return openai;
    case "anthropic":
      return anthropic;
    case "ollama":
      return ollama;
    case "gemini":
      return new Set();
    default:
      return dialect satisfies never;
  }
}
