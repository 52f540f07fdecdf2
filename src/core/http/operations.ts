// Everything that callers may do: one closed list of methods and paths, where the model stands in each, and what else
// each takes (llm-apis.md section 1). docs/reference prints it.

import { type Dialect, dialects } from "../denials.ts";
import { geminiVerbs, vertexPaths } from "./vertex-paths.ts";

/** Where the model of a request stands that decides. */
export type ModelPlace = "body" | "path" | "query" | "none";

/** `form`: multipart/form-data, or JSON. `none`: no body is read. */
export type BodyKind = "json" | "form" | "none";

/**
 * What the top-level `model` of a body is: `required`, the model that decides; `same`, allowed beside a model in the path
 * and to be the same one; `overridden`, any string or null that the path overrides.
 */
export type BodyModelRule = "required" | "same" | "overridden";

/** A list of models, one of them, an empty page for who looks whether anybody is there, and what Ollama's clients ask. */
export type Answer = "models" | "model" | "probe" | "version" | "running";

/** One thing that callers may do. `name` goes to logs and metrics. */
export type Operation = {
  readonly name: string;
  readonly dialect: Dialect;
  readonly modelPlace: ModelPlace;
  readonly body: BodyKind;
  /** What a `model` in the body is, where there is a body. */
  readonly bodyModel: BodyModelRule;
  /** The query parameter that names the model, where it stands in the query. */
  readonly modelParameter: string | undefined;
  /** What is answered by the gateway itself; undefined: the backend answers. */
  readonly answers: Answer | undefined;
  /** A second field that may name the model of a body, where `model` is absent or empty. */
  readonly modelField: "name" | undefined;
  /** What a backend that can choose gets in place of this path, which it would pass through around its own choice. */
  readonly routerPath: string | undefined;
  /** Query parameters that this path takes; `any`: all but those that name a model. */
  readonly queryParameters: ReadonlySet<string> | "any";
  /** Let through as it is once the key is known: a route that an operator has listed. */
  readonly isUnchecked: boolean;
};

export type Row = {
  readonly name: string;
  readonly method: "GET" | "POST" | "HEAD";
  readonly dialect: Dialect;
  /**
   * Under each accepted prefix, or exactly as written where `exact`. `{model}` is a model in the path, any other `{word}` one
   * segment of plain characters.
   */
  readonly path: string;
  readonly exact?: true;
  /** What the backend gets in its place, where it is another path than the one that came. */
  readonly backendPath?: string;
  /** The same for backends that can choose; the model is then read from the body or the query. */
  readonly routerPath?: string;
  readonly modelField?: "name";
  readonly query?: readonly string[];
  readonly body?: BodyKind;
  readonly modelParameter?: string;
  readonly answers?: Answer;
};

const post = (
  dialect: Dialect,
  name: string,
  path: string,
  more: Partial<Row> = {},
): Row & { readonly method: "POST" } => ({
  dialect,
  name,
  path,
  body: "json",
  ...more,
  method: "POST",
});

const exact = { exact: true } as const;
const form = { body: "form" } as const;
const beta = { query: ["beta"] } as const;

/** The model stands in the body's `model`, or in the form's field of that name. */
export const bodyOperations: readonly Row[] = [
  post("openai", "chat.completions", "/chat/completions"),
  post("openai", "completions", "/completions"),
  post("openai", "embeddings", "/embeddings"),
  post("openai", "responses", "/responses", beta),
  post("openai", "responses.compact", "/responses/compact"),
  post("openai", "responses.input_tokens", "/responses/input_tokens"),
  post("openai", "moderations", "/moderations"),
  post("openai", "images.generations", "/images/generations"),
  post("openai", "images.edits", "/images/edits", form),
  post("openai", "images.variations", "/images/variations", form),
  post("openai", "audio.speech", "/audio/speech"),
  post("openai", "audio.transcriptions", "/audio/transcriptions", form),
  post("openai", "audio.translations", "/audio/translations", form),
  post("openai", "rerank", "/rerank"),
  post("openai", "fim.completions", "/fim/completions"),
  post("openai", "ocr", "/ocr"),
  post("openai", "cohere.chat", "/v2/chat", exact),
  post("openai", "cohere.embed", "/v2/embed", exact),
  post("openai", "cohere.rerank", "/v2/rerank", exact),
  post("anthropic", "messages", "/messages", beta),
  post("anthropic", "messages.count_tokens", "/messages/count_tokens", beta),
  post("ollama", "ollama.chat", "/api/chat", exact),
  post("ollama", "ollama.generate", "/api/generate", exact),
  post("ollama", "ollama.embed", "/api/embed", exact),
  // The older form of the same, and what the clients ask before the first chat.
  post("ollama", "ollama.embeddings", "/api/embeddings", exact),
  post("ollama", "ollama.show", "/api/show", { ...exact, modelField: "name" }),
  // Azure's newer forms. LiteLLM passes /openai/* through to OpenAI, around its own list of models.
  post("openai", "chat.completions", "/openai/chat/completions", {
    ...exact,
    backendPath: "/v1/chat/completions",
  }),
  post("openai", "responses", "/openai/responses", { ...exact, backendPath: "/v1/responses" }),
];

/** Azure's newer forms of the OpenAI paths carry the version in the query. */
const azureQuery = ["api-version"];
/** `$alt` comes encoded from Google's Python clients. */
const geminiQuery = ["alt", "$alt", "%24alt"];

const azure = (name: string, rest: string, more: Partial<Row> = {}): Row =>
  post("azure", name, `/openai/deployments/{model}${rest}`, { exact: true, ...more });

const geminiVersions = ["/v1beta", "/v1", "/v1alpha"];

