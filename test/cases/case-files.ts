// Cases as data: reads test/cases/*.json strictly, so that a misspelled field is a failure and not a case that proves
// nothing. The format is explained in test/README.md.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type DecisionSettings,
  defaultDecisionSettings,
} from "../../src/core/decision-settings.ts";
import type { CatalogueWord } from "../../src/core/permission/snapshot.ts";
import type { AuthzRequest, RequestBody } from "../../src/core/request.ts";
import type { CompiledManifests } from "../../src/sources/files/manifest-files.ts";
import { compileManifests, type ManifestFiles } from "../../src/sources/files/manifest-files.ts";

type Json = Readonly<Record<string, unknown>>;

export type Case = {
  /** File and sentence. */
  readonly name: string;
  readonly request: AuthzRequest;
  readonly settings: DecisionSettings;
  /** The settings as flags of the commands. */
  readonly flags: readonly string[];
  readonly nowMs: number;
  readonly draw: number;
  readonly want: Json;
  readonly isTwin: boolean;
  readonly hasTwin: boolean;
};

export type CaseFile = {
  readonly file: string;
  /** undefined: no policy is loaded. */
  readonly policy: CompiledManifests | undefined;
  readonly manifestText: string;
  readonly cases: readonly Case[];
};

/** When cases happen unless they say otherwise, in milliseconds since the epoch. */
const caseNowMs = Date.UTC(2026, 0, 1);

export function readCaseFiles(): readonly CaseFile[] {
  const folder = import.meta.dirname;
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return names.sort().map((name) => readCaseFile(folder, name));
}

function readCaseFile(folder: string, file: string): CaseFile {
  const content = toFields(JSON.parse(readFileSync(join(folder, file), "utf8")), file, [
    ...["about", "policy", "catalogue", "request", "settings", "cases"],
  ]);
  const { policy: given, catalogue = "open", request = {}, settings = {}, cases } = content;
  assert.ok(catalogue === "open" || catalogue === "closed", file);
  assert.equal(typeof content["about"], "string", file);
  assert.ok(Array.isArray(cases), file);
  const manifestText = policyText(folder, given);
  const base: Base = { request, settings, catalogue };
  return {
    file,
    manifestText,
    policy: given === null ? undefined : compilePolicy(file, manifestText, catalogue),
    cases: cases.flatMap((each: unknown) => readCase(file, base, each)),
  };
}

/** Manifests, or the name of a file beside the cases. A `keyHash` of "of:SECRET" becomes the digest of SECRET. */
function policyText(folder: string, given: unknown): string {
  if (given === null) return "";
  const text =
    typeof given === "string"
      ? readFileSync(join(folder, given), "utf8")
      : JSON.stringify({ apiVersion: "v1", kind: "List", items: toManifests(given) });
  return text.replaceAll(
    /"of:([^"]+)"/g,
    (_, secret: string) => `"sha256:${hash("sha256", secret, "hex")}"`,
  );
}

/** `{kind, name, spec}` and perhaps `created`, in short. */
function toManifests(given: unknown): readonly object[] {
  assert.ok(Array.isArray(given));
  return given.map((each: unknown) => {
    const { kind, name, spec, created } = toFields(each, "policy", [
      ...["kind", "name", "spec", "created"],
    ]);
    const metadata = created === undefined ? { name } : { name, creationTimestamp: created };
    return { apiVersion: "aliasguard.dev/v1alpha1", kind, metadata, spec };
  });
}

function compilePolicy(
  ...[file, text, catalogue]: readonly [string, string, CatalogueWord]
): CompiledManifests {
  const read: ManifestFiles = { files: [{ file, text }], problems: [] };
  const compiled = compileManifests(read, { nowMs: caseNowMs, catalogue });
  const invalid = compiled.problems.filter(({ severity }) => severity === "invalid");
  assert.deepEqual(invalid, [], file);
  return compiled;
}

type Base = {
  readonly request: unknown;
  readonly settings: unknown;
  readonly catalogue: CatalogueWord;
};

/** A case and, behind it, its twin: the same request with one thing changed. */
function readCase(file: string, base: Base, given: unknown): readonly Case[] {
  const fields = toFields(given, file, caseFields);
  const settings = { ...toObject(base.settings), ...toObject(fields["settings"]) };
  const request = merged(base.request, fields["request"]);
  const { twin } = fields;
  const main = toCase(file, { fields, settings, request, hasTwin: twin !== undefined });
  // The compiled policy has it, and `check` must be told.
  const withFlags = (of: Case): Case => ({
    ...of,
    flags: base.catalogue === "open" ? of.flags : [...of.flags, `--catalogue=${base.catalogue}`],
  });
  if (twin === undefined) return [withFlags(main)];
  const twinFields = toFields(twin, `${main.name}: twin`, caseFields);
  const twinCase = toCase(file, {
    fields: { nowMs: fields["nowMs"], draw: fields["draw"], ...twinFields },
    settings: { ...settings, ...toObject(twinFields["settings"]) },
    request: merged(request, twinFields["request"]),
    hasTwin: false,
  });
  return [main, { ...twinCase, isTwin: true }].map(withFlags);
}

const caseFields = ["name", "request", "settings", "nowMs", "draw", "want", "twin"];

