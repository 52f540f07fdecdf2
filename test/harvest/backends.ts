// Where each backend's and each official client's request names stand in its package: one list, read by the harvest. What
// moved in a newer release is an error of the harvest, never an empty list.

import { clients } from "./clients.ts";
import { type Backend, rule } from "./rules.ts";

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

/** What runs or routes models. */
const servers: readonly Backend[] = [
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
];

/** In the order of the snapshot. */
export const backends: readonly Backend[] = [...servers, ...clients];
