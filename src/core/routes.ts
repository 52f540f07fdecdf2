// Method + exact path -> operation. Paths are compared as bytes, never parsed as URLs and never matched by prefix:
// what no line below names is refused.

import type { Dialect } from "./decision.ts";
import type { DecisionSettings } from "./decision-settings.ts";
import { isModelName } from "./model-name.ts";

/** Where the model of a request stands. */
export type ModelPlace = "body" | "none";

/** One thing that callers may do. `name` goes to logs and metrics. */
export type Operation = {
  readonly name: string;
  readonly dialect: Dialect;
  readonly modelPlace: ModelPlace;
  /** What is answered by the gateway itself; undefined: the backend answers. */
  readonly answers: "models" | "model" | "probe" | undefined;
  /** Query parameters that this path takes. */
  readonly queryParameters: ReadonlySet<string>;
};

export type RouteMatch =
  | {
      readonly kind: "operation";
      readonly operation: Operation;
      readonly modelId: string | undefined;
      readonly query: string;
    }
  | {
      readonly kind: "method_not_allowed";
      readonly dialect: Dialect;
      readonly allow: readonly string[];
    }
  | { readonly kind: "none"; readonly dialect: Dialect };

export type RouteTable = { match(method: string, path: string): RouteMatch };

type Row = {
  readonly name: string;
  readonly dialect: Dialect;
  /** Under each accepted prefix, or exactly as written where `exact`. */
  readonly path: string;
  readonly exact?: true;
  readonly query?: readonly string[];
};

/** Operations whose model stands in the body's `model` (llm-apis.md section 1). All are POST. */
export const bodyOperations: readonly Row[] = [
  { name: "chat.completions", dialect: "openai", path: "/chat/completions" },
  { name: "completions", dialect: "openai", path: "/completions" },
  { name: "embeddings", dialect: "openai", path: "/embeddings" },
  { name: "responses", dialect: "openai", path: "/responses" },
  { name: "responses.compact", dialect: "openai", path: "/responses/compact" },
  { name: "responses.input_tokens", dialect: "openai", path: "/responses/input_tokens" },
  { name: "moderations", dialect: "openai", path: "/moderations" },
  { name: "images.generations", dialect: "openai", path: "/images/generations" },
  { name: "audio.speech", dialect: "openai", path: "/audio/speech" },
  { name: "rerank", dialect: "openai", path: "/rerank" },
  { name: "fim.completions", dialect: "openai", path: "/fim/completions" },
  { name: "ocr", dialect: "openai", path: "/ocr" },
  { name: "responses", dialect: "openai", path: "/openai/responses", exact: true },
  { name: "cohere.chat", dialect: "openai", path: "/v2/chat", exact: true },
  { name: "cohere.embed", dialect: "openai", path: "/v2/embed", exact: true },
  { name: "cohere.rerank", dialect: "openai", path: "/v2/rerank", exact: true },
  { name: "messages", dialect: "anthropic", path: "/messages", query: ["beta"] },
  {
    name: "messages.count_tokens",
    dialect: "anthropic",
    path: "/messages/count_tokens",
    query: ["beta"],
  },
  { name: "ollama.chat", dialect: "ollama", path: "/api/chat", exact: true },
  { name: "ollama.generate", dialect: "ollama", path: "/api/generate", exact: true },
  { name: "ollama.embed", dialect: "ollama", path: "/api/embed", exact: true },
];

/** Pagination of the three dialects that ask for /v1/models, and what codex adds. */
const listQuery = [
  "limit",
  "after",
  "before",
  "order",
  "after_id",
  "before_id",
  "beta",
  "client_version",
];

/** Azure's newer forms of the OpenAI paths carry the version in the query. */
const azureQuery = ["api-version"];

const probe: Operation = {
  name: "probe",
  dialect: "openai",
  modelPlace: "none",
  answers: "probe",
  queryParameters: new Set(),
};

