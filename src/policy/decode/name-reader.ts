// Readers of the names, times and digests that a policy is made of. What they return is within its grammar.

import { isBodyField, isRefusableField } from "../../core/body/field-table.ts";
import {
  isAliasName,
  isModelName,
  isModelPattern,
  modelGrammar,
} from "../../core/permission/model-name.ts";
import { type Field, reportNothing, wanted } from "./field-reader.ts";
import { policyLimits } from "./limits.ts";
import { parseTimestamp } from "./timestamp.ts";

/** What is wrong with the name of an alias, or undefined. */
export function aliasNameFault(name: string): string | undefined {
  return isAliasName(name)
    ? undefined
    : `is no alias: it must be ${modelGrammar}, and may end in one *`;
}

export function readModelName(field: Field): string | undefined {
  const { value, path, report } = field;
  if (typeof value !== "string") return wanted(field, "a model name");
  if (isModelName(value)) return value;
  if (value.includes("*") && isModelPattern(value)) {
    return reportNothing(report, path, "must be one model, not a pattern: found a *");
  }
  return wanted(field, `a model name (${modelGrammar})`);
}

/** A model name in which `*` may stand for any run of characters. */
export function readModelPattern(field: Field): string | undefined {
  const { value } = field;
  if (typeof value !== "string") return wanted(field, "a model name or pattern");
  if (isModelPattern(value)) return value;
  return wanted(field, `a model name or a pattern with * (otherwise ${modelGrammar})`);
}

/** The name of an alias, which may stand for all names that begin alike. */
export function readAliasName(field: Field): string | undefined {
  const { value, path, report } = field;
  if (typeof value !== "string") return wanted(field, "a model name");
  if (isAliasName(value)) return value;
  if (isModelPattern(value)) {
    return reportNothing(report, path, "must have its one * at the end: found it elsewhere");
  }
  return wanted(field, `a model name (${modelGrammar}), which may end in one *`);
}

/**
 * An alias in `grants.aliases`, by its name as written. `x-*` there is the alias `x-*` and not every alias that begins with
 * `x-`: whoever may name an alias could otherwise name one that fits.
 */
export function readGrantedAlias(field: Field): string | undefined {
  return readAliasName(field);
}

const dnsSubdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** The name of an object: a DNS-1123 subdomain. */
export function readObjectName(field: Field): string | undefined {
  const { value } = field;
  const { objectNameLength } = policyLimits;
  if (typeof value === "string" && value.length <= objectNameLength && dnsSubdomain.test(value)) {
    return value;
  }
  const grammar = `1 to ${objectNameLength} of a-z 0-9 - and ., beginning and ending with a-z 0-9`;
  return wanted(field, `an object name (${grammar})`);
}

/** A namespace: a DNS-1123 label. */
export function readNamespace(field: Field): string | undefined {
  const { value } = field;
  const { namespaceLength } = policyLimits;
  if (typeof value === "string" && value.length <= namespaceLength && dnsLabel.test(value)) {
    return value;
  }
  return wanted(field, `a namespace name (1 to ${namespaceLength} of a-z 0-9 and inner -)`);
}

/** A header name, lower-cased: the names of headers have no letter case. */
export function readHeaderName(field: Field): string | undefined {
  const { value } = field;
  const { headerNameLength } = policyLimits;
  if (typeof value === "string" && value.length <= headerNameLength) {
    if (/^[A-Za-z0-9-]+$/.test(value)) return value.toLowerCase();
  }
  return wanted(field, `a header name (1 to ${headerNameLength} of A-Z a-z 0-9 -)`);
}

/** The entry of a Secret, as Kubernetes allows it. */
export function readSecretKey(field: Field): string | undefined {
  const { value } = field;
  const { secretKeyLength } = policyLimits;
  if (typeof value === "string" && value.length <= secretKeyLength) {
    if (/^[A-Za-z0-9._-]+$/.test(value)) return value;
  }
  return wanted(field, `the name of an entry (1 to ${secretKeyLength} of A-Z a-z 0-9 . _ -)`);
}

/** The name of an upstream credential: an entry of a Secret, which is a file where the Secret is mounted. */
export function readCredentialName(field: Field): string | undefined {
  const { value } = field;
  if (typeof value === "string" && value.startsWith(".")) {
    return wanted(field, "the name of an entry that does not begin with a dot");
  }
  return readSecretKey(field);
}

/** An RFC 3339 time with a zone, as milliseconds since the epoch. */
export function readTimestamp(field: Field): number | undefined {
  const { value } = field;
  if (typeof value === "string" && value.length <= policyLimits.timestampLength) {
    const time = parseTimestamp(value);
    if (time !== undefined) return time;
  }
  return wanted(field, "a timestamp with a zone like 2026-12-01T00:00:00Z (RFC 3339)");
}

/** `sha256:` and 64 hex characters, as the 64. What was found is never shown: it could be the key itself. */
export function readKeyHash({ value, path, report }: Field): string | undefined {
  const digest = typeof value === "string" ? /^sha256:([0-9a-f]{64})$/.exec(value)?.[1] : undefined;
  if (digest !== undefined) return digest;
  const found =
    typeof value === "string" ? `a string of ${value.length} characters` : "no string at all";
  const upper = typeof value === "string" && /^sha256:[0-9A-Fa-f]{64}$/.test(value);
  const hint = upper ? "; write the hex digits in lower case" : "";
  const message = `must be sha256: and the 64 lower-case hex digits of the key's SHA-256`;
  return reportNothing(report, path, `${message}: found ${found}${hint}`);
}

/** A field of request bodies in `Model.bodyFields`. */
export function readBodyField(field: Field): string | undefined {
  const { value } = field;
  const isOne = typeof value === "string" && value.length <= policyLimits.fieldNameLength;
  if (isOne && isBodyField(value)) return value;
  return wanted(
    field,
    "the name of a body field, such as top_k, metadata.tags or x_*, and not model",
  );
}

/** A field of request bodies, or a type of tools, in `Model.refusedFields`. */
export function readRefusedField(field: Field): string | undefined {
  const { value } = field;
  const isOne = typeof value === "string" && value.length <= policyLimits.fieldNameLength;
  if (isOne && isRefusableField(value)) return value;
  const what = "the name of a body field, such as container, or tools[].type=TYPE, and not model";
  return wanted(field, what);
}
