// Request headers by the table and the settings: which are refused, which go to the backend, which do not and why.

import type { DecisionSettings } from "../decision-settings.ts";
import { credentialCarriers } from "./credential.ts";
import {
  alwaysRemovedHeaders,
  createHeaderLookup,
  type HeaderRow,
  headerRows,
  identityHeaders,
  methodOverrideHeaders,
} from "./header-table.ts";

/** Why a header does not reach the backend; a label of a metric. */
export const droppedHeaderKinds = ["credential", "routing", "unknown"] as const;
export type DroppedHeaderKind = (typeof droppedHeaderKinds)[number];

/** A header of the request that the backend does not get. The key's own carriers are not among them. */
export type DroppedHeader = {
  readonly name: string;
  readonly kind: DroppedHeaderKind;
  /** What it is, in words of the table; undefined where it stands in no row. */
  readonly row: string | undefined;
};

export type HeaderRemoval = {
  /** Names to remove before the backend: carriers of the key, and what is dropped. */
  readonly names: readonly string[];
  readonly dropped: readonly DroppedHeader[];
};

export type SetHeaders = readonly (readonly [name: string, value: string])[];

export type HeaderRules = {
  /** The name of a header that must not be there, or undefined. `upgrade` is the route's affair. */
  refusedHeader(headers: ReadonlyMap<string, string>): string | undefined;
  /** None of those that are `set`: Envoy removes after it sets. */
  removal(headers: ReadonlyMap<string, string>, set: SetHeaders): HeaderRemoval;
};

const lookup = createHeaderLookup(headerRows);
const carriers: ReadonlySet<string> = new Set(credentialCarriers);
const overrides: ReadonlySet<string> = new Set(methodOverrideHeaders);
const connectionTokens = new Set(["keep-alive", "close", "te", "upgrade", ""]);

export function createHeaderRules(settings: DecisionSettings): HeaderRules {
  const modelHeaders: ReadonlySet<string> = new Set(settings.modelHeaders);
  const named: ReadonlySet<string> = new Set(settings.keyCarriers);
  const ownCarriers = credentialCarriers.filter((name) => named.has(name));
  const always: readonly string[] = [
    ...(settings.keepCredentials ? [] : ownCarriers),
    ...alwaysRemovedHeaders.filter((name) => !modelHeaders.has(name)),
  ];
  const isAlways: ReadonlySet<string> = new Set(always);
  const added = createHeaderLookup([
    { kind: "forward-headers", rule: "forwarded", names: settings.forwardHeaders },
  ]);
  const isTwin = (name: string): boolean => {
    const twin = twinOf(name);
    return isListed(twin) || modelHeaders.has(twin);
  };
  const drop = (name: string): DroppedHeader | undefined => {
    if (carriers.has(name) || added.of(name) !== undefined) return undefined;
    const row = modelHeaders.has(name) ? modelHeaderRow : lookup.of(name);
    if (row?.rule === "forwarded") return undefined;
    if (row?.rule === "credential" && settings.keepCredentials) return undefined;
    const kind =
      row === undefined ? "unknown" : row.rule === "credential" ? "credential" : "routing";
    return { name, kind, row: row?.kind };
  };
  return {
    refusedHeader(headers) {
      for (const [name, value] of headers) {
        if (name.includes("_") && !lookup.names(name) && isTwin(name)) return name;
        if (overrides.has(name)) return name;
        if (name === "connection" && !hasOnlyHopTokens(value)) return name;
        if (name === "sec-websocket-protocol" && !hasOnlyPlainProtocols(value)) return name;
      }
      return undefined;
    },
    removal(headers, set) {
      const dropped: DroppedHeader[] = [];
      for (const name of headers.keys()) {
        const header = drop(name);
        if (header !== undefined && !isSet(set, name)) dropped.push(header);
      }
      const names = [...always];
      for (const { name } of dropped) if (!isAlways.has(name)) names.push(name);
      return { names, dropped };
    },
  };
}

function isSet(set: SetHeaders, wanted: string): boolean {
  return set.some(([name]) => name === wanted);
}

const modelHeaderRow: HeaderRow = { kind: "the model", rule: "removed", names: [] };

/** Backends that read headers as CGI variables cannot tell `content_type` or `authorization_` from the real ones. */
function twinOf(name: string): string {
  return name.replaceAll("_", "-").replaceAll(/^-+|-+$/g, "");
}

function isListed(name: string): boolean {
  return carriers.has(name) || lookup.of(name) !== undefined;
}

/**
 * Whether the setting `forward-headers` may name this, exactly or as `prefix-*`: nothing that carries the model, the key or
 * our own word, and no prefix that such a name begins with or that begins such a family.
 */
export function isForwardableHeader(entry: string, modelHeaders: readonly string[]): boolean {
  if (!/^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9_])?(?:-\*)?$/.test(entry)) return false;
  const name = entry.endsWith("-*") ? entry.slice(0, -1) : entry;
  if (name === entry && name.includes("_") && isListed(twinOf(name))) return false;
  if (name !== entry && name.includes("_")) return false;
  const never = [
    ...[...credentialCarriers, ...Object.values(identityHeaders), ...modelHeaders],
    ...headerRows.flatMap((row) => (row.carriesModel === true ? row.names : [])),
  ];
  return !never.some((each) => overlaps(entry, name, each));
}

/** Whether what the entry names and what `never` names have a header in common. */
function overlaps(entry: string, name: string, never: string): boolean {
  const isPrefix = name !== entry;
  if (!never.endsWith("-*")) return isPrefix ? never.startsWith(name) : never === name;
  const family = never.slice(0, -1);
  return name.startsWith(family) || (isPrefix && family.startsWith(name));
}

/** Any other token would make a proxy drop that header: the one that names the model, perhaps. */
function hasOnlyHopTokens(value: string): boolean {
  return value.split(",").every((token) => connectionTokens.has(token.trim().toLowerCase()));
}

/** Browsers put a key, an organization or a project there: `openai-insecure-api-key.KEY`, `openai-project.ID`. */
function hasOnlyPlainProtocols(value: string): boolean {
  return value
    .split(",")
    .every((token) => /^(|realtime|openai-beta\.[a-z0-9.-]{1,64})$/.test(token.trim()));
}