/** Builds the table once at start. `pathPrefixes` come from the settings; "" serves the paths without a prefix. */
export function createRouteTable(settings: Pick<DecisionSettings, "pathPrefixes">): RouteTable {
  const paths = new Map<string, Map<string, Operation>>();
  const add = (path: string, method: string, operation: Operation): void => {
    const methods = paths.get(path) ?? new Map<string, Operation>();
    if (!methods.has(method)) methods.set(method, operation);
    paths.set(path, methods);
  };
  for (const row of bodyOperations) {
    for (const prefix of row.exact === true ? [""] : settings.pathPrefixes) {
      add(prefix + row.path, "POST", toOperation(row, prefix + row.path));
    }
  }
  const modelFolders = settings.pathPrefixes.map((prefix) => `${prefix}/models`);
  for (const path of modelFolders) add(path, "GET", toListOperation("models", "openai", path));
  add("/api/tags", "GET", toListOperation("models", "ollama", "/api/tags"));
  add("/", "GET", probe);
  add("/", "HEAD", probe);

  return {
    match(method, target) {
      const mark = target.indexOf("?");
      const path = mark < 0 ? target : target.slice(0, mark);
      const query = mark < 0 ? "" : target.slice(mark + 1);
      const methods = paths.get(path);
      if (methods !== undefined) {
        const operation = methods.get(method);
        if (operation !== undefined)
          return { kind: "operation", operation, modelId: undefined, query };
        const [first] = methods.values();
        const dialect = first?.dialect ?? dialectOfPath(path);
        return { kind: "method_not_allowed", dialect, allow: [...methods.keys()] };
      }
      const modelId = modelIdOf(modelFolders, path);
      if (modelId === undefined) return { kind: "none", dialect: dialectOfPath(path) };
      if (method !== "GET")
        return { kind: "method_not_allowed", dialect: "openai", allow: ["GET"] };
      return {
        kind: "operation",
        operation: toListOperation("model", "openai", path),
        modelId,
        query,
      };
    },
  };
}

function toOperation(row: Row, path: string): Operation {
  const query = [...(row.query ?? []), ...(path.startsWith("/openai/") ? azureQuery : [])];
  return {
    name: row.name,
    dialect: row.dialect,
    modelPlace: "body",
    answers: undefined,
    queryParameters: new Set(query),
  };
}

function toListOperation(answers: "models" | "model", dialect: Dialect, path: string): Operation {
  return {
    name: answers === "models" ? "models.list" : "models.get",
    dialect,
    modelPlace: "none",
    answers,
    queryParameters: new Set([...listQuery, ...(path.startsWith("/openai/") ? azureQuery : [])]),
  };
}

/** The id after ".../models/": "/" in it may come raw or as %2F; decoded once, and then a model name or no match. */
function modelIdOf(modelFolders: readonly string[], path: string): string | undefined {
  for (const folder of modelFolders) {
    if (!path.startsWith(`${folder}/`)) continue;
    const id = decodeOnce(path.slice(folder.length + 1));
    if (id !== undefined && isModelName(id)) return id;
  }
  return undefined;
}

/** Percent-decodes ASCII. undefined for a broken escape or anything that is not printable ASCII afterwards. */
export function decodeOnce(text: string): string | undefined {
  if (!text.includes("%")) return text;
  const decoded = text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => {
    const code = Number.parseInt(hex, 16);
    return code >= 0x20 && code < 0x7f && code !== 0x25 ? String.fromCharCode(code) : "\0";
  });
  return /^[\x20-\x7e]*$/.test(decoded) && !decoded.includes("%") ? decoded : undefined;
}

/** Which envelope a stranger on an unknown path most likely reads. */
export function dialectOfPath(path: string): Dialect {
  if (/^(\/[a-z0-9/]*)?\/messages(\/|$)/.test(path)) return "anthropic";
  if (/^\/api\/(?!v1(\/|$))/.test(path)) return "ollama";
  if (/^\/v1beta\//.test(path)) return "gemini";
  if (/^\/openai\/deployments\//.test(path)) return "azure";
  return "openai";
}

export type QueryFault = { readonly name: string };

/** The first parameter that the operation does not take. Names are compared as they stand, undecoded. */
export function queryFault(
  query: string,
  operation: Operation,
  extra: ReadonlySet<string>,
): QueryFault | undefined {
  if (query === "") return undefined;
  // Some parsers split at ";" too: then one more parameter stands there than we see.
  if (!/^[\x21-\x7e]*$/.test(query) || query.includes(";")) return { name: "" };
  for (const part of query.split("&")) {
    const name = part.split("=", 1)[0] ?? "";
    if (!operation.queryParameters.has(name) && !extra.has(name)) return { name };
  }
  return undefined;
}
