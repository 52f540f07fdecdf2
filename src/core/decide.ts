// The decision: route -> key -> body -> resolve -> authorize -> answer. Pure and total: it answers every request, and
// whatever it cannot show to be allowed it refuses.

import { admitBodyHeaders } from "./body/admission.ts";
import {
  type BodySubject,
  decideBody,
  decideQuery,
  type Facts,
  type ModelDeps,
  type Subject,
} from "./decide-model.ts";
import { type Decision, denyDecision as deny } from "./decision.ts";
import type { DecisionSettings } from "./decision-settings.ts";
import type { DenyDetail, DenyReason } from "./denials.ts";
import { authenticate, presentedKeyId, readKeyDigest } from "./http/credential.ts";
import { createHeaderRules } from "./http/header-rules.ts";
import type { Operation } from "./http/operations.ts";
import { keyParameter, queryFault, queryKey } from "./http/query-rules.ts";
import { createRouteTable, type RouteTable } from "./http/routes.ts";
import { splitTarget, type Target } from "./http/target.ts";
import { createJsonScanner } from "./json/scan.ts";
import { createModelLister, ollamaAnswers, toModel, toModelList } from "./model-list.ts";
import { pass } from "./pass.ts";
import { authorizeModel } from "./permission/authorize.ts";
import type { Snapshot } from "./permission/snapshot.ts";
import { createWork, decisionStepsMax } from "./permission/work.ts";
import type { AuthzRequest, DecisionContext } from "./request.ts";

export type Decide = (
  snapshot: Snapshot | undefined,
  request: AuthzRequest,
  context: DecisionContext,
) => Decision;

export type Decider = {
  readonly decide: Decide;
  /**
   * What `decide` will say whatever the body is; undefined where it depends on the body, which is then needed. For who has
   * the headers first.
   */
  readonly decideHeaders: (...parameters: Parameters<Decide>) => Decision | undefined;
};

type Deps = ModelDeps & {
  readonly routes: RouteTable;
  readonly listModels: ReturnType<typeof createModelLister>;
};

/** Builds the decision for settings that stay the same for the life of the process. The result never throws. */
export function createDecider(settings: DecisionSettings): Decider {
  const deps: Deps = {
    settings,
    routes: createRouteTable(settings),
    headerRules: createHeaderRules(settings),
    scanner: createJsonScanner({ hashSeed: settings.hashSeed }),
    listModels: createModelLister(),
  };
  return {
    decide(snapshot, request, context) {
      const begun = begin(deps, snapshot, request, context);
      return "decision" in begun ? begun.decision : decideBody(deps, begun.facts, begun.subject);
    },
    decideHeaders(snapshot, request, context) {
      const begun = begin(deps, snapshot, request, context);
      return "decision" in begun ? begun.decision : undefined;
    },
  };
}

type Begun =
  | { readonly decision: Decision }
  | { readonly facts: Facts; readonly subject: BodySubject };

/** As far as the headers go. */
function begin(
  deps: Deps,
  snapshot: Snapshot | undefined,
  request: AuthzRequest,
  context: DecisionContext,
): Begun {
  const match = deps.routes.match(request.method, request.path);
  const facts: Facts = {
    dialect: match.kind === "operation" ? match.operation.dialect : match.dialect,
    operation: undefined,
    key: undefined,
    team: undefined,
    requestedModel: undefined,
    revision: snapshot?.revision,
  };
  const decided = (decision: Decision): Begun => ({ decision });
  if (match.kind === "none") {
    if (request.headers.has("anthropic-version")) facts.dialect = "anthropic";
    return decided(deny(facts, "route_not_allowed", shownPath(request.path)));
  }
  if (match.kind === "method_not_allowed") {
    return decided(deny(facts, "method_not_allowed", { allow: match.allow }));
  }
  const { operation, target, pathModel, backendPath } = match;
  facts.operation = operation.name;
  facts.dialect = dialectOf(operation, target, request);
  if (operation.answers === "probe") return decided(answer(facts, operation.name, ""));

  const fault = requestFault(deps, request, { operation, query: target.query });
  if (fault !== undefined) return decided(deny(facts, fault.reason, fault.detail));
  if (snapshot === undefined) return decided(deny(facts, "policy_missing"));

  const presented = readKeyDigest(request.headers, target.query, deps.settings.keyCarriers);
  if (!presented.ok) {
    const { reason, carrier } = presented;
    tellKeyId(deps, facts, { request, target });
    return decided(deny(facts, reason, carrier === undefined ? {} : { name: carrier }));
  }
  const authentication = authenticate(snapshot, presented.digest, context.nowMs);
  facts.key = authentication.key?.name;
  facts.team = authentication.key?.team?.name;
  if (!authentication.ok) {
    if (authentication.reason === "key_unknown") tellKeyId(deps, facts, { request, target });
    return decided(deny(facts, authentication.reason));
  }
  const { key } = authentication;
  if (operation.isUnchecked) {
    return decided(pass(deps, { facts, key, snapshot, request, operation, target }));
  }
  const subject: Subject = {
    ...{ snapshot, key, request, context, operation, target, pathModel, backendPath },
    work: createWork(decisionStepsMax),
    authorizations: new Map(),
  };
  if (operation.answers !== undefined) return decided(answerModels(deps, facts, subject));
  if (operation.modelPlace === "query") return decided(decideQuery(deps, facts, subject));
  const admission = admitBodyHeaders(request, operation, deps.settings);
  if (!admission.ok) return decided(deny(facts, admission.reason, admission.detail));
  return { facts, subject: { ...subject, admission } };
}