function toCase(
  file: string,
  {
    fields,
    settings,
    request,
    hasTwin,
  }: { fields: Json; settings: Json; request: Json; hasTwin: boolean },
): Case {
  const { name, nowMs = caseNowMs, draw = 0, want } = fields;
  assert.ok(typeof name === "string" && typeof draw === "number", `${file}: ${String(name)}`);
  const at = typeof nowMs === "string" ? Date.parse(nowMs) : nowMs;
  assert.ok(typeof at === "number" && !Number.isNaN(at), name);
  return {
    name: `${file}: ${name}`,
    request: toRequest(name, request),
    ...toSettings(name, settings),
    nowMs: at,
    draw,
    want: toObject(want),
    isTwin: false,
    hasTwin,
  };
}

/** The second over the first; a body of any kind replaces a body of any kind. */
function merged(below: unknown, above: unknown): Json {
  const [a, b] = [toObject(below), toObject(above)];
  const withoutBody = Object.entries(a).filter(
    ([name]) => !bodyKinds.some((kind) => kind === name),
  );
  const hasBody = bodyKinds.some((kind) => Object.hasOwn(b, kind));
  const headers = { ...toObject(a["headers"]), ...toObject(b["headers"]) };
  return { ...(hasBody ? Object.fromEntries(withoutBody) : a), ...b, headers };
}

const bodyKinds = ["body", "bodyBase64", "text"] as const;

function toRequest(name: string, given: Json): AuthzRequest {
  const fields = toFields(given, name, [
    ...["method", "path", "headers", "declaredBytes"],
    ...bodyKinds,
  ]);
  const { method = "POST", path, headers, declaredBytes } = fields;
  assert.ok(typeof method === "string" && typeof path === "string", name);
  assert.ok(declaredBytes === undefined || typeof declaredBytes === "number", name);
  const map = new Map<string, string>();
  for (const [header, value] of Object.entries(toObject(headers))) {
    if (value === null) continue;
    assert.ok(typeof value === "string", `${name}: header ${header}`);
    map.set(header, value);
  }
  return { method, path, headers: map, body: toBody(name, fields, declaredBytes) };
}

function toBody(name: string, fields: Json, declaredBytes: number | undefined): RequestBody {
  const { body, bodyBase64, text } = fields;
  if (typeof bodyBase64 === "string") {
    return { kind: "bytes", bytes: Buffer.from(bodyBase64, "base64"), declaredBytes };
  }
  if (typeof text === "string") return { kind: "text", text, declaredBytes };
  if (body === undefined || body === null) return { kind: "none" };
  return { kind: "bytes", bytes: Buffer.from(toText(name, body), "utf8"), declaredBytes };
}

/** A text, or its parts; a part can be repeated, with its number for each "#". */
export function toText(name: string, given: unknown): string {
  if (typeof given === "string") return given;
  assert.ok(Array.isArray(given), name);
  return given.map((part: unknown) => (typeof part === "string" ? part : repeated(part))).join("");
}

function repeated(given: unknown): string {
  const {
    repeat,
    times,
    join: between = "",
  } = toFields(given, "repeat", [...["repeat", "times", "join"]]);
  assert.ok(typeof repeat === "string" && typeof times === "number" && typeof between === "string");
  return Array.from({ length: times }, (_, number) => repeat.replaceAll("#", `${number}`)).join(
    between,
  );
}

const flagOf = new Map<string, string>([
  ["modelHeaders", "--model-headers"],
  ["bodyBytesMax", "--body-bytes-max"],
  ["acceptTextBody", "--accept-text-body"],
  ["bodyEdits", "--body-edits"],
  ["keepCredentials", "--keep-credentials"],
  ["pathPrefixes", "--path-prefixes"],
  ["realtime", "--realtime"],
  ["uncheckedRoutes", "--unchecked-routes"],
  ["queryParameters", "--query-parameters"],
  ["bodyFields", "--body-fields"],
  ["refusedFields", "--refused-fields"],
  ["keyCarriers", "--key-carriers"],
  ["forwardHeaders", "--forward-headers"],
  ["modelRoutes", "--model-routes"],
]);

function toSettings(
  name: string,
  given: Json,
): { readonly settings: DecisionSettings; readonly flags: readonly string[] } {
  const entries = Object.entries(toFields(given, name, [...flagOf.keys()]));
  const values = entries.map(([key, value]) => {
    const isSet = ["queryParameters", "bodyFields", "refusedFields"].includes(key);
    return [key, isSet && Array.isArray(value) ? new Set(value) : value] as const;
  });
  return {
    settings: { ...defaultDecisionSettings, ...Object.fromEntries(values) },
    flags: entries.map(([key, value]) => `${flagOf.get(key)}=${String(value)}`),
  };
}

function toObject(given: unknown): Json {
  if (given === undefined) return {};
  assert.ok(typeof given === "object" && given !== null && !Array.isArray(given));
  return { ...given };
}

function toFields(given: unknown, where: string, known: readonly string[]): Json {
  const fields = toObject(given);
  for (const name of Object.keys(fields)) {
    assert.ok(known.includes(name), `${where}: there is no field ${name}`);
  }
  return fields;
}
