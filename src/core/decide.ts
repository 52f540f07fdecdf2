// The decision: route -> key -> body -> resolve -> authorize -> answer. Pure and total: it answers every request, and
// whatever it cannot show to be allowed it refuses.

import { authorizeModel } from "./authorize.ts";
import { readJsonBody } from "./body.ts";
import { admitBody } from "./body-admission.ts";
import type { BodyReading, ModelToken } from "./body-reading.ts";
import { authenticate, readKeyDigest } from "./credential.ts";
import type {
  AllowDecision,
  BodyEdit,
  Decision,
  DecisionFacts,
  DenyDetail,
  DenyReason,
  DenyTrace,
  Dialect,
} from "./decision.ts";
import type { DecisionSettings } from "./decision-settings.ts";
import { createHeaderRules, type HeaderRules, identityHeaders } from "./header-rules.ts";
import { createJsonScanner, type JsonScanner } from "./json-scan.ts";
import { listModels, toModel, toModelList } from "./model-list.ts";
import type { AuthzRequest, DecisionContext } from "./request.ts";
import type { Resolution } from "./resolve.ts";
import { createRouteTable, type Operation, queryFault, type RouteTable } from "./routes.ts";
import type { CatalogueModel, Snapshot, VirtualKey } from "./snapshot.ts";

export type Decide = (
  snapshot: Snapshot | undefined,
  request: AuthzRequest,
  context: DecisionContext,
) => Decision;

type Deps = {
  readonly settings: DecisionSettings;
  readonly routes: RouteTable;
  readonly headerRules: HeaderRules;
  readonly scanner: JsonScanner;
};

/** What is known of the request so far; grows step by step and ends in the decision. */
type Facts = { -readonly [Name in keyof DecisionFacts]: DecisionFacts[Name] };

/** Builds the decision for settings that stay the same for the life of the process. The result never throws. */
export function createDecider(settings: DecisionSettings): Decide {
  const deps: Deps = {
    settings,
    routes: createRouteTable(settings),
    headerRules: createHeaderRules(settings),
    scanner: createJsonScanner({ hashSeed: settings.hashSeed }),
  };
  return (snapshot, request, context) => decide(deps, snapshot, request, context);
}

function decide(
  deps: Deps,
  snapshot: Snapshot | undefined,
  request: AuthzRequest,
  context: DecisionContext,
): Decision {
  const match = deps.routes.match(request.method, request.path);
  const facts: Facts = {
    dialect: match.kind === "operation" ? match.operation.dialect : match.dialect,
    operation: undefined,
    key: undefined,
    team: undefined,
    requestedModel: undefined,
    revision: snapshot?.revision,
  };
  if (match.kind === "none") {
    if (request.headers.has("anthropic-version")) facts.dialect = "anthropic";
    return deny(facts, "route_not_allowed");
  }
  if (match.kind === "method_not_allowed") {
    return deny(facts, "method_not_allowed", { allow: match.allow });
  }
  const { operation, query } = match;
  facts.operation = operation.name;
  facts.dialect = dialectOf(operation, request);
  if (operation.answers === "probe") return answer(facts, operation.name, "");

  const fault = requestFault(deps, request, { operation, query });
  if (fault !== undefined) return deny(facts, fault.reason, fault.detail);
  if (snapshot === undefined) return deny(facts, "policy_missing");

  const presented = readKeyDigest(request.headers);
  if (!presented.ok) {
    const { reason, carrier } = presented;
    return deny(facts, reason, carrier === undefined ? {} : { name: carrier });
  }
  const authentication = authenticate(snapshot, presented.digest, context.nowMs);
  facts.key = authentication.key?.name;
  facts.team = authentication.key?.team?.name;
  if (!authentication.ok) return deny(facts, authentication.reason);
  const { key } = authentication;

  if (operation.answers === "models") {
    const list = { names: listModels(snapshot, key), query };
    return answer(
      facts,
      operation.name,
      JSON.stringify(toModelList(facts.dialect, snapshot, list)),
    );
  }
  if (match.modelId !== undefined)
    return answerModel(facts, { snapshot, key, match, request, context });
  return decideBody(deps, facts, { snapshot, key, operation, request, context });
}

