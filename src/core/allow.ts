// What an allow consists of: the headers to set and to remove, and the exact bytes of the body to replace, so that the
// backend runs the models that were authorized and everything else stays as it was sent.

import type { ModelToken } from "./body-reading.ts";
import type { AllowDecision, BodyEdit, Dialect } from "./decision.ts";
import type { DecisionSettings } from "./decision-settings.ts";
import { type HeaderRules, identityHeaders } from "./header-rules.ts";
import type { AuthzRequest } from "./request.ts";
import type { Resolution } from "./resolve.ts";
import type { Snapshot, VirtualKey } from "./snapshot.ts";

/** A place in the body that names a model, and what the name was resolved and authorized to be. */
export type ResolvedToken = {
  readonly token: ModelToken;
  readonly resolution: Extract<Resolution, { ok: true }>;
};

export type Allowed = {
  readonly key: VirtualKey;
  readonly snapshot: Snapshot;
  readonly request: AuthzRequest;
  readonly main: ResolvedToken;
  readonly nested: readonly ResolvedToken[];
  readonly bytes: Uint8Array;
  readonly setContentType: boolean;
  /** Name of the operation. */
  readonly operation: string;
};

export type AllowDeps = {
  readonly settings: DecisionSettings;
  readonly headerRules: HeaderRules;
};

export function allow(
  { settings, headerRules }: AllowDeps,
  dialect: Dialect,
  { key, snapshot, request, main, nested, bytes, setContentType, operation }: Allowed,
): AllowDecision {
  const { model, hops } = main.resolution;
  const requestedModel = main.token.name;
  const team = key.team?.name;
  return {
    kind: "allow",
    dialect,
    operation,
    key: key.name,
    team,
    requestedModel,
    revision: snapshot.revision,
    model,
    upstreamModel: upstreamName(snapshot, model),
    hops,
    bodyBytes: bytes.length,
    bodyEdits: settings.bodyEdits === "splice" ? bodyEdits(snapshot, bytes, [main, ...nested]) : [],
    path: undefined,
    setHeaders: [
      ...settings.modelHeaders.map((name) => [name, model] as const),
      [identityHeaders.key, key.name],
      ...(team === undefined ? [] : [[identityHeaders.team, team] as const]),
      [identityHeaders.requestedModel, requestedModel],
      ...(setContentType ? [["content-type", "application/json"] as const] : []),
    ],
    removeHeaders: headerRules.removedHeaders(request.headers, team),
  };
}

function upstreamName(snapshot: Snapshot, model: string): string {
  return snapshot.catalogue?.get(model)?.upstreamName ?? model;
}

/** Whether the backend knows the model by another name than the one that stands there. */
export function needsEdit(snapshot: Snapshot): (resolved: ResolvedToken) => boolean {
  return ({ token, resolution }) => upstreamName(snapshot, resolution.model) !== token.name;
}

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
