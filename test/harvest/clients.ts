// Where the request names of the official clients stand in their packages.

import { type Backend, rule } from "./rules.ts";

const stainless = (root: string, ...params: string[]): string[] =>
  params.map((name) => `${root}/types/${name}_params.py`);

export const clients: readonly Backend[] = [
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
