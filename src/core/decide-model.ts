// From the places that name models to the allow: every one is resolved and authorized, all that must be one model is one,
// and what the backend reads is what was authorized.

import {
  type Allowed,
  allow,
  isForRouter,
  needsEdit,
  type ResolvedToken,
  type TargetModel,
  upstreamName,
} from "./allow.ts";
import { admitBodyBytes, type HeaderAdmission } from "./body/admission.ts";
import { refusedField } from "./body/field-judgement.ts";
import { readJsonBody } from "./body/json-body.ts";
import { readMultipartBody } from "./body/multipart/form.ts";
import type { BodyReading, ModelToken } from "./body/reading.ts";
import { type Decision, type DecisionFacts, denyDecision as deny } from "./decision.ts";
import type { DecisionSettings } from "./decision-settings.ts";
import type { DenyDetail, DenyReason } from "./denials.ts";
import type { HeaderRules } from "./http/header-rules.ts";
import type { Operation } from "./http/operations.ts";
import { queryModel } from "./http/query-rules.ts";
import type { PathModel } from "./http/routes.ts";
import type { Target } from "./http/target.ts";
import type { JsonScanner } from "./json/scan.ts";
import {
  type Authorization,
  authorizeModel,
  type Resolved,
  refuseRawModel,
} from "./permission/authorize.ts";
import { describedBy } from "./permission/descriptions.ts";
import { isPathSafeModelName } from "./permission/model-name.ts";
import type { CatalogueModel, Snapshot, VirtualKey } from "./permission/snapshot.ts";
import type { Work } from "./permission/work.ts";
import type { AuthzRequest, DecisionContext } from "./request.ts";

export type ModelDeps = {
  readonly settings: DecisionSettings;
  readonly headerRules: HeaderRules;
  readonly scanner: JsonScanner;
};

/** What is known of the request so far; grows step by step and ends in the decision. */
export type Facts = { -readonly [Name in keyof DecisionFacts]: DecisionFacts[Name] };

/** A request that was understood, of a caller that is known. */
export type Subject = {
  readonly snapshot: Snapshot;
  readonly key: VirtualKey;
  readonly request: AuthzRequest;
  readonly context: DecisionContext;
  readonly operation: Operation;
  readonly target: Target;
  readonly pathModel: PathModel | undefined;
  /** The path that the backend knows in place of the target's. */
  readonly backendPath: string;
  /** What may still be looked at, for all the models that the request names together. */
  readonly work: Work;
  /** What was found out about a name, for it may stand in many places. */
  readonly authorizations: Map<string, Authorization>;
};

/** A subject whose body is what is looked at next. */
export type BodySubject = Subject & {
  readonly admission: Extract<HeaderAdmission, { readonly ok: true }>;
};

const noBytes = new Uint8Array();

/** The model stands in the query, and there is no body. */
export function decideQuery(deps: ModelDeps, facts: Facts, subject: Subject): Decision {
  const { operation, target } = subject;
  const parameter = operation.modelParameter ?? "model";
  const found = queryModel(target.query, parameter);
  if (!found.ok) return deny(facts, found.reason, { name: parameter });
  facts.requestedModel = found.name;
  const authorization = authorize(subject, found.name);
  if (!authorization.ok) return forbid(facts, authorization);
  const { resolution } = authorization;
  if (!isPathSafeModelName(upstreamName(subject.snapshot, resolution.model))) {
    return deny(facts, "model_conflict", { name: parameter });
  }
  const targetModel: TargetModel = { place: "query", parameter, raw: found.raw };
  const rest = { tokens: [], bytes: noBytes, setContentType: false };
  return allow(deps, { ...subject, ...rest, targetModel, requestedModel: found.name, resolution });
}

export function decideBody(deps: ModelDeps, facts: Facts, subject: BodySubject): Decision {
  const { settings } = deps;
  const { snapshot, request, admission, pathModel } = subject;
  const admitted = admitBodyBytes(request, admission.contentLength, settings);
  if (!admitted.ok) return deny(facts, admitted.reason, admitted.detail);
  const { bytes } = admitted;
  const reading = readBody(deps, subject, bytes);
  if (!reading.ok) return deny(facts, reading.reason, reading.detail);
  const requestedModel = pathModel?.name ?? reading.model?.name;
  if (requestedModel === undefined) return deny(facts, "model_missing");
  facts.requestedModel = requestedModel;

  const authorization = authorize(subject, requestedModel);
  if (!authorization.ok) return forbid(facts, authorization);
  const { resolution } = authorization;
  if (pathModel !== undefined && !canHold(pathModel, upstreamName(snapshot, resolution.model))) {
    return deny(facts, "model_conflict", { name: "path" });
  }
  const misread = pathModel && refusedReading(subject, pathModel, resolution);
  if (misread !== undefined) return forbid(facts, misread);
  const main = mainTokens(subject, reading, { requestedModel, resolution });
  if (!main.ok) return deny(facts, main.reason, main.detail);
  // The path that names it there does not reach a backend that can choose.
  const needsBody = subject.operation.routerPath !== undefined && main.tokens.length === 0;
  if (needsBody && isForRouter(snapshot, resolution.models)) {
    return deny(facts, "model_missing", { name: "model" });
  }
  const nested: ResolvedToken[] = [];
  for (const token of reading.nestedModels) {
    const other = authorize(subject, token.name);
    if (!other.ok) return forbid(facts, other, { name: token.place });
    nested.push({ token, resolution: other.resolution });
  }
  const resolutions = new Set([resolution, ...nested.map((each) => each.resolution)]);
  const models = [...resolutions].flatMap((each) => each.models);
  const field = refusedField(reading, settings, serversOf(snapshot, models));
  if (field !== undefined) return deny(facts, "field_not_allowed", field);
  // Without body edits only the main model follows the header; an alias beside it would reach the backend as it is.
  const stuck = settings.bodyEdits === "splice" ? undefined : nested.find(needsEdit(snapshot));
  if (stuck !== undefined) return deny(facts, "field_not_allowed", { name: stuck.token.place });
  const allowed: Allowed = {
    ...subject,
    targetModel: pathModel && { place: "path", model: pathModel },
    requestedModel,
    resolution,
    tokens: [...main.tokens, ...nested],
    bytes,
    setContentType: admission.media.kind === "json" && admission.media.setContentType,
  };
  return allow(deps, allowed);
}

