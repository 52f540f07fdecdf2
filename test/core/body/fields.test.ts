// The table of fields by itself: closed, without contradictions, and never in the way of an honest field.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  fieldClass,
  fieldTableOf,
  foldKey,
  isBodyField,
  isRefusableField,
} from "../../../src/core/body/field-table.ts";
import { fieldPath, fieldRows } from "../../../src/core/body/fields.ts";
import {
  knownFieldLists,
  knownFields,
  knownFormFields,
} from "../../../src/core/body/known-fields.ts";
import type { Dialect } from "../../../src/core/denials.ts";

const dialects: readonly Dialect[] = ["openai", "anthropic", "gemini", "azure", "ollama"];

/** Top-level fields of servers and routers beyond the official schemas: none may be taken for a misspelling. */
const servedElsewhere =
  "top_k min_p repetition_penalty length_penalty min_tokens stop_token_ids include_stop_str_in_output ignore_eos " +
  "skip_special_tokens spaces_between_special_tokens truncate_prompt_tokens prompt_logprobs add_generation_prompt " +
  "continue_final_message add_special_tokens documents chat_template chat_template_kwargs mm_processor_kwargs " +
  "guided_json guided_regex guided_choice guided_grammar structured_outputs guided_decoding_backend priority " +
  "request_id logits_processors return_tokens_as_token_ids cache_salt kv_transfer_params vllm_xargs bad_words " +
  "allowed_token_ids use_beam_search best_of n_predict cache_prompt id_slot slot_id mirostat mirostat_tau " +
  "mirostat_eta grammar json_schema samplers n_probs n_keep typical_p tfs_z dynatemp_range xtc_probability " +
  "dry_multiplier penalize_nl repeat_last_n repeat_penalty timings_per_token lora reasoning include_reasoning " +
  "usage web_search_options session_id user trace verbosity prediction debug search_parameters deferred " +
  "return_images return_related_questions search_domain_filter search_recency_filter search_mode citations " +
  "safe_mode random_seed safe_prompt prompt_mode prefix suffix enable_thinking thinking_budget thinking " +
  "anthropic_version anthropic_beta system tools_choice modalities data_sources enhancements input_type " +
  "output_dtype output_dimension encoding_format dimensions task late_chunking normalized embedding_type " +
  "truncation return_documents top_n query texts images inputs raw raw_scores safety_settings ttl draft_model " +
  "compound_custom disable_tool_validation reasoning_format citation_options service_tier exclude_domains " +
  "guardrails tags cache num_retries timeout request_timeout drop_params caching no-log stream_options seed logprobs";

test("fieldRows names each place once per dialect, each with a reason", () => {
  const places = fieldRows.map((row) => `${fieldPath(row)} ${row.dialect ?? ""}`);
  assert.equal(new Set(places).size, places.length);
  for (const row of fieldRows) {
    assert.match(row.name, /^[A-Za-z_][A-Za-z0-9_]*\*?$/);
    assert.match(row.place, /^[A-Za-z_]+(\[\])?(\.[A-Za-z_]+(\[\])?)*$/);
    assert.ok(row.reason.length > 10, row.name);
  }
});

