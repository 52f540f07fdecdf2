// What the hunt's LiteLLM is configured with: everything by which a request could choose. And what of it the hunted key was
// granted: for each model that it may call, the calls that the provider may see for it.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type { Manifest, Secret } from "../support/policy-files.ts";
import type { Sighting } from "./provider-stub.ts";

export const masterKey = "sk-hunt-master";

/** A backend as the hunt sees it. */
export type World = {
  /** What the provider may see for each model that the key may call: host, account and model. */
  readonly granted: Readonly<Record<string, readonly string[]>>;
  /** What runs only in another's place, and is granted too. */
  readonly alsoGranted: readonly string[];
  readonly paths: readonly string[];
  /** Undefined: it takes no forms. */
  readonly formPath: string | undefined;
};

/** The names of what the key was not granted, as a caller would try them. */
export const ungranted = {
  model: "gold",
  upstreamModel: "gold-real",
  prompt: "goldprompt",
  tag: "paid",
  credential: "gold-account",
  alias: "nickname",
  autoRouter: "chooser",
  deployment: "gold-deployment",
} as const;

type Deployment = {
  readonly name: string;
  readonly model: string;
  /** The stub's host; undefined: the backend's own environment decides. */
  readonly host?: string;
  readonly tags?: readonly string[];
  readonly id?: string;
};

const deployments: readonly Deployment[] = [
  { name: "cheap", model: "cheap-real", host: "cheap" },
  { name: "spare", model: "spare-real", host: "spare" },
  { name: "tagged", model: "small-real", host: "small", tags: ["default", "free"] },
  { name: "tagged", model: "gold-real", host: "gold", tags: [ungranted.tag] },
  { name: "bare", model: "bare-real" },
  // The stub answers for it with 500: LiteLLM runs its fallback.
  { name: "shaky", model: "shaky-real", host: "shaky" },
  { name: "gold", model: "gold-real", host: "gold", id: ungranted.deployment },
  { name: "wild/*", model: "*", host: "wild" },
];

export const litellmWorld: World = {
  granted: {
    cheap: ["cheap sk-cheap cheap-real", "spare sk-spare spare-real"],
    tagged: ["small sk-small small-real"],
    bare: ["env sk-env bare-real"],
    "wild/cheap": ["wild sk-wild cheap"],
  },
  alsoGranted: ["spare"],
  paths: [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/messages",
    "/openai/v1/chat/completions",
  ],
  formPath: "/v1/audio/transcriptions",
};

/** The models that requests name, all granted. */
export function callable({ granted }: World): readonly string[] {
  return Object.keys(granted);
}

/**
 * Whether a call for a request that named `model` is one that the key was granted; undefined: the marker was lost, and any
 * callable model may be the one.
 */
export function isGranted(world: World, model: string | undefined, sighting: Sighting): boolean {
  const { host, account, model: ran, injected, beside } = sighting;
  const { granted, alsoGranted } = world;
  const calls = model === undefined ? Object.values(granted).flat() : (granted[model] ?? []);
  const names = [...callable(world), ...alsoGranted];
  if (injected || beside.some((name) => !names.includes(name))) return false;
  return calls.includes(`${host} ${account} ${ran}`);
}

/** A key that may call what the world grants, and what that runs in its place. */
export function manifestsOf(world: World, key: Secret): readonly Manifest[] {
  const models = [...callable(world), ...world.alsoGranted];
  return [
    { kind: "Team", name: "hunted", spec: { grants: { models } } },
    { kind: "VirtualKey", name: "hunter", spec: { keyHash: key.keyHash, team: "hunted" } },
  ];
}

/** Writes LiteLLM's configuration into the folder; the path of its file. */
export function writeWorld(folder: string, providerPort: number): string {
  const url = (host: string): string => `http://127.0.0.1:${providerPort}/${host}/v1`;
  const modelList = deployments.map(({ name, model, host, tags, id }) => ({
    model_name: name,
    litellm_params: {
      model: `openai/${model}`,
      ...(host === undefined ? {} : { api_base: url(host), api_key: `sk-${host}` }),
      ...(tags === undefined ? {} : { tags }),
    },
    ...(id === undefined ? {} : { model_info: { id } }),
  }));
  const tiers = Object.fromEntries(
    ["SIMPLE", "MEDIUM", "COMPLEX", "REASONING"].map((tier) => [tier, ungranted.model]),
  );
  const chooser = {
    model_name: ungranted.autoRouter,
    litellm_params: {
      model: "auto_router/complexity_router",
      complexity_router_config: { tiers },
      complexity_router_default_model: ungranted.model,
    },
  };
  const promptFile = join(folder, "gold.prompt");
  writeFileSync(promptFile, "---\nmodel: gold\n---\nUser: {{q}}\n");
  const prompt = {
    prompt_id: ungranted.prompt,
    litellm_params: {
      prompt_id: ungranted.prompt,
      prompt_integration: "dotprompt",
      prompt_file: promptFile,
    },
  };
  const credential = {
    credential_name: ungranted.credential,
    credential_values: { api_base: url("gold"), api_key: "sk-gold" },
    credential_info: { custom_llm_provider: "openai" },
  };
  const config = {
    model_list: [...modelList, chooser],
    prompts: [prompt],
    credential_list: [credential],
    router_settings: {
      enable_tag_filtering: true,
      num_retries: 0,
      cooldown_time: 0,
      disable_cooldowns: true,
      fallbacks: [{ cheap: ["spare"] }, { shaky: ["spare"] }],
      model_group_alias: { [ungranted.alias]: "gold" },
    },
    litellm_settings: { telemetry: false },
    general_settings: {
      master_key: masterKey,
      pass_through_endpoints: [{ path: "/gold-pass", target: url("gold") }],
    },
  };
  const file = join(folder, "litellm.yaml");
  writeFileSync(file, stringify(config));
  return file;
}

/** The environment of the hunt's LiteLLM: its own account at the provider, for what names none. */
export function environmentOf(providerPort: number): Readonly<Record<string, string>> {
  const base = `http://127.0.0.1:${providerPort}/env/v1`;
  return { OPENAI_API_KEY: "sk-env", OPENAI_API_BASE: base, OPENAI_BASE_URL: base };
}
