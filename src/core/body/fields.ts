// The places of a request body through which a caller could reach another model, host or account than the one authorized:
// one closed list, printed in docs/reference. What stands neither here nor in known-fields.ts is unknown.

import type { Dialect } from "../denials.ts";

/**
 * `refused`: never admitted, unless an operator names it. `router`: refused where a router backend serves a model that can
 * run. `model`: names a model that is checked and rewritten like the main one. `same`: must be the main model and is
 * rewritten with it. `tools`: an array of tools; in each that is no function or custom tool every string that names a
 * model is checked and rewritten, at any depth. `config`: an object that is looked through in the same way. `metadata`:
 * free keys but those listed, as an object or as JSON text.
 */
export type FieldRule = "refused" | "router" | "model" | "same" | "tools" | "config" | "metadata";

export type FieldRow = {
  /** Exact; a family of names where it ends in `*`. */
  readonly name: string;
  /** `top`, or the way from there: `a` is an object in `a`, `a[]` each element of an array. */
  readonly place: string;
  readonly rule: FieldRule;
  /** Only in this dialect; undefined: in all. */
  readonly dialect: Dialect | undefined;
  readonly reason: string;
};

function rows(
  rule: FieldRule,
  reason: string,
  names: string,
  where: { readonly place?: string; readonly dialect?: Dialect } = {},
): FieldRow[] {
  const { place = "top", dialect } = where;
  return names.split(" ").map((name) => ({ name, place, rule, dialect, reason }));
}

const otherModels = "names models that run instead of or beside the requested one";
const routing = "makes a router choose another model, provider or deployment";
const fallback = "names models that run when the requested one fails";
const failing = "makes the requested model fail, so that the router's fallback runs";
const mock = "answers without a model, or as if one had failed";
const passedOn = "is passed on to the backend as further fields or headers";
const host = "sends the request to another host or under another account";
const copied = "sends a copy of the request elsewhere";
const adapter = "runs an adapter of the model";
const secondSpelling = "is a second spelling of the model";
const hosted = "names the model of a hosted tool or step";
const hostedTools = "hosted tools run models of their own";
const spelledAgain = "names the model of the path once more";
const reached = "lets the backend reach a server that the caller names";
const prompt = "names a stored prompt, whose own model replaces the requested one";
const rules = "chooses the router's own checks, which can send the request to another model";
const code = "runs code of the caller's in the backend";
const internal = "is a router's own state";

/** Prefixes of the names by which LiteLLM's callbacks take hosts and credentials (types/utils.py, 1.110.2). */
const callbacks = [
  "langfuse_* langsmith_* gcs_* arize_* posthog_* humanloop_* wandb_* weave_* dd_* newrelic_*",
  "signoz_* slack_* braintrust_* s3_*",
].join(" ");

/** Vertex AI's model routing, in both spellings of proto-JSON. */
function geminiRouting(place: string): FieldRow[] {
  const names = "routingConfig routing_config modelSelectionConfig model_selection_config";
  return rows("refused", routing, `${names} modelConfig model_config`, {
    place,
    dialect: "gemini",
  });
}

const inMetadata = { place: "metadata" } as const;
/** The members of generateContentRequest, by Google's two spellings of it. */
const wrapped = ["generateContentRequest", "generate_content_request"] as const;