test("fieldTableOf finds every row of the top level, and what holds the others", () => {
  for (const row of fieldRows) {
    const table = fieldTableOf(row.dialect ?? "openai");
    const top = (row.place === "top" ? row.name : row.place).split(/[[.]/)[0] ?? "";
    const found = top.endsWith("*") ? table.family(top.replace("*", "x")) : table.member(top);
    assert.ok(found !== undefined, fieldPath(row));
  }
});

test("fieldTableOf keeps ollama's second spelling of the model to its own dialect", () => {
  assert.equal(fieldTableOf("ollama").member("name")?.row?.rule, "refused");
  assert.equal(fieldTableOf("openai").member("name"), undefined);
  assert.equal(fieldTableOf("ollama").misspelled("Name"), "name");
  assert.equal(fieldTableOf("openai").misspelled("Name"), undefined);
});

test("misspelled finds every way in which sloppy parsers take another key for a listed one", () => {
  const { misspelled } = fieldTableOf("openai");
  for (const key of [
    "Model",
    "MODEL",
    "mODEL",
    "mo_del",
    "mod-el",
    "_model",
    "model_",
    "m-o-d-e-l",
  ]) {
    assert.equal(misspelled(key), "model", key);
  }
  const rows: readonly (readonly [key: string, name: string])[] = [
    ["Models", "models"],
    ["apiBase", "api_base"],
    ["API_BASE", "api_base"],
    ["apibase", "api_base"],
    ["api-base", "api_base"],
    ["baseURL", "base_url"],
    ["Fallbacks", "fallbacks"],
    ["fall_backs", "fallbacks"],
    ["extraBody", "extra_body"],
    ["modelId", "model_id"],
    ["Tools", "tools"],
    ["Input", "input"],
    ["Moderation", "moderation"],
    ["safetyModel", "safety_model"],
    ["AWS_region", "aws_*"],
    ["awsRegion", "aws_*"],
    ["vertexLocation", "vertex_*"],
    ["Langfuse_host", "langfuse_*"],
    ["mockTesting_fallbacks", "mock_*"],
    ["promptId", "prompt_id"],
    ["DEFERRED_TOOLS", "deferred_tools"],
  ];
  for (const [key, name] of rows) assert.equal(misspelled(key), name, key);
});

test("misspelled leaves listed fields as they are spelled, and every other field, alone", () => {
  const others =
    "models_used modeling remodel mode model2 model_ids model_version modele Metadata meta_data " +
    "Parameters constructor toString hasOwnProperty valueOf prototype rout api base api_basement header agents";
  for (const dialect of dialects) {
    const { misspelled } = fieldTableOf(dialect);
    for (const { name, place } of fieldRows) {
      if (place === "top") assert.equal(misspelled(name.replace("*", "x")), undefined, name);
    }
    for (const key of [...others.split(" "), "", "_", "-", "\u202e", "x".repeat(10_000)]) {
      assert.equal(misspelled(key), undefined, key.slice(0, 50));
    }
  }
});

test("no honest field is taken for a misspelling of a listed one", () => {
  for (const dialect of dialects) {
    const { misspelled } = fieldTableOf(dialect);
    for (const key of [...knownFields(dialect), ...servedElsewhere.split(" ")]) {
      assert.equal(misspelled(key), undefined, `${dialect} ${key}`);
    }
  }
});

test("no known field is refused by its name alone", () => {
  const harmless = new Set(["known", "model", "tools", "config", "metadata"]);
  for (const dialect of dialects) {
    for (const key of knownFields(dialect)) {
      assert.ok(harmless.has(fieldClass(dialect, "body", key)), `${dialect} ${key}`);
    }
    for (const key of knownFormFields(dialect)) {
      assert.ok(harmless.has(fieldClass(dialect, "form", key)), `${dialect} ${key}`);
    }
  }
});

test("knownFieldLists say where each name comes from, and repeat none in themselves", () => {
  for (const { names, source, dialects: of } of knownFieldLists) {
    assert.equal(new Set(names).size, names.length, source);
    assert.ok(source.length > 3 && of.length > 0);
    for (const name of names) assert.match(name, /^[A-Za-z][A-Za-z0-9_]*$/);
  }
});

test("fieldClass gives the class of any name", () => {
  const classes: readonly (readonly [...Parameters<typeof fieldClass>, string])[] = [
    ["openai", "body", "model", "model"],
    ["openai", "body", "temperature", "known"],
    ["openai", "body", "prompt_id", "refused"],
    ["openai", "body", "provider", "router"],
    ["openai", "body", "mock_anything", "refused"],
    ["openai", "body", "safety_model", "model"],
    ["openai", "body", "tools", "tools"],
    ["openai", "body", "reasoning", "config"],
    ["openai", "body", "metadata", "metadata"],
    ["openai", "body", "a_name_of_tomorrow", "unknown"],
    ["openai", "body", "__proto__", "unknown"],
    ["openai", "body", "url", "unknown"],
    ["openai", "form", "url", "known"],
    ["openai", "form", "prompt_id", "refused"],
    ["anthropic", "body", "svg", "unknown"],
    ["anthropic", "body", "anthropic_version", "known"],
    ["anthropic", "body", "anthropic_workspace_id", "refused"],
    ["ollama", "body", "name", "refused"],
    ["openai", "body", "name", "unknown"],
    ["openai", "metadata", "user_id", "known"],
    ["openai", "metadata", "tags", "router"],
    ["openai", "metadata", "langfuse_host", "refused"],
    ["openai", "metadata", "user_api_key_hash", "router"],
  ];
  for (const [dialect, place, name, wanted] of classes) {
    assert.equal(fieldClass(dialect, place, name), wanted, `${dialect} ${place} ${name}`);
  }
});

test("isBodyField and isRefusableField take names, never the model in any spelling", () => {
  const rows = fieldRows.filter(({ rule }) => rule === "refused" || rule === "router");
  const names = ["x", "x_new", "x_*", "metadata.tags", "metadata.x", "langfuse_host"];
  for (const name of [...names, ...rows.map(fieldPath)]) {
    assert.equal(isBodyField(name), true, name);
  }
  const none = ["", "model", "Model", "_mo-del_", "x*", "*", "a b", "a[]", "x".repeat(82)];
  for (const name of none) assert.equal(isBodyField(name), false, name);
  for (const name of ["container", "tools[].type=mcp", "tools[].type=a:b-c.d"]) {
    assert.equal(isRefusableField(name), true, name);
  }
  for (const name of [...none, "tools[].type=", "tools[].model", "xtools[].type=a"]) {
    assert.equal(isRefusableField(name), false, name);
  }
});

test("foldKey folds what Go's decoder folds", () => {
  assert.equal(foldKey("MCP_Server\u017f"), "mcpservers");
  assert.equal(foldKey("\u212aey"), "key");
  assert.equal(foldKey("__--__"), "");
});