/** Three dialects ask for /v1/models; each official SDK says by its headers which list it reads. */
function dialectOf(operation: Operation, { headers }: AuthzRequest): Dialect {
  if (operation.answers === undefined || operation.dialect !== "openai") return operation.dialect;
  if (headers.has("anthropic-version")) return "anthropic";
  return headers.has("x-goog-api-key") ? "gemini" : operation.dialect;
}

type Fault = { readonly reason: DenyReason; readonly detail: DenyDetail };

/** What is wrong with the request whoever sends it. */
function requestFault(
  { settings, headerRules }: Deps,
  { headers }: AuthzRequest,
  { operation, query }: { operation: Operation; query: string },
): Fault | undefined {
  // Envoy checks an upgrade without its body and forwards it with it (envoy-facts 0.16).
  if (headers.has("upgrade")) return { reason: "upgrade_not_allowed", detail: {} };
  const header = headerRules.refusedHeader(headers);
  if (header !== undefined) return { reason: "header_not_allowed", detail: named(header) };
  const parameter = queryFault(query, operation, settings.queryParameters);
  if (parameter === undefined) return undefined;
  return { reason: "query_not_allowed", detail: named(parameter.name) };
}

/** A name from the request is repeated to the caller only when it is harmless wherever it ends up. */
function named(name: string): DenyDetail {
  return /^[A-Za-z0-9_.$%[\]-]{1,64}$/.test(name) ? { name } : {};
}

type Subject = {
  readonly snapshot: Snapshot;
  readonly key: VirtualKey;
  readonly request: AuthzRequest;
  readonly context: DecisionContext;
};

function answerModel(
  facts: Facts,
  {
    snapshot,
    key,
    match,
    request,
    context,
  }: Subject & {
    readonly match: { readonly operation: Operation; readonly modelId: string | undefined };
  },
): Decision {
  const name = match.modelId ?? "";
  facts.requestedModel = name;
  const lots = { draw: context.draw, headers: request.headers };
  const authorization = authorizeModel(snapshot, key, name, lots);
  if (!authorization.ok) return deny(facts, authorization.reason, {}, authorization.trace);
  return answer(
    facts,
    match.operation.name,
    JSON.stringify(toModel(facts.dialect, snapshot, name)),
  );
}

function decideBody(
  deps: Deps,
  facts: Facts,
  { snapshot, key, operation, request, context }: Subject & { readonly operation: Operation },
): Decision {
  const { settings, scanner } = deps;
  const admission = admitBody(request, operation.dialect, settings);
  if (!admission.ok) return deny(facts, admission.reason, admission.detail);
  const { bytes } = admission;
  const { dialect } = operation;
  const options = {
    dialect,
    bodyFields: settings.bodyFields,
    scanner,
    isText: request.body.kind === "text",
  };
  const reading = readJsonBody(bytes, options);
  if (!reading.ok) return deny(facts, reading.reason, reading.detail);
  facts.requestedModel = reading.model.name;

  const lots = { draw: context.draw, headers: request.headers };
  const resolved: ResolvedToken[] = [];
  for (const token of [reading.model, ...reading.nestedModels]) {
    const authorization = authorizeModel(snapshot, key, token.name, lots);
    if (!authorization.ok) {
      const detail = token === reading.model ? {} : { name: token.place };
      return deny(facts, authorization.reason, detail, authorization.trace);
    }
    resolved.push({ token, resolution: authorization.resolution });
  }
  const field = refusedField(snapshot, reading, resolved);
  if (field !== undefined) return deny(facts, "field_not_allowed", { name: field });
  // Without body edits only the main model follows the header; an alias beside it would reach the backend as it is.
  const stuck =
    settings.bodyEdits === "splice" ? undefined : resolved.slice(1).find(needsEdit(snapshot));
  if (stuck !== undefined) return deny(facts, "field_not_allowed", { name: stuck.token.place });
  return allow(deps, facts, { key, snapshot, request, resolved, bytes, admission, operation });
}