/** Whose key it might be: only where it is refused, and never for a caller. */
function tellKeyId(
  { settings }: Deps,
  facts: Facts,
  { request, target }: Pick<Subject, "request" | "target">,
): void {
  const keyId = presentedKeyId(request.headers, target.query, settings.keyCarriers);
  if (keyId !== undefined) facts.keyId = keyId;
}

/** Three dialects ask for /v1/models; each official SDK says by its headers or its query which list it reads. */
function dialectOf(
  { answers, dialect }: Operation,
  { query }: Target,
  { headers }: AuthzRequest,
): Operation["dialect"] {
  if (answers === undefined || dialect !== "openai") return dialect;
  if (headers.has("anthropic-version")) return "anthropic";
  const isGemini = headers.has("x-goog-api-key") || queryKey(query) !== undefined;
  return isGemini ? "gemini" : dialect;
}

type Fault = { readonly reason: DenyReason; readonly detail: DenyDetail };

/** What is wrong with the request whoever sends it. */
function requestFault(
  { settings, headerRules }: Deps,
  { headers }: AuthzRequest,
  { operation, query }: { operation: Operation; query: string },
): Fault | undefined {
  const upgrade = headers.get("upgrade")?.trim().toLowerCase();
  // Envoy checks an upgrade without its body and forwards it with it (envoy-facts 0.16).
  if (operation.modelPlace === "query" ? !isWebsocket(upgrade, headers) : upgrade !== undefined) {
    return { reason: "upgrade_not_allowed", detail: {} };
  }
  const header = headerRules.refusedHeader(headers);
  if (header !== undefined) return { reason: "header_not_allowed", detail: named(header) };
  const fault = queryFault(query, operation, {
    extra: settings.queryParameters,
    takesKey: settings.keyCarriers.includes(keyParameter),
  });
  return fault === undefined ? undefined : { reason: fault.reason, detail: named(fault.name) };
}

/** A websocket, and nothing that would hide a body behind it. */
function isWebsocket(upgrade: string | undefined, headers: ReadonlyMap<string, string>): boolean {
  if (upgrade !== "websocket" || headers.has("transfer-encoding")) return false;
  return (headers.get("content-length") ?? "0") === "0";
}

/** A name from the request is repeated to the caller only when it is harmless wherever it ends up. */
function named(name: string): DenyDetail {
  return /^[A-Za-z0-9_.$%[\]-]{1,64}$/.test(name) ? { name } : {};
}

/** The path that nobody serves, where it is harmless wherever it ends up; a segment that may be a key is not repeated. */
function shownPath(target: string): DenyDetail {
  const { path } = splitTarget(target);
  if (!/^\/[A-Za-z0-9_.:@$%~/-]{0,127}$/.test(path)) return {};
  const isKey = (segment: string): boolean => segment.length >= 40 || /^(ag_|sk-)/.test(segment);
  const segments = path.split("/").map((segment) => (isKey(segment) ? "(hidden)" : segment));
  return { path: segments.join("/") };
}

/** What is answered here: the list of models, one of them, or what Ollama's clients ask of a server. */
function answerModels(
  { listModels }: Deps,
  facts: Facts,
  { snapshot, key, operation, target, pathModel, request, context, work }: Subject,
): Decision {
  if (operation.answers === "version" || operation.answers === "running") {
    return answer(facts, operation.name, JSON.stringify(ollamaAnswers[operation.answers]));
  }
  if (pathModel === undefined) {
    const names = listModels(snapshot, key);
    if (names === undefined) return deny(facts, "policy_too_complex");
    const list = { names, query: target.query };
    const body = JSON.stringify(toModelList(facts.dialect, snapshot, list));
    return answer(facts, operation.name, body);
  }
  const { name } = pathModel;
  facts.requestedModel = name;
  const lots = { draw: context.draw, headers: request.headers };
  const authorization = authorizeModel(snapshot, key, { requested: name, lots, work });
  if (!authorization.ok) return deny(facts, authorization.reason, {}, authorization.trace);
  return answer(facts, operation.name, JSON.stringify(toModel(facts.dialect, snapshot, name)));
}

function answer(facts: Facts, operation: string, body: string): Decision {
  return { ...facts, kind: "answer", operation, status: 200, body };
}