/** The model stands in the path. */
export const pathOperations: readonly Row[] = [
  azure("chat.completions", "/chat/completions"),
  azure("completions", "/completions"),
  azure("embeddings", "/embeddings"),
  azure("images.generations", "/images/generations"),
  azure("images.edits", "/images/edits", form),
  // LiteLLM knows the five above; these it would pass through to OpenAI.
  ...(["speech", "transcriptions", "translations"] as const).map((rest) => {
    const body = rest === "speech" ? {} : form;
    return azure(`audio.${rest}`, `/audio/${rest}`, { ...body, routerPath: `/v1/audio/${rest}` });
  }),
  ...geminiVersions.flatMap((version) =>
    geminiVerbs.map((verb) =>
      post("gemini", `gemini.${verb}`, `${version}/models/{model}:${verb}`, {
        exact: true,
        query: geminiQuery,
      }),
    ),
  ),
  // LiteLLM as a client, with an api_base of its own.
  ...geminiVerbs.map((verb) =>
    post("gemini", `gemini.${verb}`, `/models/{model}:${verb}`, {
      exact: true,
      query: geminiQuery,
      backendPath: `/v1beta/models/{model}:${verb}`,
    }),
  ),
  ...vertexPaths.flatMap(({ dialect, name, path, query }) => {
    const more = { gemini: { query: geminiQuery }, anthropic: beta, none: {} }[query];
    return [
      post(dialect, name, path, more),
      post(dialect, name, `/v1beta1${path}`, { ...more, ...exact }),
    ];
  }),
];

/** Pagination of the dialects that ask for /v1/models, and what codex adds. */
const listQuery = [
  ...["limit", "after", "before", "order", "after_id", "before_id", "beta", "client_version"],
  ...["pageSize", "pageToken", ...geminiQuery],
];

type Listing = Pick<Row, "dialect" | "exact"> & {
  readonly path: string;
  readonly query?: readonly string[];
};

function listing({ path, query = listQuery, ...more }: Listing): readonly Row[] {
  const row = { method: "GET", query, ...more } as const;
  return [
    { ...row, name: "models.list", path, answers: "models" },
    { ...row, name: "models.get", path: `${path}/{model}`, answers: "model" },
  ];
}

/** Answered by the gateway, per key. */
export const listOperations: readonly Row[] = [
  ...listing({ dialect: "openai", path: "/models" }),
  ...listing({ dialect: "azure", path: "/openai/models", query: azureQuery, exact: true }),
  ...listing({ dialect: "gemini", path: "/v1beta/models", exact: true }),
  ...listing({ dialect: "gemini", path: "/v1alpha/models", exact: true }),
  {
    name: "models.list",
    method: "GET",
    dialect: "ollama",
    path: "/api/tags",
    exact: true,
    query: listQuery,
    answers: "models",
  },
  ...(
    [
      ["version", "version"],
      ["ps", "running"],
    ] as const
  ).map(
    ([path, answers]): Row => ({
      name: `ollama.${path}`,
      method: "GET",
      dialect: "ollama",
      path: `/api/${path}`,
      exact: true,
      answers,
    }),
  ),
];

/** Websocket upgrades, whose model stands in the query. Later frames are not seen: off unless the setting says so. */
export const realtimeOperations: readonly Row[] = [
  {
    name: "realtime",
    method: "GET",
    dialect: "openai",
    path: "/realtime",
    modelParameter: "model",
  },
  {
    name: "realtime",
    method: "GET",
    dialect: "azure",
    path: "/openai/realtime",
    exact: true,
    modelParameter: "deployment",
    routerPath: "/v1/realtime",
  },
];

/** Agents look whether anybody is there. */
export const probeOperations: readonly Row[] = (["GET", "HEAD"] as const).map((method) => ({
  name: "probe",
  method,
  dialect: "openai",
  path: "/",
  exact: true,
  answers: "probe",
}));

export function toOperation(row: Row, path: string): Operation {
  const { name, dialect, body = "none", modelParameter, answers, query = [] } = row;
  const { modelField, routerPath } = row;
  const isAzure = path.startsWith("/openai/");
  return {
    name,
    dialect,
    modelPlace: modelPlaceOf(row),
    body,
    bodyModel: bodyModelOf(row),
    modelParameter,
    answers,
    modelField,
    routerPath,
    isUnchecked: false,
    queryParameters: new Set([
      ...query,
      ...(modelParameter === undefined ? [] : [modelParameter]),
      ...(isAzure ? azureQuery : []),
    ]),
  };
}

/** A path by setting, `POST /path` and perhaps a dialect: its body names the model. */
export function modelRouteRow(route: string): Row {
  const [method = "", path = "", dialect = "openai"] = route.split(" ");
  const known = dialects.find((each) => each === dialect) ?? "openai";
  return post(known, `route ${method} ${path}`, path, exact);
}

/** A route by setting: the method and the path as written there. */
export function uncheckedOperation(route: string, dialect: Dialect): Operation {
  const row: Row = { name: `unchecked ${route}`, method: "GET", dialect, path: "" };
  return { ...toOperation(row, ""), queryParameters: "any", isUnchecked: true };
}

function modelPlaceOf({ path, body, modelParameter, answers }: Row): ModelPlace {
  if (answers !== undefined) return "none";
  if (modelParameter !== undefined) return "query";
  if (path.includes("{model}")) return "path";
  return body === undefined ? "none" : "body";
}

/** Azure's servers go by the path whatever the body says; Google's want both to be the same. */
function bodyModelOf({ path, dialect }: Row): BodyModelRule {
  if (!path.includes("{model}")) return "required";
  return dialect === "azure" ? "overridden" : "same";
}