type ResolvedToken = {
  readonly token: ModelToken;
  readonly resolution: Extract<Resolution, { ok: true }>;
};

/** A field that the body may not have because of what serves one of the models that can run. */
function refusedField(
  snapshot: Snapshot,
  reading: Extract<BodyReading, { ok: true }>,
  resolved: readonly ResolvedToken[],
): string | undefined {
  if (reading.routerFields.length === 0 && reading.strictFields.length === 0) return undefined;
  const models = resolved.flatMap(({ resolution }) => resolution.models);
  const entries = models.map((model) => snapshot.catalogue?.get(model));
  // A model that nobody described is served by a router, for all we know.
  const isRouter = (entry: CatalogueModel | undefined): boolean => entry?.backend !== "leaf";
  const routerField = entries.some(isRouter) ? reading.routerFields[0] : undefined;
  if (routerField !== undefined) return routerField;
  return entries.some((entry) => entry?.strictFields === true)
    ? reading.strictFields[0]
    : undefined;
}

type Allowed = {
  readonly key: VirtualKey;
  readonly snapshot: Snapshot;
  readonly request: AuthzRequest;
  readonly resolved: readonly ResolvedToken[];
  readonly bytes: Uint8Array;
  readonly admission: { readonly setContentType: boolean };
  readonly operation: Operation;
};

function allow(deps: Deps, facts: Facts, allowed: Allowed): Decision {
  const { key, snapshot, request, resolved, bytes, admission, operation } = allowed;
  const [main] = resolved;
  if (main === undefined) return deny(facts, "model_missing");
  const { settings, headerRules } = deps;
  const { model, hops } = main.resolution;
  const requestedModel = main.token.name;
  const setHeaders: (readonly [string, string])[] = [
    ...settings.modelHeaders.map((name) => [name, model] as const),
    [identityHeaders.key, key.name],
    ...(key.team === undefined ? [] : [[identityHeaders.team, key.team.name] as const]),
    [identityHeaders.requestedModel, requestedModel],
    ...(admission.setContentType ? [["content-type", "application/json"] as const] : []),
  ];
  const edits = settings.bodyEdits === "splice" ? bodyEdits(snapshot, bytes, resolved) : [];
  const decision: AllowDecision = {
    kind: "allow",
    dialect: facts.dialect,
    operation: operation.name,
    key: key.name,
    team: key.team?.name,
    requestedModel,
    revision: snapshot.revision,
    model,
    upstreamModel: upstreamName(snapshot, model),
    hops,
    bodyBytes: bytes.length,
    bodyEdits: edits,
    path: undefined,
    setHeaders,
    removeHeaders: headerRules.removedHeaders(request.headers, key.team?.name),
  };
  return decision;
}

function upstreamName(snapshot: Snapshot, model: string): string {
  return snapshot.catalogue?.get(model)?.upstreamName ?? model;
}

function needsEdit(snapshot: Snapshot): (resolved: ResolvedToken) => boolean {
  return ({ token, resolution }) => upstreamName(snapshot, resolution.model) !== token.name;
}

/** Replaces each model whose name the backend knows otherwise; what already reads right stays byte for byte. */
function bodyEdits(
  snapshot: Snapshot,
  bytes: Uint8Array,
  resolved: readonly ResolvedToken[],
): readonly BodyEdit[] {
  const edits: BodyEdit[] = [];
  for (const { token, resolution } of resolved.filter(needsEdit(snapshot))) {
    const name = upstreamName(snapshot, resolution.model);
    const old = Buffer.from(bytes.buffer, bytes.byteOffset + token.offset, token.length);
    edits.push({ offset: token.offset, old: old.toString("utf8"), new: JSON.stringify(name) });
  }
  return edits.sort((a, b) => a.offset - b.offset);
}

function answer(facts: Facts, operation: string, body: string): Decision {
  return { ...facts, kind: "answer", operation, status: 200, body };
}

function deny(
  facts: Facts,
  reason: DenyReason,
  detail: DenyDetail = {},
  trace: DenyTrace | undefined = undefined,
): Decision {
  return { ...facts, kind: "deny", reason, detail, trace };
}
