// The names that a body's top level may hold on a router backend: the request types of the official SDKs and servers, and
// the sampling, template and structured-output parameters that honest clients send. None of them lets LiteLLM, OpenRouter,
// vLLM or another router run another model, host, account, adapter or prompt. Names that would are in fields.ts.

import type { Dialect } from "../denials.ts";

export type KnownFields = {
  readonly dialects: readonly Dialect[];
  /** Whose request types they are, with the version that was read. */
  readonly source: string;
  readonly names: readonly string[];
  /** Only as the part of a form. */
  readonly inForms?: true;
};

const openai = ["openai", "azure"] as const;

function known(
  dialects: readonly Dialect[],
  source: string,
  ...lines: readonly string[]
): KnownFields {
  return { dialects, source, names: lines.flatMap((line) => line.split(" ")) };
}

/** One list for each source. A name may stand in several. */
export const knownFieldLists: readonly KnownFields[] = [
  known(
    openai,
    "openai 3.57 (PyPI), 7.57 (npm)",
    "model messages stream stream_options temperature top_p n stop max_tokens max_completion_tokens",
    "presence_penalty frequency_penalty logit_bias logprobs top_logprobs user seed tools tool_choice",
    "parallel_tool_calls functions function_call response_format reasoning_effort metadata store",
    "service_tier modalities audio prediction verbosity web_search_options safety_identifier",
    "prompt_cache_key prompt_cache_options prompt_cache_retention moderation",
    "prompt suffix echo best_of",
    "input dimensions encoding_format instructions include previous_response_id conversation",
    "background background_options reasoning text truncation max_output_tokens max_tool_calls",
    "context_management access_programs personality container mcp_servers",
    "image mask markup size quality style output_format output_compression partial_images",
    "input_fidelity complexity frame_count frame_duration_ms svg voice speed stream_format",
  ),
  known(openai, "Codex", "client_metadata"),
  known(openai, "Azure OpenAI", "user_security_context"),
  known(
    openai,
    "vllm 0.33",
    "top_k min_p repetition_penalty length_penalty use_beam_search early_stopping stop_token_ids",
    "include_stop_str_in_output ignore_eos min_tokens skip_special_tokens bad_words",
    "spaces_between_special_tokens truncate_prompt_tokens truncation_side prompt_logprobs",
    "logprob_token_ids allowed_token_ids add_generation_prompt continue_final_message",
    "add_special_tokens chat_template chat_template_kwargs structured_outputs include_reasoning",
    "thinking_token_budget priority session_id return_tokens_as_token_ids return_token_ids",
    "return_token_offsets return_prompt_text repetition_detection stream_interval cache_salt",
    "guided_json guided_regex guided_choice guided_grammar guided_whitespace_pattern",
    "guided_decoding_backend structural_tag embed_dtype endianness use_activation padding",
    "max_tokens_per_query instruction",
  ),
  known(
    openai,
    "sglang 0.5.23",
    "regex ebnf json_schema stop_regex no_stop_trim separate_reasoning stream_reasoning",
  ),
  known(
    openai,
    "llama.cpp server (README of tools/server)",
    "n_predict n_keep n_probs min_keep cache_prompt samplers typical_p tfs_z top_n_sigma",
    "dynatemp_range dynatemp_exponent repeat_penalty repeat_last_n penalize_nl mirostat mirostat_tau",
    "mirostat_eta dry_multiplier dry_base dry_allowed_length dry_penalty_last_n",
    "dry_sequence_breakers xtc_probability xtc_threshold grammar t_max_predict_ms return_tokens",
    "post_sampling_probs timings_per_token return_progress parse_tool_calls thinking_forced_open",
    "reasoning_budget_tokens",
  ),
  known(openai, "Ollama, through openai paths", "keep_alive think"),
  known(
    openai,
    "openrouter 1.3.84",
    "top_a usage trace cache_control image_config deferred_tools stop_server_tools_when",
    "aspect_ratio resolution input_references input_audio keyterms",
  ),
  known(
    openai,
    "groq 1.7",
    "reasoning_format search_settings compound_custom citation_options disable_tool_validation",
    "documents include_domains exclude_domains sample_rate",
  ),
  known(
    openai,
    "together 3.1.1",
    "context_length_exceeded_behavior compliance safety_model steps width height guidance_scale",
    "negative_prompt image_url reference_images disable_safety_checker bit_rate language",
    "response_encoding",
  ),
  known(
    openai,
    "fireworks-ai 1.2.30",
    "echo_last mirostat_lr mirostat_target perf_metrics_in_response prompt_cache_isolation_key",
    "prompt_truncate_len raw_output reasoning_history safe_tokenization speculation thinking",
  ),
  known(
    openai,
    "mistralai 3.7",
    "random_seed safe_prompt prompt_mode id document pages table_format top_prompt_logprobs",
    "include_image_base64 image_limit image_min_size bbox_annotation_format include_blocks",
    "document_annotation_format document_annotation_prompt extract_header extract_footer",
    "confidence_scores_granularity output_dtype voice_id ref_audio",
  ),
  known(
    openai,
    "cohere 7.3.1",
    "safety_mode k p stop_sequences strict_tools raw_prompting texts images inputs input_type",
    "embedding_types output_dimension truncate query top_n max_tokens_per_doc return_documents",
    "rank_fields max_chunks_per_doc",
  ),
  known(
    openai,
    "perplexityai 0.46.1",
    "country disable_search enable_search_classifier image_domain_filter image_format_filter",
    "language_preference last_updated_after_filter last_updated_before_filter latitude longitude",
    "max_steps num_images num_search_results return_images return_related_questions safe_search",
    "search_after_date_filter search_before_date_filter search_domain_filter search_mode",
    "search_language_filter search_recency_filter stream_mode",
  ),
  known(
    openai,
    "xAI, DeepSeek, Qwen, GLM, MiniMax (API references)",
    "search_parameters enable_thinking thinking_budget enable_search search_options do_sample",
    "reasoning_split",
  ),
  known(openai, "Google, through openai paths", "safety_settings"),
  known(openai, "recorded clients", "verbose"),
  known(
    ["anthropic"],
    "anthropic 2.14 (PyPI), 1.12 (npm)",
    "model messages max_tokens system stream temperature top_p top_k stop_sequences tools",
    "tool_choice metadata thinking service_tier output_config output_format context_management betas",
    "cache_control inference_geo speed diagnostics user_profile_id compaction thread container",
    "mcp_servers fallback_credit_token",
  ),
  known(
    ["anthropic"],
    "openrouter 1.3.84, vllm 0.33, fireworks-ai 1.2.30",
    "session_id user trace deferred_tools stop_server_tools_when safeguards chat_template_kwargs",
    "cache_salt raw_output",
  ),
  known(["anthropic"], "Vertex AI and Bedrock (rawPredict)", "anthropic_version anthropic_beta"),
  known(["gemini"], "Vertex AI (predict)", "instances parameters"),
  known(
    ["ollama"],
    "Ollama (api/types.go), ollama 0.6.3",
    "model messages prompt suffix images stream format options tools keep_alive think system",
    "template raw context input truncate dimensions logprobs top_logprobs shift verbose width",
    "height steps",
  ),
  known(
    ["gemini"],
    "google-genai 3.6.1, in both spellings of proto-JSON",
    "model contents content tools toolConfig tool_config safetySettings safety_settings",
    "systemInstruction system_instruction generationConfig generation_config cachedContent",
    "cached_content labels store serviceTier service_tier generateContentRequest",
    "generate_content_request requests taskType task_type title outputDimensionality",
    "output_dimensionality autoTruncate auto_truncate embedContentConfig embed_content_config",
  ),
  {
    ...known(
      openai,
      "uploads: openai 3.57, groq 1.7, mistralai 3.7, together 3.1.1, openrouter 1.3.84, vllm 0.33",
      "file language languages keywords timestamp_granularities chunking_strategy",
      "known_speaker_names known_speaker_references url source_url file_url file_id diarize",
      "context_bias speaker_references min_speakers max_speakers hotwords to_language",
      "stream_include_usage stream_continuous_usage_stats",
    ),
    inForms: true,
  },
];

function namesOf(dialect: Dialect, withForms: boolean): ReadonlySet<string> {
  const lists = knownFieldLists.filter(({ dialects, inForms }) => {
    return dialects.includes(dialect) && (withForms || inForms !== true);
  });
  return new Set(lists.flatMap(({ names }) => names));
}

function byDialect(withForms: boolean): Readonly<Record<Dialect, ReadonlySet<string>>> {
  return {
    openai: namesOf("openai", withForms),
    azure: namesOf("azure", withForms),
    anthropic: namesOf("anthropic", withForms),
    ollama: namesOf("ollama", withForms),
    gemini: namesOf("gemini", withForms),
  };
}

const inBodies = byDialect(false);
const inForms = byDialect(true);

/** The known fields of a dialect. */
export function knownFields(dialect: Dialect): ReadonlySet<string> {
  return inBodies[dialect];
}

/** The known parts of a form, without brackets: `image` stands for `image[]` too. */
export function knownFormFields(dialect: Dialect): ReadonlySet<string> {
  return inForms[dialect];
}