function readBody(
  { scanner }: ModelDeps,
  { operation, request, admission }: BodySubject,
  bytes: Uint8Array,
): BodyReading {
  const { dialect, bodyModel, modelField } = operation;
  const options = { dialect, modelField, modelRule: bodyModel, scanner };
  if (admission.media.kind === "json") {
    return readJsonBody(bytes, { ...options, isText: request.body.kind === "text" });
  }
  // Sanitised text has other bytes than the form that came: files in it would be broken, and so could be its boundaries.
  if (request.body.kind === "text") return { ok: false, reason: "body_not_raw", detail: {} };
  return readMultipartBody(bytes, { ...options, boundary: admission.media.boundary });
}

function authorize(subject: Subject, name: string): Authorization {
  const { snapshot, key, context, request, work, authorizations } = subject;
  const known = authorizations.get(name);
  if (known !== undefined) return known;
  const lots = { draw: context.draw, headers: request.headers };
  const authorization = authorizeModel(snapshot, key, { requested: name, lots, work });
  authorizations.set(name, authorization);
  return authorization;
}

/** What is known of those that serve the models: undefined is one that nobody described. */
function serversOf(
  { catalogue }: Snapshot,
  models: readonly string[],
): ReadonlySet<CatalogueModel | undefined> {
  const servers = new Set<CatalogueModel | undefined>();
  for (const model of models) {
    if (!catalogue.models.has(model)) servers.add(undefined);
    for (const known of describedBy(catalogue, model)) servers.add(known);
  }
  return servers;
}

/** Whether the path is read back alike with this name in it, by whatever decodes it first. */
function canHold(pathModel: PathModel, upstream: string): boolean {
  return isPathSafeModelName(upstream) && pathModel.canHold(upstream);
}

function forbid(
  facts: DecisionFacts,
  { reason, trace }: Extract<Authorization, { ok: false }>,
  detail: DenyDetail = {},
): Decision {
  return deny(facts, reason, detail, trace);
}

/**
 * On a Gemini path some routers take the name to end at the first ":", others at the last: what the first kind would run
 * must be granted too. Every model that can run is looked at, so that no lot decides whether the caller is served.
 */
function refusedReading(
  { snapshot, key, work }: Subject,
  { after }: PathModel,
  { models, hops }: Main["resolution"],
): Extract<Authorization, { ok: false }> | undefined {
  if (!after.startsWith(":")) return undefined;
  for (const model of models) {
    const name = upstreamName(snapshot, model);
    const [reading = ""] = name.split(":", 1);
    if (reading === name || !isForRouter(snapshot, [model])) continue;
    const refusal = refuseRawModel(snapshot, key, { name: reading, work });
    if (refusal === undefined) continue;
    const trace = { ...refusal, hops: [...hops, name], model: reading };
    return { ok: false, reason: "model_not_granted", trace };
  }
  return undefined;
}

type Main = {
  readonly requestedModel: string;
  readonly resolution: Resolved;
};

type MainTokens =
  | { readonly ok: true; readonly tokens: readonly ResolvedToken[] }
  | { readonly ok: false; readonly reason: DenyReason; readonly detail: DenyDetail };

/** The places in the body where the main model stands: each must be it, except where the path overrides the body. */
function mainTokens(
  subject: BodySubject,
  { model, sameModels }: Extract<BodyReading, { ok: true }>,
  main: Main,
): MainTokens {
  const { resolution } = main;
  const isOverridden = subject.operation.bodyModel === "overridden";
  const tokens: ResolvedToken[] = [];
  for (const token of [...(model === undefined ? [] : [model]), ...sameModels]) {
    if (!isOverridden && !isMain(subject, token, main)) {
      return { ok: false, reason: "model_conflict", detail: { name: token.place } };
    }
    tokens.push({ token, resolution });
  }
  return { ok: true, tokens };
}

/** The same name, or another one that can lead to the very same model and to nothing else. */
function isMain(
  subject: Subject,
  { name }: ModelToken,
  { requestedModel, resolution }: Main,
): boolean {
  if (name === requestedModel) return true;
  const other = authorize(subject, name);
  if (!other.ok) return false;
  const [ours, theirs] = [resolution.choices, other.resolution.choices];
  return ours.length === 1 && theirs.length === 1 && ours[0] === theirs[0];
}
