// What an allow consists of: the headers to set and to remove, the target, and the exact bytes of the body to replace, so
// that the backend runs the models that were authorized and everything else stays as it was sent.

import { withPartLengths } from "./body/multipart/lengths.ts";
import type { ModelToken } from "./body/reading.ts";
import type { AllowDecision, BodyEdit } from "./decision.ts";
import type { DecisionSettings } from "./decision-settings.ts";
import type { HeaderRules } from "./http/header-rules.ts";
import { identityHeaders } from "./http/header-table.ts";
import type { Operation } from "./http/operations.ts";
import { keyParameter, queryKey } from "./http/query-rules.ts";
import type { PathModel } from "./http/routes.ts";
import { editTarget, encodeModel, type Target } from "./http/target.ts";
import type { Resolved } from "./permission/authorize.ts";
import type { Snapshot, VirtualKey } from "./permission/snapshot.ts";
import type { AuthzRequest } from "./request.ts";

/** A place in the body that names a model, and what the name was resolved and authorized to be. */
export type ResolvedToken = { readonly token: ModelToken; readonly resolution: Resolved };

/** Where the model stands in the target, beside or instead of the body. */
export type TargetModel =
  | { readonly place: "path"; readonly model: PathModel }
  | { readonly place: "query"; readonly parameter: string; readonly raw: string };

export type Allowed = {
  readonly key: VirtualKey;
  readonly snapshot: Snapshot;
  readonly request: AuthzRequest;
  readonly operation: Operation;
  readonly target: Target;
  /** The path that the backend knows in place of the target's. */
  readonly backendPath: string;
  readonly targetModel: TargetModel | undefined;
  /** The name that the caller sent, and what it is. */
  readonly requestedModel: string;
  readonly resolution: Resolved;
  /** Every place in the body that names a model. */
  readonly tokens: readonly ResolvedToken[];
  readonly bytes: Uint8Array;
  readonly setContentType: boolean;
};

export type AllowDeps = {
  readonly settings: DecisionSettings;
  readonly headerRules: HeaderRules;
};

export function allow({ settings, headerRules }: AllowDeps, allowed: Allowed): AllowDecision {
  const { key, snapshot, request, operation, requestedModel, resolution, bytes } = allowed;
  const { model, hops } = resolution;
  const team = key.team?.name;
  const setHeaders = [
    ...settings.modelHeaders.map((name) => [name, model] as const),
    [identityHeaders.key, key.name] as const,
    ...(team === undefined ? [] : [[identityHeaders.team, team] as const]),
    [identityHeaders.requestedModel, requestedModel] as const,
    ...(allowed.setContentType ? [["content-type", "application/json"] as const] : []),
  ];
  const removal = headerRules.removal(request.headers, setHeaders);
  return {
    kind: "allow",
    dialect: operation.dialect,
    operation: operation.name,
    key: key.name,
    team,
    requestedModel,
    revision: snapshot.revision,
    model,
    upstreamModel: upstreamName(snapshot, model),
    hops,
    bodyBytes: bytes.length,
    bodyEdits: settings.bodyEdits === "splice" ? bodyEdits(snapshot, bytes, allowed.tokens) : [],
    path: newPath(settings, allowed),
    setHeaders,
    upstreamCredential: snapshot.catalogue.models.get(model)?.upstreamCredential,
    removeHeaders: removal.names,
    droppedHeaders: removal.dropped,
  };
}

export function upstreamName(snapshot: Snapshot, model: string): string {
  return snapshot.catalogue.models.get(model)?.upstreamName ?? model;
}

/** Whether the backend knows the model by another name than the one that stands there. */
export function needsEdit(snapshot: Snapshot): (resolved: ResolvedToken) => boolean {
  return ({ token, resolution }) => upstreamName(snapshot, resolution.model) !== token.name;
}

/**
 * What stands raw in a target and is more than a part of a name to some server: a space where it is "+", the end of a path
 * or of a parameter where it is ";".
 */
const needsEscapes = /[^\w.:/@=~%-]/;

/** The target for the backend, where it differs: canonical, with the model's name there, without the caller's key. */
function newPath(settings: DecisionSettings, allowed: Allowed): string | undefined {
  const { snapshot, target, targetModel, requestedModel, resolution, operation } = allowed;
  const name = upstreamName(snapshot, resolution.model);
  const remove = keyRemoval(settings);
  const toRouter = operation.routerPath !== undefined && isForRouter(snapshot, resolution.models);
  let path = allowed.backendPath;
  if (targetModel?.place === "path" && !toRouter) {
    const { raw, before, after } = targetModel.model;
    if (name !== requestedModel || needsEscapes.test(raw)) {
      path = `${before}${encodeModel(name)}${after}`;
    }
  }
  if (toRouter) path = operation.routerPath ?? path;
  const parameter = targetModel?.place === "query" ? targetModel.parameter : undefined;
  const mustEdit =
    targetModel?.place === "query" &&
    (name !== requestedModel || toRouter || needsEscapes.test(targetModel.raw));
  if (parameter !== undefined && mustEdit) {
    const replace = new Map([[parameter, encodeModel(name)]]);
    const rename = toRouter ? { from: parameter, to: "model" } : undefined;
    return editTarget(target, { path, replace, remove, rename });
  }
  return path === target.path ? withoutKey(settings, target) : editTarget(target, { path, remove });
}

/** Whether one of the models that can run may be served by what chooses by itself. */
export function isForRouter(snapshot: Snapshot, models: readonly string[]): boolean {
  return models.some((model) => snapshot.catalogue.models.get(model)?.backend !== "leaf");
}

/** The target without the caller's key, where it holds one that is not kept. */
export function withoutKey(settings: DecisionSettings, target: Target): string | undefined {
  const remove = keyRemoval(settings);
  const holdsKey = remove.size > 0 && queryKey(target.query) !== undefined;
  return holdsKey ? editTarget(target, { remove }) : undefined;
}

const theKey: ReadonlySet<string> = new Set([keyParameter]);
const nothing: ReadonlySet<string> = new Set();

function keyRemoval({ keepCredentials, keyCarriers }: DecisionSettings): ReadonlySet<string> {
  return keepCredentials || !keyCarriers.includes(keyParameter) ? nothing : theKey;
}

function bodyEdits(
  snapshot: Snapshot,
  bytes: Uint8Array,
  resolved: readonly ResolvedToken[],
): readonly BodyEdit[] {
  const edits: BodyEdit[] = [];
  for (const { token, resolution } of resolved.filter(needsEdit(snapshot))) {
    const text = token.prefix + upstreamName(snapshot, resolution.model);
    const old = Buffer.from(bytes.buffer, bytes.byteOffset + token.offset, token.length);
    edits.push({
      offset: token.offset,
      old: old.toString("utf8"),
      new: token.form === "json" ? JSON.stringify(text) : text,
    });
  }
  return withPartLengths(
    edits,
    resolved.map(({ token }) => token),
  );
}
