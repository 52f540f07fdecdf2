// The fields of a request body through which a caller reaches another model, host or tenant than the one authorized: one
// closed list, printed in the README. Only the places named here are ever looked at (sources: llm-apis.md section 4).

import type { Dialect } from "../denials.ts";

/**
 * `refused`: never admitted. `router`: refused where a router backend serves a model that can run. `model`: names a model
 * that is checked and rewritten like the main one. `same`: must be the main model and is rewritten with it. `strict`:
 * refused only for a Model with `strictFields`.
 */
export type FieldRule = "refused" | "router" | "model" | "same" | "strict";

export type FieldRow = {
  /** Exact; a family of names where it ends in `*`; with `=word`, only where the value is the string `word`. */
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
const routing = "makes a router choose another model or provider";
const fallback = "names models that run when the requested one fails";
const mock = "answers without a model, or as if one had failed";
const passedOn = "is passed on to the backend as further fields or headers";
const host = "sends the request to another host or under another account";
const copied = "sends a copy of the request elsewhere";
const adapter = "runs an adapter of the model";
const secondSpelling = "is a second spelling of the model";
const hosted = "names the model of a hosted tool or step";
const spelledAgain = "names the model of the path once more";
const reached = "lets the backend reach a server that the caller names";

/** Vertex AI's model routing, in both spellings of proto-JSON. */
function geminiRouting(place: string): FieldRow[] {
  const names = "routingConfig routing_config modelSelectionConfig model_selection_config";
  return rows("refused", routing, `${names} modelConfig model_config`, {
    place,
    dialect: "gemini",
  });
}

/** A field whose value is null reaches nothing and is admitted. */
export const fieldRows: readonly FieldRow[] = [
  ...rows("refused", otherModels, "models"),
  ...rows("router", routing, "route preset plugins provider transforms"),
  ...rows("refused", fallback, "fallbacks context_window_fallbacks content_policy_fallbacks"),
  ...rows("refused", fallback, "context_window_fallback_dict"),
  ...rows("refused", routing, "router_settings_override"),
  ...rows("refused", mock, "mock_response mock_testing_*"),
  ...rows("refused", routing, "model_list model_group target_model_names specific_deployment"),
  ...rows("refused", host, "user_config"),
  ...rows("refused", passedOn, "litellm_params litellm_metadata litellm_embedding_config"),
  ...rows(
    "refused",
    host,
    "api_base base_url api_key api_version custom_llm_provider organization",
  ),
  ...rows("refused", passedOn, "extra_headers extra_body headers"),
  ...rows("refused", host, "aws_* vertex_* azure_ad_token deployment_id"),
  ...rows("refused", copied, "langfuse_*"),
  ...rows("refused", copied, "langfuse_*", { place: "metadata" }),
  ...rows("refused", adapter, "adapter_id lora lora_path"),
  ...rows("refused", adapter, "adapter_id", { place: "parameters" }),
  // LM Studio runs a draft model beside the main one; Azure's data sources name servers and an embedding deployment.
  ...rows("refused", otherModels, "draft_model"),
  ...rows("refused", reached, "data_sources kv_transfer_params"),
  ...rows("refused", otherModels, "models", { place: "compound_custom" }),
  ...rows("router", secondSpelling, "model_id model_name engine agent agent_id"),
  ...rows("refused", secondSpelling, "name", { dialect: "ollama" }),
  ...rows("model", hosted, "safety_model"),
  ...rows("model", hosted, "model", { place: "moderation" }),
  ...rows("model", hosted, "model", { place: "svg" }),
  ...rows("model", hosted, "model", { place: "tools[]" }),
  ...rows("model", hosted, "model", { place: "tools[].svg" }),
  // Items of the Responses API that bring tools with them: `additional_tools`, `tool_search_output`.
  ...rows("model", hosted, "model", { place: "input[].tools[]" }),
  ...rows("model", hosted, "model", { place: "input[].tools[].svg" }),
  ...rows("same", spelledAgain, "model", { place: "requests[]", dialect: "gemini" }),
  ...rows("same", spelledAgain, "model", { place: "generateContentRequest", dialect: "gemini" }),
  ...rows("same", spelledAgain, "model", { place: "generate_content_request", dialect: "gemini" }),
  ...geminiRouting("generationConfig"),
  ...geminiRouting("generation_config"),
  ...geminiRouting("generateContentRequest.generationConfig"),
  ...geminiRouting("generateContentRequest.generation_config"),
  ...geminiRouting("generate_content_request.generationConfig"),
  ...geminiRouting("generate_content_request.generation_config"),
  ...rows("strict", reached, "mcp_servers container"),
  ...rows("strict", reached, "type=mcp", { place: "tools[]" }),
  ...rows("strict", reached, "type=mcp", { place: "input[].tools[]" }),
];

/** How settings and refusals name the field: `api_base`, `metadata.langfuse_*`, `tools[].model`. */
export function fieldPath({ name, place }: FieldRow): string {
  return place === "top" ? name : `${place}.${name}`;
}

/** One place that may hold listed fields: an object with its members, an array with its elements. */
export type FieldNode = {
  readonly members: readonly FieldMember[];
  readonly families: readonly FieldFamily[];
  readonly elements: FieldNode | undefined;
};

export type FieldMember = {
  readonly key: string;
  readonly folded: string;
  /** From the top, for refusals: `tools[].model`. */
  readonly path: string;
  /** Whether another spelling is refused: not where nothing but a sloppy parser's strictness depends on it. */
  readonly isGuarded: boolean;
  readonly rules: readonly FieldValueRule[];
  readonly node: FieldNode | undefined;
};

/** `value`: the string that the rule is for; undefined: whatever stands there. */
export type FieldValueRule = { readonly row: FieldRow; readonly value: string | undefined };
export type FieldFamily = {
  readonly prefix: string;
  readonly folded: string;
  readonly row: FieldRow;
};

/** Folded to what sloppy parsers compare: lower case, without "_" and "-". Go also takes U+017F for s, U+212A for k. */
export function foldKey(key: string): string {
  return key.replaceAll(/[_-]/g, "").toLowerCase().replaceAll("\u017f", "s");
}

/** The fields of the top level and what is nested in them, for one dialect. */
export type FieldTable = {
  readonly member: (key: string) => FieldMember | undefined;
  readonly family: (key: string) => FieldFamily | undefined;
  /** The name that a sloppy parser takes `key` for although it is spelled otherwise; undefined when there is none. */
  readonly misspelled: (key: string) => string | undefined;
};

/** Places that are read by Python or Rust alone, which compare keys as they stand; honest metadata has any names. */
const unguardedPlaces: ReadonlySet<string> = new Set(["metadata", "parameters"]);

function toFieldTable(dialect: Dialect): FieldTable {
  const split = fieldRows
    .filter((row) => row.dialect === undefined || row.dialect === dialect)
    .map((row) => ({ row, rest: fieldPath(row) }));
  const top = toNode(split, "");
  const members = new Map(top.members.map((member) => [member.key, member]));
  const guarded = top.members.filter(({ key }) => !unguardedPlaces.has(key));
  const folded = new Map<string, string>(guarded.map((each) => [each.folded, each.path]));
  folded.set("model", "model");
  return {
    member: (key) => members.get(key),
    family: (key) => top.families.find(({ prefix }) => key.startsWith(prefix)),
    misspelled: (key) => {
      // Proto-JSON takes two spellings of one name: both are listed.
      if (members.has(key)) return undefined;
      const text = foldKey(key);
      const exact = folded.get(text);
      if (exact !== undefined) return exact === key ? undefined : exact;
      const family = top.families.find((each) => text.startsWith(each.folded));
      return family === undefined || key.startsWith(family.prefix)
        ? undefined
        : fieldPath(family.row);
    },
  };
}

type Unplaced = { readonly row: FieldRow; readonly rest: string };

/** Builds one place out of the rows that stand in or below it, each with what is left of its name. */
function toNode(unplaced: readonly Unplaced[], path: string): FieldNode {
  const byKey = new Map<string, Unplaced[]>();
  const families: FieldFamily[] = [];
  const elements: Unplaced[] = [];
  for (const { row, rest } of unplaced) {
    if (rest.startsWith("[]")) {
      elements.push({ row, rest: rest.slice(rest[2] === "." ? 3 : 2) });
      continue;
    }
    const key = /^[^.[=]+/.exec(rest)?.[0] ?? rest;
    if (key.endsWith("*")) {
      const prefix = key.slice(0, -1);
      families.push({ prefix, folded: foldKey(prefix), row });
      continue;
    }
    const left = rest.slice(key.length);
    const others = byKey.get(key) ?? [];
    byKey.set(key, [...others, { row, rest: left.startsWith(".") ? left.slice(1) : left }]);
  }
  const prefix = path === "" ? "" : `${path}.`;
  const members = [...byKey].map(([key, all]) => toMember(key, all, prefix + key));
  const below = elements.length === 0 ? undefined : toNode(elements, `${path}[]`);
  return { members, families, elements: below };
}

function toMember(key: string, all: readonly Unplaced[], path: string): FieldMember {
  const isHere = ({ rest }: Unplaced): boolean => rest === "" || rest.startsWith("=");
  const rules = all.filter(isHere).map(({ row, rest }) => ({
    row,
    value: rest === "" ? undefined : rest.slice(1),
  }));
  const below = all.filter((each) => !isHere(each));
  return {
    key,
    folded: foldKey(key),
    path,
    isGuarded: all.some(({ row }) => row.rule !== "strict"),
    rules,
    node: below.length === 0 ? undefined : toNode(below, path),
  };
}

const tables: Readonly<Record<Dialect, FieldTable>> = {
  openai: toFieldTable("openai"),
  anthropic: toFieldTable("anthropic"),
  gemini: toFieldTable("gemini"),
  azure: toFieldTable("azure"),
  ollama: toFieldTable("ollama"),
};

export function fieldTableOf(dialect: Dialect): FieldTable {
  return tables[dialect];
}
