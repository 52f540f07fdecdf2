// GET /v1/models, per key and in the caller's dialect. Listed means callable: every candidate is put through the very
// authorization that a request for it would meet.

import { hash } from "node:crypto";
import type { Dialect } from "./denials.ts";
import { findAlias, lookupOf } from "./permission/alias-scope.ts";
import { authorizeModel } from "./permission/authorize.ts";
import type { Lots } from "./permission/resolve.ts";
import type { Grant, Snapshot, VirtualKey } from "./permission/snapshot.ts";
import { createWork, decisionStepsMax, listStepsMax, spend } from "./permission/work.ts";

/** A list that is not sticky to anything: which target a weighted alias would run does not change whether it may. */
const noLots: Lots = { draw: 0, headers: new Map() };

/**
 * Names that `key` can call, sorted, without hidden aliases and without patterns: those are no names. undefined: there is
 * too much to look at.
 */
export function listModels(snapshot: Snapshot, key: VirtualKey): readonly string[] | undefined {
  const lookup = lookupOf(snapshot, key);
  const { catalogue } = snapshot;
  const work = createWork(listStepsMax);
  const names = new Set<string>();
  const add = (more: Iterable<string>): void => {
    for (const name of more) if (spend(work, 1)) names.add(name);
  };
  for (const { exact } of lookup.scopes) add(exact.keys());
  add(catalogue.models.keys());
  // A wildcard in an open catalogue lists nothing by itself: nobody knows what it stands for.
  for (const grant of catalogue.closed ? [] : grantsOf(key)) {
    for (const { exact } of grant.models) add(exact);
  }
  const callable: string[] = [];
  for (const name of names) {
    if (work.stepsLeft < 0) return undefined;
    if (findAlias(lookup, name)?.hidden === true) continue;
    // No more than a request for this very name may take.
    const own = createWork(Math.min(decisionStepsMax, work.stepsLeft));
    const had = own.stepsLeft;
    if (authorizeModel(snapshot, key, { requested: name, lots: noLots, work: own }).ok) {
      callable.push(name);
    }
    spend(work, had - own.stepsLeft);
  }
  return work.stepsLeft < 0 ? undefined : callable.sort((a, b) => (a < b ? -1 : 1));
}

/** Most lists that are remembered; each may be as long as the policy. */
const listsKept = 64;

/**
 * `listModels` that remembers its last answers: with 10,000 aliases one takes tens of milliseconds, in which nothing else
 * is decided. A snapshot never changes, so what was listed holds until the next one.
 */
export function createModelLister(): typeof listModels {
  const kept = new Map<VirtualKey, readonly string[] | "too much">();
  let of: WeakRef<Snapshot> | undefined;
  return (snapshot, key) => {
    if (of?.deref() !== snapshot) {
      kept.clear();
      of = new WeakRef(snapshot);
    }
    const known = kept.get(key);
    if (known !== undefined) return known === "too much" ? undefined : known;
    const names = listModels(snapshot, key);
    const [oldest] = kept.keys();
    if (kept.size >= listsKept && oldest !== undefined) kept.delete(oldest);
    kept.set(key, names ?? "too much");
    return names;
  };
}

function grantsOf(key: VirtualKey): readonly Grant[] {
  return [key.grant, key.team?.team?.grant].filter((grant) => grant !== undefined);
}

/** Nobody told us when a model was made; a fixed time keeps clients that require one working. */
const madeAt = "1970-01-01T00:00:00Z";

/**
 * What Ollama's clients ask before the first chat: a version that has every path that is served here (some clients refuse
 * older ones), and no model that is loaded, for that is the backend's affair.
 */
export const ollamaAnswers = { version: { version: "0.13.0" }, running: { models: [] } } as const;

/** One model in the dialect's own shape. */
export function toModel(dialect: Dialect, snapshot: Snapshot, name: string): object {
  switch (dialect) {
    case "openai":
    case "azure": {
      const ownedBy = snapshot.catalogue.models.get(name)?.ownedBy ?? "aliasguard";
      return { id: name, object: "model", created: 0, owned_by: ownedBy };
    }
    case "anthropic":
      return { type: "model", id: name, display_name: name, created_at: madeAt };
    case "gemini":
      return {
        name: `models/${name}`,
        displayName: name,
        supportedGenerationMethods: [
          "generateContent",
          "streamGenerateContent",
          "countTokens",
          "embedContent",
        ],
      };
    case "ollama":
      return {
        name,
        model: name,
        modified_at: madeAt,
        size: 0,
        digest: hash("sha256", name, "hex"),
        details: {
          parent_model: "",
          format: "",
          family: "",
          families: null,
          parameter_size: "",
          quantization_level: "",
        },
      };
    default:
      return dialect satisfies never;
  }
}

/** The whole list in the dialect's own shape. Anthropic's and Gemini's are paged when the caller asks for pages. */
export function toModelList(
  dialect: Dialect,
  snapshot: Snapshot,
  { names, query }: { names: readonly string[]; query: string },
): object {
  const toModels = (some: readonly string[]): object[] =>
    some.map((name) => toModel(dialect, snapshot, name));
  switch (dialect) {
    case "openai":
    case "azure":
      return { object: "list", data: toModels(names) };
    case "anthropic": {
      const { page, hasMore } = pageOf(names, query);
      const ids = { first_id: page[0] ?? null, last_id: page[page.length - 1] ?? null };
      return { data: toModels(page), has_more: hasMore, ...ids };
    }
    case "gemini": {
      const { page, token } = geminiPageOf(names, query);
      return { models: toModels(page), ...(token === undefined ? {} : { nextPageToken: token }) };
    }
    case "ollama":
      return { models: toModels(names) };
    default:
      return dialect satisfies never;
  }
}

/** `pageSize` and `pageToken` as Gemini's list takes them; our token is the last name that was given. */
function geminiPageOf(
  names: readonly string[],
  query: string,
): { page: readonly string[]; token: string | undefined } {
  const parameters = new URLSearchParams(query);
  const after = parameters.get("pageToken") ?? "";
  const size = sizeOf(parameters.get("pageSize"), names.length);
  const later = names.filter((name) => name > after);
  const page = later.slice(0, size);
  return { page, token: later.length > size ? page.at(-1) : undefined };
}

/** Whatever is no whole number above 0 asks for the whole list. */
function sizeOf(text: string | null, whole: number): number {
  const size = Number(text ?? whole);
  return Number.isInteger(size) && size > 0 ? size : whole;
}

/** `limit`, `after_id` and `before_id` as Anthropic's list takes them; without a limit the whole list is one page. */
function pageOf(
  names: readonly string[],
  query: string,
): { page: readonly string[]; hasMore: boolean } {
  const parameters = new URLSearchParams(query);
  const size = sizeOf(parameters.get("limit"), names.length);
  const after = parameters.get("after_id");
  const before = parameters.get("before_id");
  if (before !== null) {
    const end = names.findIndex((name) => name >= before);
    const earlier = end < 0 ? names : names.slice(0, end);
    return { page: earlier.slice(-size), hasMore: earlier.length > size };
  }
  const later = after === null ? names : names.filter((name) => name > after);
  return { page: later.slice(0, size), hasMore: later.length > size };
}
