// The top-level fields of the official request schemas, per dialect: what a Model with `strictFields` still takes, and
// what is never taken for a misspelling. Read from the SDKs' types (openai 7.57, @anthropic-ai/sdk 1.12) and the API
// references of Cohere (v2), Mistral, Ollama and Gemini.

import type { Dialect } from "../denials.ts";

function toSet(...lines: readonly string[]): ReadonlySet<string> {
  return new Set(lines.flatMap((line) => line.split(" ")));
}

/** The openai paths serve Cohere's and Mistral's bodies too (rerank, v2/chat, fim, ocr). */
const openai = toSet(
  // chat, completions
  "model messages stream stream_options temperature top_p n stop max_tokens max_completion_tokens",
  "presence_penalty frequency_penalty logit_bias logprobs top_logprobs user seed tools tool_choice",
  "parallel_tool_calls functions function_call response_format reasoning_effort metadata store",
  "service_tier modalities audio prediction verbosity web_search_options safety_identifier",
  "prompt_cache_key prompt_cache_options prompt_cache_retention moderation",
  "prompt suffix echo best_of",
  // embeddings, moderations, responses and their sub-routes
  "input dimensions encoding_format instructions include previous_response_id conversation",
  "background reasoning text truncation max_output_tokens max_tool_calls context_management",
  "access_programs personality",
  // images, audio
  "image mask markup size quality style output_format output_compression partial_images",
  "input_fidelity complexity frame_count frame_duration_ms svg voice speed stream_format",
  // Cohere
  "documents citation_options safety_mode k p stop_sequences strict_tools raw_prompting priority",
  "thinking texts images inputs input_type embedding_types output_dimension truncate query top_n",
  "max_tokens_per_doc return_documents rank_fields max_chunks_per_doc",
  // Mistral
  "random_seed safe_prompt prompt_mode min_tokens guardrails id document pages table_format",
  "include_image_base64 image_limit image_min_size bbox_annotation_format",
  "document_annotation_format document_annotation_prompt extract_header extract_footer",
);

const anthropic = toSet(
  "model messages max_tokens system stream temperature top_p top_k stop_sequences tools tool_choice",
  "metadata thinking service_tier output_config output_format context_management betas cache_control",
  "inference_geo speed diagnostics user_profile_id workspace_id billing_policy compaction",
  "fallback_credit_token thread",
);

const ollama = toSet(
  "model messages prompt suffix images stream format options tools keep_alive think system template",
  "raw context input truncate dimensions logprobs top_logprobs shift",
);

/** Gemini's generateContent, countTokens, embedContent and batchEmbedContents, in both spellings of proto-JSON. */
const gemini = toSet(
  "model contents content tools toolConfig tool_config safetySettings safety_settings",
  "systemInstruction system_instruction generationConfig generation_config cachedContent",
  "cached_content labels store serviceTier service_tier generateContentRequest",
  "generate_content_request requests taskType task_type title outputDimensionality",
  "output_dimensionality",
);

const fields: Readonly<Record<Dialect, ReadonlySet<string>>> = {
  openai,
  azure: openai,
  anthropic,
  ollama,
  gemini,
};

/** The known fields of a dialect. */
export function knownFields(dialect: Dialect): ReadonlySet<string> {
  return fields[dialect];
}

/** What the parts of a form may be called beside that: uploads of audio and images. */
const formFields = toSet(
  "file language languages keywords timestamp_granularities chunking_strategy temperature",
  "known_speaker_names known_speaker_references",
);

const openaiForms: ReadonlySet<string> = new Set([...openai, ...formFields]);

/** The known parts of a form, without brackets: `image` stands for `image[]` too. */
export function knownFormFields(dialect: Dialect): ReadonlySet<string> {
  return dialect === "openai" || dialect === "azure" ? openaiForms : fields[dialect];
}
