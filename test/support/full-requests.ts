// Requests with about everything that the official types allow, `model` among the caller's own names where honest callers
// have it (metadata, schemas, arguments): none of it may be refused or changed.

/** Schemas and metadata of callers who write about models. */
const schema = {
  type: "object",
  properties: { model: { type: "string" }, models: { type: "array", items: { type: "string" } } },
  required: ["model", "models"],
  additionalProperties: false,
} as const;
const metadata = { model: "x", models: "y", fallbacks: "z", api_base: "w" };
const pixel = "data:image/png;base64,iVBORw0KGgo=";
const args = JSON.stringify({ model: "x", fallbacks: ["y"] });

export const fullChat = {
  messages: [
    { role: "developer", content: "d" },
    { role: "system", content: "s", name: "n" },
    {
      role: "user",
      content: [
        { type: "text", text: '"model": "x"' },
        { type: "image_url", image_url: { url: pixel, detail: "low" } },
        { type: "input_audio", input_audio: { data: "AAAA", format: "wav" } },
        { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AA" } },
      ],
    },
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "a", type: "function", function: { name: "f", arguments: args } }],
    },
    { role: "tool", tool_call_id: "a", content: args },
  ],
  tools: [{ type: "function", function: { name: "f", strict: true, parameters: schema } }],
  tool_choice: "auto",
  parallel_tool_calls: true,
  response_format: { type: "json_schema", json_schema: { name: "s", strict: true, schema } },
  logprobs: true,
  top_logprobs: 2,
  logit_bias: { "50256": -100 },
  n: 1,
  stop: ["a"],
  seed: 1,
  temperature: 0.5,
  top_p: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  max_completion_tokens: 5,
  user: "u",
  store: true,
  metadata,
  service_tier: "auto",
  reasoning_effort: "low",
  modalities: ["text", "audio"],
  audio: { voice: "alloy", format: "wav" },
  prediction: { type: "content", content: "x" },
  web_search_options: { search_context_size: "low" },
  prompt_cache_key: "k",
  safety_identifier: "s",
  verbosity: "low",
} as const;

export const fullResponse = {
  input: [
    {
      role: "user",
      content: [
        { type: "input_text", text: '"model": "x"' },
        { type: "input_image", image_url: pixel, detail: "auto" },
        { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,AA" },
      ],
    },
    { type: "function_call", call_id: "c", name: "f", arguments: args },
    { type: "function_call_output", call_id: "c", output: args },
  ],
  tools: [
    { type: "web_search" },
    { type: "file_search", vector_store_ids: ["vs"] },
    { type: "code_interpreter", container: { type: "auto" } },
    { type: "image_generation", size: "auto" },
    {
      type: "mcp",
      server_label: "x",
      server_url: "https://mcp.invalid",
      require_approval: "never",
    },
    { type: "function", name: "f", parameters: schema, strict: true },
    { type: "custom", name: "c", format: { type: "text" } },
  ],
  instructions: "x",
  include: ["reasoning.encrypted_content"],
  reasoning: { effort: "low", summary: "auto" },
  text: { format: { type: "json_schema", name: "x", schema }, verbosity: "low" },
  previous_response_id: "resp_x",
  prompt: { id: "pmpt_x", version: "1", variables: { model: "x" } },
  metadata,
  store: false,
  background: false,
  truncation: "auto",
  max_output_tokens: 5,
  max_tool_calls: 1,
  parallel_tool_calls: true,
  prompt_cache_key: "k",
  safety_identifier: "s",
  service_tier: "auto",
  top_logprobs: 1,
  temperature: 1,
  top_p: 1,
} as const;

/** The form's own fields, nested and repeated ones among them. */
export const fullTranscription = {
  chunking_strategy: { type: "server_vad", threshold: 0.5, silence_duration_ms: 100 },
  known_speaker_names: ["a", "b"],
  known_speaker_references: ["data:audio/wav;base64,AA", "data:audio/wav;base64,AB"],
  response_format: "diarized_json",
  include: ["logprobs"],
  timestamp_granularities: ["word", "segment"],
  language: "de",
  prompt: 'Grüße\nname="model"\n\nx',
  temperature: 0,
} as const;

export const fullImageEdit = {
  prompt: 'name="model"',
  n: 2,
  size: "auto",
  quality: "high",
  background: "transparent",
  input_fidelity: "high",
  output_format: "webp",
  output_compression: 50,
  partial_images: 0,
  user: "u",
} as const;

export const fullMessage = {
  max_tokens: 10,
  system: [{ type: "text", text: "s", cache_control: { type: "ephemeral" } }],
  messages: [
    {
      role: "user",
      content: [
        { type: "text", text: '"model": "x"' },
        {
          type: "image",
          source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" },
        },
        { type: "document", source: { type: "text", media_type: "text/plain", data: "x" } },
      ],
    },
    { role: "assistant", content: [{ type: "tool_use", id: "t", name: "f", input: metadata }] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: args }] },
  ],
  tools: [
    { name: "f", input_schema: schema, cache_control: { type: "ephemeral" } },
    { type: "web_search_20250305", name: "web_search", max_uses: 1 },
  ],
  tool_choice: { type: "auto", disable_parallel_tool_use: true },
  metadata: { user_id: "u" },
  service_tier: "auto",
  stop_sequences: ["a"],
  temperature: 1,
  thinking: { type: "enabled", budget_tokens: 1024 },
} as const;

export const fullOllamaChat = {
  messages: [
    { role: "user", content: "x", images: ["iVBORw0KGgo="] },
    {
      role: "assistant",
      content: "",
      tool_calls: [{ function: { name: "f", arguments: metadata } }],
    },
    { role: "tool", content: args, tool_name: "f" },
  ],
  tools: [{ type: "function", function: { name: "f", description: "d", parameters: schema } }],
  options: { num_ctx: 100, temperature: 0, stop: ["a"] },
  format: schema,
  keep_alive: "5m",
  think: "low",
  logprobs: true,
  top_logprobs: 2,
} as const;

export const fullGemini = {
  contents: [
    {
      role: "user",
      parts: [
        { text: '"model": "x"' },
        { inlineData: { mimeType: "image/png", data: "iVBORw0KGgo=" } },
        { fileData: { fileUri: "gs://bucket/a.png", mimeType: "image/png" } },
      ],
    },
    { role: "model", parts: [{ functionCall: { name: "f", args: metadata } }] },
    { role: "user", parts: [{ functionResponse: { name: "f", response: { output: args } } }] },
  ],
  config: {
    systemInstruction: "s",
    temperature: 0,
    topP: 1,
    topK: 1,
    candidateCount: 1,
    maxOutputTokens: 5,
    stopSequences: ["a"],
    responseLogprobs: true,
    logprobs: 1,
    seed: 1,
    responseMimeType: "application/json",
    responseSchema: { type: "OBJECT", properties: { model: { type: "STRING" } } },
    safetySettings: [{ category: "HARM_CATEGORY_HATE_SPEECH", threshold: "BLOCK_NONE" }],
    tools: [
      {
        functionDeclarations: [
          { name: "f", parameters: { type: "OBJECT", properties: { model: { type: "STRING" } } } },
        ],
      },
      { googleSearch: {} },
      { codeExecution: {} },
      { urlContext: {} },
    ],
    toolConfig: { functionCallingConfig: { mode: "AUTO" } },
    cachedContent: "cachedContents/x",
    responseModalities: ["TEXT"],
    mediaResolution: "MEDIA_RESOLUTION_LOW",
    speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: "Kore" } } },
    thinkingConfig: { includeThoughts: true, thinkingBudget: 0 },
  },
} as const;
