// Where each backend's and each official client's request names stand in its package: one list, read by the harvest. What
// moved in a newer release is an error of the harvest, never an empty list.

export type Place = "top" | "metadata" | "form" | "header" | "tool";

/** One reading of some files: `names` is a pattern on the class, function, list or variable that holds the names. */
export type Rule = {
  readonly read: "classes" | "parameters" | "lists" | "lookups" | "setv" | "go" | "declarations";
  readonly files: readonly string[];
  readonly names: string;
  readonly place: Place;
};

export type Backend = {
  readonly backend: string;
  readonly registry: "pypi" | "npm" | "go";
  readonly package: string;
  readonly rules: readonly Rule[];
};

function rule(read: Rule["read"], place: Place, names: string, ...files: string[]): Rule {
  return { read, place, names, files };
}

const litellmCode = [
  "litellm/main.py",
  "litellm/router.py",
  "litellm/utils.py",
  "litellm/images/main.py",
  "litellm/responses/main.py",
  "litellm/router_utils/**/*.py",
  "litellm/router_strategy/**/*.py",
  "litellm/proxy/*.py",
  "litellm/proxy/auth/*.py",
  "litellm/proxy/hooks/*.py",
  "litellm/proxy/image_endpoints/*.py",
  "litellm/proxy/response_api_endpoints/*.py",
  "litellm/proxy/anthropic_endpoints/*.py",
  "litellm/proxy/google_endpoints/*.py",
  "litellm/integrations/custom_prompt_management.py",
  "litellm/integrations/dotprompt/*.py",
  "litellm/llms/custom_httpx/llm_http_handler.py",
];

const litellm: Backend = {
  backend: "litellm",
  registry: "pypi",
  package: "litellm",
  rules: [
    rule("lists", "top", "BANNED|_PARAMS$|_FIELDS|credential_keys", "litellm/proxy/auth/*.py"),
    rule(
      "classes",
      "top",
      "Options$|State$|Root$|LiteLLM_?Params",
      "litellm/types/litellm_params.py",
    ),
    rule("lists", "top", "KWARG|litellm_params", "litellm/types/*.py"),
    rule("classes", "top", "CallbackDynamicParams|CustomPricing", "litellm/types/utils.py"),
    rule("classes", "top", "LiteLLM_?Params|LiteLLMParams", "litellm/types/router.py"),
    rule("classes", "top", "ChatCompletionRequest|^ProxyChat", "litellm/proxy/_types.py"),
    rule(
      "parameters",
      "top",
      "^(a?completion|a?embedding|a?text_completion|a?responses|a?image_generation|a?image_edit)$",
      "litellm/main.py",
      "litellm/responses/main.py",
      "litellm/images/main.py",
    ),
    rule(
      "parameters",
      "top",
      "^(a?moderation|a?transcription|a?speech|a?rerank|anthropic_messages)$",
      "litellm/main.py",
      "litellm/rerank_api/main.py",
      "litellm/llms/anthropic/**/*.py",
    ),
    rule(
      "lookups",
      "top",
      "^_?(data|kwargs|body|request_body|request_data|request_kwargs|passed_params)$",
      ...litellmCode,
    ),
    rule("lookups", "metadata", "metadata$", ...litellmCode),
    rule("lookups", "header", "headers$", ...litellmCode),
    rule("classes", "header", "SpecialHeaders|HeaderNames", "litellm/proxy/_types.py"),
  ],
};

const stainless = (root: string, ...params: string[]): string[] =>
  params.map((name) => `${root}/types/${name}_params.py`);