export const fieldRows: readonly FieldRow[] = [
  ...rows("refused", otherModels, "models"),
  ...rows("router", routing, "route preset plugins provider transforms"),
  ...rows("refused", fallback, "fallbacks context_window_fallbacks content_policy_fallbacks"),
  ...rows("refused", fallback, "context_window_fallback_dict"),
  ...rows("router", failing, "timeout request_timeout stream_timeout force_timeout"),
  ...rows("refused", routing, "router_settings_override"),
  ...rows("refused", mock, "mock_*"),
  ...rows("refused", prompt, "prompt_id prompt_version prompt_label prompt_environment"),
  ...rows("refused", prompt, "prompt_variables prompt_integration"),
  ...rows("refused", routing, "model_list model_group target_model_names specific_deployment"),
  ...rows("refused", routing, "tags"),
  ...rows("router", rules, "guardrails policies guardrail_config"),
  ...rows("refused", host, "user_config litellm_credential_name"),
  ...rows("refused", passedOn, "litellm_params litellm_metadata litellm_embedding_config"),
  ...rows("refused", internal, "litellm_* user_api_key user_api_key_*"),
  ...rows(
    "refused",
    host,
    "api_base base_url api_key api_version custom_llm_provider organization",
  ),
  ...rows("refused", passedOn, "extra_headers extra_body headers provider_specific_header"),
  ...rows("refused", host, "aws_* vertex_* azure_* sagemaker_* bedrock_* deployment_id"),
  ...rows("refused", host, "deployment_url nvcf_function_id region_name tenant_id client_id"),
  ...rows("refused", host, "client_secret github_copilot_* user_provider_credentials"),
  ...rows("refused", host, "anthropic_* openai_* workspace_id billing_policy"),
  ...rows("refused", copied, callbacks),
  ...rows("refused", adapter, "adapter_id lora lora_* image_loras"),
  ...rows("refused", adapter, "adapter_id", { place: "parameters" }),
  // LM Studio runs a draft model beside the main one; Azure's data sources name servers and an embedding deployment.
  ...rows("refused", otherModels, "draft_model silent_model ranking_model"),
  ...rows("refused", reached, "data_sources kv_transfer_params ec_transfer_params bootstrap_*"),
  ...rows("refused", code, "custom_logit_processor logits_processors"),
  ...rows("refused", otherModels, "models", { place: "compound_custom" }),
  ...rows("router", secondSpelling, "model_id model_name engine agent agent_id"),
  ...rows("refused", secondSpelling, "name", { dialect: "ollama" }),
  ...rows("model", hosted, "safety_model"),
  ...rows("tools", hostedTools, "tools deferred_tools"),
  // Items of the Responses API that bring tools with them: `additional_tools`, `tool_search_output`.
  ...rows("tools", hostedTools, "tools", { place: "input[]" }),
  ...rows("tools", hostedTools, "tools", { place: "messages[]" }),
  ...rows("tools", hostedTools, "tools", { place: "requests[]", dialect: "gemini" }),
  ...wrapped.flatMap((place) => rows("tools", hostedTools, "tools", { place, dialect: "gemini" })),
  ...rows("config", hosted, "moderation svg web_search_options search_settings image_config"),
  ...rows("config", hosted, "context_management reasoning thinking tool_choice"),
  ...rows("config", hosted, "search_parameters search_options parameters"),
  ...rows("config", hosted, "options", { dialect: "ollama" }),
  ...rows("config", hosted, "toolConfig tool_config", { dialect: "gemini" }),
  ...rows("same", spelledAgain, "model", { place: "requests[]", dialect: "gemini" }),
  ...wrapped.flatMap((place) => rows("same", spelledAgain, "model", { place, dialect: "gemini" })),
  ...["", ...wrapped.map((each) => `${each}.`)].flatMap((before) => [
    ...geminiRouting(`${before}generationConfig`),
    ...geminiRouting(`${before}generation_config`),
  ]),
  ...rows("metadata", "routers read it too", "metadata"),
  ...rows("refused", copied, callbacks, inMetadata),
  ...rows("router", routing, "tags model_group model_info deployment deployment_id", inMetadata),
  ...rows("router", routing, "specific_deployment silent_model tag_routing", inMetadata),
  ...rows("router", routing, "enable_tag_filtering caching_groups", inMetadata),
  ...rows("router", rules, "guardrails policies guardrail_config", inMetadata),
  ...rows("router", rules, "disable_global_guardrails opted_out_global_guardrails", inMetadata),
  ...rows("router", rules, "applied_guardrails applied_policies enforced_params", inMetadata),
  ...rows("router", prompt, "prompt_id prompt_version prompt_label", inMetadata),
  ...rows("router", prompt, "prompt_environment prompt_variables prompt_integration", inMetadata),
  ...rows("router", passedOn, "headers extra_headers requester_custom_headers", inMetadata),
  ...rows("router", host, "api_key base_url aws_* vertex_* azure_* sagemaker_*", inMetadata),
  ...rows("router", copied, "logging callbacks callback_settings", inMetadata),
  ...rows("router", internal, "user_api_key user_api_key_* litellm_* hidden_params", inMetadata),
  ...rows("router", internal, "proxy_server_request requester_metadata secret_fields", inMetadata),
  ...rows("router", internal, "routing_decision is_silent_experiment previous_models", inMetadata),
  ...rows("router", internal, "disable_fallbacks fallback_depth mock_*", inMetadata),
  ...rows(
    "router",
    internal,
    "sensitive_data_routing_* autorouter_* adaptive_router_*",
    inMetadata,
  ),
  ...rows("router", internal, "quality_router_* complexity_router_*", inMetadata),
];

/** How settings and refusals name the field: `api_base`, `metadata.langfuse_*`. */
export function fieldPath({ name, place }: Pick<FieldRow, "name" | "place">): string {
  return place === "top" ? name : `${place}.${name}`;
}

/**
 * Listed names of which null is what absence is, to every router that reads them (OpenRouter's types: nullable). Any
 * other unknown or refused name counts on a router even as null: LiteLLM lays the body over the parameters of the
 * deployment, so that `"api_base": null` takes the deployment's own away (router.py, `**litellm_params, **kwargs`).
 */
export const absentWhenNull: ReadonlySet<string> = new Set(
  "models route preset plugins provider transforms name".split(" "),
);
