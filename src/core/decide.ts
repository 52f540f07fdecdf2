// The decision: route -> key -> body -> resolve -> authorize -> answer. Pure and total: it answers every request, and
// whatever it cannot show to be allowed it refuses.

import { allow, needsEdit, type ResolvedToken } from "./allow.ts";
import { authorizeModel } from "./authorize.ts";
import { readJsonBody } from "./body.ts";
import { admitBody } from "./body-admission.ts";
import type { BodyReading } from "./body-reading.ts";
import { authenticate, readKeyDigest } from "./credential.ts";
import type {
  Decision,
  DecisionFacts,
  DenyDetail,
  DenyReason,
  DenyTrace,
  Dialect,
} from "./decision.ts";
import type { DecisionSettings } from "./decision-settings.ts";
import { createHeaderRules, type HeaderRules } from "./header-rules.ts";
import { createJsonScanner, type JsonScanner } from "./json-scan.ts";
import { createModelLister, toModel, toModelList } from "./model-list.ts";
import type { AuthzRequest, DecisionContext } from "./request.ts";
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
  readonly listModels: ReturnType<typeof createModelLister>;
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
    listModels: createModelLister(),
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
    const list = { names: deps.listModels(snapshot, key), query };
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
  const authorization = authorizeModel(snapshot, key, reading.model.name, lots);
  if (!authorization.ok) return deny(facts, authorization.reason, {}, authorization.trace);
  const { resolution: main } = authorization;
  const nested: ResolvedToken[] = [];
  for (const token of reading.nestedModels) {
    const other = authorizeModel(snapshot, key, token.name, lots);
    if (!other.ok) return deny(facts, other.reason, { name: token.place }, other.trace);
    nested.push({ token, resolution: other.resolution });
  }
  const models = [main, ...nested.map(({ resolution }) => resolution)].flatMap(
    (each) => each.models,
  );
  const field = refusedField(snapshot, reading, models);
  if (field !== undefined) return deny(facts, "field_not_allowed", { name: field });
  // Without body edits only the main model follows the header; an alias beside it would reach the backend as it is.
  const stuck = settings.bodyEdits === "splice" ? undefined : nested.find(needsEdit(snapshot));
  if (stuck !== undefined) return deny(facts, "field_not_allowed", { name: stuck.token.place });
  return allow(deps, facts.dialect, {
    key,
    snapshot,
    request,
    main: { token: reading.model, resolution: main },
    nested,
    bytes,
    setContentType: admission.setContentType,
    operation: operation.name,
  });
}

/** A field that the body may not have because of what serves one of the models that can run. */
function refusedField(
  snapshot: Snapshot,
  reading: Extract<BodyReading, { ok: true }>,
  models: readonly string[],
): string | undefined {
  if (reading.routerFields.length === 0 && reading.strictFields.length === 0) return undefined;
  const entries = models.map((model) => snapshot.catalogue?.get(model));
  // A model that nobody described is served by a router, for all we know.
  const isRouter = (entry: CatalogueModel | undefined): boolean => entry?.backend !== "leaf";
  const routerField = entries.some(isRouter) ? reading.routerFields[0] : undefined;
  if (routerField !== undefined) return routerField;
  return entries.some((entry) => entry?.strictFields === true)
    ? reading.strictFields[0]
    : undefined;
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
