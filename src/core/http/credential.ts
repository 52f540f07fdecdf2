// Headers and query -> presented key -> digest. The presented key exists as a string in this file and nowhere later.

import { hash } from "node:crypto";
import type { DenyReason } from "../denials.ts";
import type { KeyRecord, Snapshot, VirtualKey } from "../permission/snapshot.ts";
import { keyParameter, queryKey } from "./query-rules.ts";
import { decodeOnce } from "./target.ts";

/** Headers that may carry the virtual key, in any dialect and on any route (llm-apis: credentials). */
export const credentialCarriers = [
  "authorization",
  "x-api-key",
  "api-key",
  "x-goog-api-key",
  "x-litellm-api-key",
] as const;

/** Everything that may carry the key: the headers, and the query parameter. */
export const keyCarriers = [...credentialCarriers, keyParameter] as const;
export type KeyCarrier = (typeof keyCarriers)[number];

/** Fewest and most characters of a presented key: imported secrets have at least 20. */
export const presentedKeyLengthMin = 20;
export const presentedKeyLengthMax = 512;

export type KeyDigest =
  | { readonly ok: true; readonly digest: string }
  | {
      readonly ok: false;
      readonly reason: "key_missing" | "key_malformed" | "key_ambiguous";
      /** The carrier that is at fault, where it is one. */
      readonly carrier: string | undefined;
    };

/**
 * The digest of the one key that the request presents. The same key in several carriers is one key (Azure Foundry's
 * SDK sends it twice); different ones, or a carrier that came twice and was joined with a comma, are ambiguous.
 * A carrier without a value counts as absent; one that is not accepted is the backend's affair.
 */
export function readKeyDigest(
  headers: ReadonlyMap<string, string>,
  query: string,
  accepted: readonly KeyCarrier[] = keyCarriers,
): KeyDigest {
  let presented: string | undefined;
  let malformed: string | undefined;
  for (const { carrier, value, token } of presentations({ headers, query }, accepted)) {
    if (value.includes(",")) return { ok: false, reason: "key_ambiguous", carrier };
    if (token === undefined) malformed ??= carrier;
    else if (presented !== undefined && presented !== token) {
      return { ok: false, reason: "key_ambiguous", carrier };
    } else presented = token;
  }
  if (malformed !== undefined) return { ok: false, reason: "key_malformed", carrier: malformed };
  if (presented === undefined) return { ok: false, reason: "key_missing", carrier: undefined };
  return { ok: true, digest: hash("sha256", presented, "hex") };
}

/** What is public of a key as `aliasguard key new` makes it: the part that tells it from others and opens nothing. */
const keyIdOf = /(?:^|[^A-Za-z0-9])ag_([a-z0-9]{8})_[A-Za-z0-9_-]{20}/;

/** The public id of a key of ours, or undefined. Nothing of its secret part. */
export function publicKeyId(text: string): string | undefined {
  return keyIdOf.exec(text)?.[1];
}

/** Of the first accepted carrier that holds a key of ours, be it well-formed or not. Only for who refuses it. */
export function presentedKeyId(
  headers: ReadonlyMap<string, string>,
  query: string,
  accepted: readonly KeyCarrier[],
): string | undefined {
  for (const { value } of presentations({ headers, query }, accepted)) {
    const id = publicKeyId(value);
    if (id !== undefined) return id;
  }
  return undefined;
}

type Presentation = {
  readonly carrier: string;
  readonly value: string;
  /** undefined: what stands there is no key. */
  readonly token: string | undefined;
};

function presentations(
  { headers, query }: { headers: ReadonlyMap<string, string>; query: string },
  accepted: readonly KeyCarrier[],
): readonly Presentation[] {
  const found: Presentation[] = [];
  for (const carrier of accepted) {
    if (carrier === keyParameter) continue;
    const value = withoutBlanks(headers.get(carrier) ?? "");
    if (value !== "") found.push({ carrier, value, token: tokenOf(carrier, value) });
  }
  const raw = accepted.includes(keyParameter) ? (queryKey(query) ?? "") : "";
  if (raw !== "") {
    // A "+" is a space to some: no key that two readers could see differently.
    const value = raw.includes("+") ? undefined : decodeOnce(raw);
    const token = value !== undefined && isPresentedKey(value) ? value : undefined;
    found.push({ carrier: keyParameter, value: value ?? "", token });
  }
  return found;
}

/** Blanks around a value are HTTP's (RFC 9110, OWS); any other white space is part of what was sent. */
function withoutBlanks(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value, start)) start += 1;
  while (end > start && isBlank(value, end - 1)) end -= 1;
  return value.slice(start, end);
}

function isBlank(value: string, at: number): boolean {
  const code = value.charCodeAt(at);
  return code === 0x20 || code === 0x09;
}

const bearerOf = /^bearer +([^ ]+)$/i;

function tokenOf(carrier: (typeof credentialCarriers)[number], value: string): string | undefined {
  const bearer = bearerOf.exec(value)?.[1];
  const needsBearer = carrier === "authorization";
  const takesBearer = needsBearer || carrier === "x-litellm-api-key";
  const token = takesBearer && bearer !== undefined ? bearer : needsBearer ? undefined : value;
  return token !== undefined && isPresentedKey(token) ? token : undefined;
}

function isPresentedKey(token: string): boolean {
  const { length } = token;
  if (length < presentedKeyLengthMin || length > presentedKeyLengthMax) return false;
  return /^[\x21-\x7e]+$/.test(token);
}

export type Authentication =
  | { readonly ok: true; readonly key: VirtualKey }
  | { readonly ok: false; readonly reason: DenyReason; readonly key: VirtualKey | undefined };

/** Finds the key and whether it counts at this moment. Whoever presents a wrong one learns only that it is wrong. */
export function authenticate(snapshot: Snapshot, digest: string, nowMs: number): Authentication {
  const record = snapshot.keys.get(digest);
  if (record === undefined) return { ok: false, reason: "key_unknown", key: undefined };
  const { key } = record;
  const reason = keyFault(record, nowMs);
  return reason === undefined ? { ok: true, key } : { ok: false, reason, key };
}

function keyFault({ key, validUntilMs }: KeyRecord, nowMs: number): DenyReason | undefined {
  if (key.disabled) return "key_disabled";
  if (key.notBeforeMs !== undefined && nowMs < key.notBeforeMs) return "key_not_yet_valid";
  if (key.expiresAtMs !== undefined && nowMs >= key.expiresAtMs) return "key_expired";
  if (validUntilMs !== undefined && nowMs >= validUntilMs) return "key_previous_expired";
  if (key.team !== undefined && key.team.team === undefined) return "key_team_missing";
  if (key.team?.team?.disabled === true) return "key_team_disabled";
  return undefined;
}