export const backends: readonly Backend[] = [
  litellm,
  {
    backend: "vllm",
    registry: "pypi",
    package: "vllm",
    rules: [
      rule("classes", "top", "Request|Mixin", "vllm/entrypoints/**/*protocol.py"),
      rule("lookups", "header", "headers$", "vllm/entrypoints/**/*.py"),
      rule("lists", "header", "HEADER", "vllm/entrypoints/**/*.py"),
    ],
  },
  {
    backend: "sglang",
    registry: "pypi",
    package: "sglang",
    rules: [
      rule("classes", "top", "Request", "sglang/srt/entrypoints/**/protocol.py"),
      rule("classes", "top", "^(Generate|Embedding)ReqInput$", "sglang/srt/managers/io_struct.py"),
      rule("lookups", "header", "headers$", "sglang/srt/entrypoints/**/*.py"),
      rule("lists", "header", "(?i)header", "sglang/srt/entrypoints/**/*.py"),
    ],
  },
  {
    backend: "llama.cpp",
    registry: "pypi",
    package: "llama-cpp-python",
    rules: [rule("classes", "top", "Request|Base", "llama_cpp/server/types.py")],
  },
  {
    backend: "ollama",
    registry: "go",
    package: "github.com/ollama/ollama",
    rules: [
      rule("go", "top", "Request$|Options$|Runner$", "api/types.go"),
      rule("go", "top", "Request$", "openai/*.go", "anthropic/anthropic.go"),
    ],
  },
  {
    backend: "openrouter",
    registry: "pypi",
    package: "openrouter",
    rules: [
      rule(
        "classes",
        "top",
        "^(Chat|Responses|Messages|Embeddings|Rerank|Completions|Decisions|Images?)\\w*RequestTypedDict$",
        "openrouter/components/*request.py",
        "openrouter/operations/*.py",
      ),
      rule(
        "classes",
        "tool",
        "Tool\\w*(Config|Parameters)?TypedDict$",
        "openrouter/components/*tool*.py",
      ),
      rule("classes", "header", "GlobalsTypedDict|Globals$", "openrouter/models/internal/*.py"),
    ],
  },
  {
    backend: "openai",
    registry: "pypi",
    package: "openai",
    rules: [
      rule(
        "classes",
        "top",
        "Params",
        ...stainless(
          "openai",
          "chat/completion_create",
          "completion_create",
          "embedding_create",
          "responses/response_create",
          "responses/input_token_count",
          "responses/response_compact",
          "moderation_create",
          "image_generate",
          "audio/speech_create",
        ),
      ),
      rule(
        "classes",
        "form",
        "Params",
        ...stainless(
          "openai",
          "image_edit",
          "image_create_variation",
          "audio/transcription_create",
          "audio/translation_create",
        ),
      ),
      rule("classes", "tool", "", "openai/types/responses/*tool_param.py"),
      rule("lists", "header", "^headers?$", "openai/_client.py"),
    ],
  },
  {
    backend: "anthropic",
    registry: "pypi",
    package: "anthropic",
    rules: [
      rule(
        "classes",
        "top",
        "Params",
        ...stainless(
          "anthropic",
          "message_create",
          "message_count_tokens",
          "beta/message_create",
          "beta/message_count_tokens",
        ),
      ),
      rule("classes", "tool", "", "anthropic/types/**/*tool*param.py"),
    ],
  },
  {
    backend: "google-genai",
    registry: "pypi",
    package: "google-genai",
    rules: [
      rule(
        "setv",
        "top",
        "^_(GenerateContent|EmbedContent|CountTokens)(Parameters\\w*\\.to|\\w+\\.parent)_object$",
        "google/genai/models.py",
      ),
      rule(
        "classes",
        "tool",
        "^(Tool|ToolConfig|VertexRag\\w*|Rag\\w*)Dict$",
        "google/genai/types.py",
      ),
    ],
  },
  {
    backend: "mistral",
    registry: "pypi",
    package: "mistralai",
    rules: [
      rule(
        "classes",
        "top",
        "RequestTypedDict$",
        ...[
          "chat",
          "fim",
          "embedding",
          "ocr",
          "moderation",
          "classification",
          "speech",
          "agents",
        ].map((name) => `mistralai/client/models/*${name}*request*.py`),
      ),
      rule(
        "classes",
        "form",
        "RequestTypedDict$",
        "mistralai/client/models/audiotranscription*request*.py",
      ),
    ],
  },
  {
    backend: "cohere",
    registry: "pypi",
    package: "cohere",
    rules: [
      rule(
        "parameters",
        "top",
        "^(chat|chat_stream|embed|rerank|generate|classify)$",
        "cohere/v2/raw_client.py",
        "cohere/raw_base_client.py",
        "cohere/base_client.py",
      ),
    ],
  },
  {
    backend: "groq",
    registry: "pypi",
    package: "groq",
    rules: [
      rule(
        "classes",
        "top",
        "Params",
        ...stainless("groq", "chat/completion_create", "embedding_create", "audio/speech_create"),
      ),
      rule(
        "classes",
        "form",
        "Params",
        ...stainless("groq", "audio/transcription_create", "audio/translation_create"),
      ),
    ],
  },
  {
    backend: "together",
    registry: "pypi",
    package: "together",
    rules: [
      rule(
        "classes",
        "top",
        "Params",
        ...stainless("together", "chat/completion_create", "completion_create", "embedding_create"),
        "together/types/*rerank*params.py",
        "together/types/*image*params.py",
      ),
      rule("classes", "form", "Params", "together/types/audio/trans*params.py"),
    ],
  },
  {
    backend: "openai (npm)",
    registry: "npm",
    package: "openai",
    rules: [
      rule(
        "declarations",
        "top",
        "CreateParamsBase$|CreateParams$|GenerateParamsBase$",
        "resources/chat/completions/completions.d.ts",
        "resources/completions.d.ts",
        "resources/embeddings.d.ts",
        "resources/responses/responses.d.ts",
        "resources/moderations.d.ts",
      ),
    ],
  },
  {
    backend: "anthropic (npm)",
    registry: "npm",
    package: "@anthropic-ai/sdk",
    rules: [
      rule(
        "declarations",
        "top",
        "CreateParamsBase$|CountTokensParams$",
        "resources/messages/messages.d.ts",
        "resources/beta/messages/messages.d.ts",
      ),
    ],
  },
  {
    backend: "openrouter (npm)",
    registry: "npm",
    package: "@openrouter/sdk",
    rules: [
      rule(
        "declarations",
        "top",
        "^(Chat|Responses|Messages)Request\\$Outbound$",
        "**/models/chatrequest.d.ts",
        "**/models/responsesrequest.d.ts",
        "**/models/messagesrequest.d.ts",
      ),
    ],
  },
];
