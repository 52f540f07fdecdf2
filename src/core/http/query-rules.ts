// The query of a request: which parameters it may have, and the model and the key that may stand in it.

import type { DenyReason } from "../denials.ts";
import type { Operation } from "./operations.ts";
import { decodeOnce, modelIn, type Parameter, parametersOf } from "./target.ts";

/** The query parameter that may carry the virtual key (Gemini's clients send it there). It never reaches the backend. */
export const keyParameter = "key";

export type QueryFault = { readonly reason: DenyReason; readonly name: string };

export type QueryExtras = {
  /** Parameters that every operation takes. */
  readonly extra: ReadonlySet<string>;
  /** Whether `key` carries the virtual key; otherwise it is the backend's affair. */
  readonly takesKey: boolean;
};

/**
 * The first parameter that the operation does not take, or takes once and got twice. Names are compared as they stand,
 * undecoded: another spelling of an allowed one is not allowed.
 */
export function queryFault(
  query: string,
  operation: Operation,
  { extra, takesKey }: QueryExtras,
): QueryFault | undefined {
  if (query === "") return undefined;
  // Some parsers split at ";" too: then one more parameter stands there than we see.
  if (!/^[\x21-\x7e]*$/.test(query) || query.includes(";")) return refuse("");
  const once = new Set<string>();
  for (const { name } of parametersOf(query)) {
    if (name === keyParameter && !takesKey) continue;
    if (name === keyParameter || name === operation.modelParameter) {
      if (once.has(name)) return name === keyParameter ? ambiguousKey : refuse(name);
      once.add(name);
    } else if (!takes(operation, name) && !extra.has(name)) return refuse(name);
  }
  return undefined;
}

function takes({ queryParameters }: Operation, name: string): boolean {
  return queryParameters === "any" ? !namesModel(name) : queryParameters.has(name);
}

/** Whether a parameter's name is `model` to a backend, which decodes it; what cannot be decoded might be. */
export function namesModel(name: string): boolean {
  return (decodeOnce(name)?.toLowerCase() ?? "model") === "model";
}

const ambiguousKey: QueryFault = { reason: "key_ambiguous", name: keyParameter };

function refuse(name: string): QueryFault {
  return { reason: "query_not_allowed", name };
}

export type QueryModel =
  | { readonly ok: true; readonly name: string; readonly raw: string }
  | { readonly ok: false; readonly reason: "model_missing" | "model_invalid" };

/** The model in the query. A raw "+" is a space to some and a plus to others: refused. */
export function queryModel(query: string, parameter: string): QueryModel {
  const raw = parameterValue(parametersOf(query), parameter);
  if (raw === undefined || raw === "") return { ok: false, reason: "model_missing" };
  const name = raw.includes("+") ? undefined : modelIn(raw);
  return name === undefined ? { ok: false, reason: "model_invalid" } : { ok: true, name, raw };
}

/** The key in the query as it stands there. */
export function queryKey(query: string): string | undefined {
  return query === "" ? undefined : parameterValue(parametersOf(query), keyParameter);
}

function parameterValue(parameters: readonly Parameter[], wanted: string): string | undefined {
  return parameters.find(({ name }) => name === wanted)?.value;
}
