// The fields of a request body through which a caller reaches another model, host or tenant than the one authorized:
// one closed list, printed in the README (sources: llm-apis.md section 4).

/**
 * `refused`: never admitted. `router`: refused where a router backend serves a model that can run. `model`: names a model
 * that is checked and rewritten like the main one. `strict`: refused only for a Model with `strictFields`.
 */
export type FieldRule = "refused" | "router" | "model" | "strict";

/** Where the name stands. `metadata`, `parameters` and `compound_custom` are objects at the top level. */
export type FieldPlace = "top" | "metadata" | "parameters" | "compound_custom";

export type FieldRow = {
  /** Exact, or a family where it ends in "*". */
  readonly name: string;
  readonly place: FieldPlace;
  readonly rule: FieldRule;
};

const rows = (place: FieldPlace, rule: FieldRule, names: string): readonly FieldRow[] =>
  names.split(" ").map((name) => ({ name, place, rule }));

export const fieldRows: readonly FieldRow[] = [
  // OpenRouter: more models than the one named, or another way to choose among them.
  ...rows("top", "refused", "models"),
  ...rows("top", "router", "route preset plugins provider transforms"),
  // LiteLLM: fallbacks, routing and its own parameters.
  ...rows("top", "refused", "fallbacks context_window_fallbacks content_policy_fallbacks"),
  ...rows("top", "refused", "context_window_fallback_dict router_settings_override mock_response"),
  ...rows("top", "refused", "mock_testing_* model_list model_group target_model_names"),
  ...rows("top", "refused", "specific_deployment user_config litellm_params litellm_metadata"),
  ...rows("top", "refused", "litellm_embedding_config"),
  // Another host or another account.
  ...rows(
    "top",
    "refused",
    "api_base base_url api_key api_version custom_llm_provider organization",
  ),
  ...rows("top", "refused", "extra_headers extra_body headers aws_* vertex_* azure_ad_token"),
  ...rows("top", "refused", "deployment_id langfuse_*"),
  ...rows("metadata", "refused", "langfuse_*"),
  ...rows("parameters", "refused", "adapter_id"),
  ...rows("compound_custom", "refused", "models"),
  // A second spelling of the model.
  ...rows("top", "router", "model_id model_name engine agent agent_id"),
  ...rows("top", "model", "safety_model"),
  ...rows("top", "strict", "mcp_servers container"),
];

/** Folded to the letters that sloppy parsers compare: lower case, without "_" and "-". */
export function foldKey(key: string): string {
  return key.toLowerCase().replaceAll(/[_-]/g, "");
}

const exactRows = new Map(
  fieldRows
    .filter(({ name }) => !name.endsWith("*"))
    .map((row) => [`${row.place} ${row.name}`, row]),
);
const families = fieldRows.filter(({ name }) => name.endsWith("*"));

/** The row that `key` falls under in that place. */
export function fieldRowOf(place: FieldPlace, key: string): FieldRow | undefined {
  const exact = exactRows.get(`${place} ${key}`);
  if (exact !== undefined) return exact;
  return families.find((row) => row.place === place && key.startsWith(row.name.slice(0, -1)));
}

const foldedNames = new Map(
  [
    "model",
    ...fieldRows
      .filter(({ place, name }) => place === "top" && !name.endsWith("*"))
      .map(({ name }) => name),
  ].map((name) => [foldKey(name), name]),
);
const foldedFamilies = families
  .filter(({ place }) => place === "top")
  .map(({ name }) => ({ name, folded: foldKey(name.slice(0, -1)), prefix: name.slice(0, -1) }));

/** The field that a sloppy parser takes `key` for although it is spelled otherwise; undefined when there is none. */
export function misspelledField(key: string): string | undefined {
  const folded = foldKey(key);
  const name = foldedNames.get(folded);
  if (name !== undefined && name !== key) return name;
  const family = foldedFamilies.find(
    (each) => folded.startsWith(each.folded) && !key.startsWith(each.prefix),
  );
  return family?.name;
}
