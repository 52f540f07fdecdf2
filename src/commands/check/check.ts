// One decision, on policy files, a cluster's objects or a running authorizer, explained step by step: what the answer is,
// and why.

import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { createDecider } from "../../core/decide.ts";
import type { CatalogueWord, Snapshot } from "../../core/permission/snapshot.ts";
import type { AuthzRequest, DecisionContext } from "../../core/request.ts";
import { askServer, type ClientTls } from "../../envoy/ext-authz/client.ts";
import { decisionFlags, readCatalogue, readDecisionSettings } from "../../settings/settings.ts";
import { compileManifests, readManifestFiles } from "../../sources/files/manifest-files.ts";
import type { CommandIo, ExitCode } from "../io.ts";
import {
  type KubeFlags,
  kubeFlagOptions,
  kubeFlagsFault,
  kubeFlagsUsage,
  toKubeFlags,
} from "../kube-flags.ts";
import { readClientTls } from "./client-tls.ts";
import { explain, explainAnswer, withoutCredential } from "./explain.ts";

export const checkUsage = `Usage: aliasguard check (--policy PATH | --server ADDRESS | --kube) [request]

Decides on one request as the server would, and explains it. Exit 0: allowed or answered. 1: refused. 2: usage.

  --policy PATH      file or directory of policy manifests: decides here, offline
  --server ADDRESS   a running authorizer, host:port or unix:/path: asks it as Envoy would
  --tls-ca FILE      with --server: speak TLS, to a certificate from these authorities
  --tls-cert FILE    the certificate that the server asks for, with --tls-key FILE
  --tls-name NAME    the name that the server's certificate holds, where it is not the address's
  --kube             the custom resources of a cluster's namespace, as the controller compiles them: decides here
  --key-file FILE    the virtual key's secret, read from a file; "-" is standard input
  --key SECRET       the same on the command line, where other users of this machine can see it
  --model NAME       the requested model; makes a small body for --path
  --body FILE        the request body, from a file; "-" is standard input
  --method METHOD    [POST]
  --path PATH        [/v1/chat/completions]
  --header 'N: V'    one more request header; may be repeated
  --catalogue open|closed    as serve or the controller has it (ALIASGUARD_CATALOGUE) [open]
  --json             print the decision as JSON

With --kube; where its user may not read a Secret that a key names, that is said, the key counts as off, and it exits 1:
${kubeFlagsUsage}

With --policy and --kube the server's flags that a decision depends on count too, and so do their variables:
  ${decisionFlags.map((flag) => `--${flag}`).join(" ")}
`;

const options = {
  policy: { type: "string" },
  server: { type: "string" },
  kube: { type: "boolean", default: false },
  "tls-ca": { type: "string" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "tls-name": { type: "string" },
  ...kubeFlagOptions,
  key: { type: "string" },
  "key-file": { type: "string" },
  model: { type: "string" },
  body: { type: "string" },
  catalogue: { type: "string" },
  method: { type: "string", default: "POST" },
  path: { type: "string", default: "/v1/chat/completions" },
  header: { type: "string", multiple: true, default: [] as string[] },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

/** The moment, and the lot that chooses among the weighted targets of an alias. */
function present(): DecisionContext {
  return { nowMs: Date.now(), draw: Math.random() };
}

export async function runCheck(
  args: readonly string[],
  io: CommandIo,
  context: DecisionContext = present(),
): Promise<ExitCode> {
  let values: Values;
  let settingFlags: ReadonlyMap<string, string>;
  try {
    ({ values, settingFlags } = parseFlags(args));
  } catch (error) {
    return usageError(io, error instanceof Error ? error.message : String(error));
  }
  if (values.help) {
    io.stdout(checkUsage);
    return 0;
  }
  const { policy, server, kube } = values;
  const given = [policy !== undefined, server !== undefined, kube].filter(Boolean);
  if (given.length !== 1) {
    return usageError(io, "one of --policy, --server and --kube is required, and only one");
  }
  const fault = kubeFlagsFault(values, { isAsked: kube, wants: "--kube" });
  if (fault !== undefined) return usageError(io, fault);
  const decisionSettings = readDecisionSettings(settingFlags, io.env);
  if (!decisionSettings.ok) return usageError(io, decisionSettings.issues.join("\n"));
  const { catalogue, issues } = readCatalogue(values.catalogue, io.env);
  if (issues.length > 0) return usageError(io, issues.join("\n"));
  const request = await readRequest(values);
  if (typeof request === "string") return usageError(io, request);
  const tls = await readClientTls(values, readInput);
  if (typeof tls === "string") return usageError(io, tls);
  if (server !== undefined) return checkServer(server, { request, io, json: values.json, tls });
  const decideOn = (snapshot: Snapshot): ExitCode => {
    const { decide } = createDecider(decisionSettings.settings);
    const decision = decide(snapshot, request, context);
    io.stdout(values.json ? `${JSON.stringify(decision)}\n` : explain(request, decision));
    return decision.kind === "deny" ? 1 : 0;
  };
  if (policy === undefined)
    return checkCluster(toKubeFlags(values), io, { context, catalogue, decideOn });
  const { nowMs } = context;
  const manifests = compileManifests(await readManifestFiles(policy), { nowMs, catalogue });
  if (manifests.found === 0 || manifests.problems.some(({ severity }) => severity === "invalid")) {
    io.stderr(`aliasguard check: the policy cannot be used; see: aliasguard lint ${policy}\n`);
    return 1;
  }
  return decideOn(manifests.policy.snapshot);
}

type Deciding = {
  readonly context: DecisionContext;
  readonly catalogue: CatalogueWord;
  readonly decideOn: (snapshot: Snapshot) => ExitCode;
};

async function checkCluster(
  flags: KubeFlags,
  io: CommandIo,
  { context, catalogue, decideOn }: Deciding,
): Promise<ExitCode> {
  const { KubeFailure, objectProblemPlace, readClusterPolicy, withKube } = await import(
    "../kube-objects.ts"
  );
  try {
    const read = await withKube(flags, (connection) =>
      readClusterPolicy(connection, { nowMs: context.nowMs, catalogue }),
    );
    if (read.objects === 0) {
      io.stderr(`aliasguard check: no resource of a policy found in namespace ${read.namespace}\n`);
      return 1;
    }
    const forbidden = read.problems.filter(({ isForbidden }) => isForbidden);
    for (const problem of forbidden) {
      io.stderr(`aliasguard check: ${objectProblemPlace(problem)}: ${problem.message}\n`);
    }
    const code = decideOn(read.policy.snapshot);
    // What was decided on is not all of what the controller sees.
    return forbidden.length > 0 ? 1 : code;
  } catch (error) {
    if (!(error instanceof KubeFailure)) throw error;
    io.stderr(`aliasguard check: ${error.message}\n`);
    return 1;
  }
}

type ServerAsked = {
  readonly request: AuthzRequest;
  readonly io: CommandIo;
  readonly json: boolean;
  readonly tls: ClientTls | undefined;
};

async function checkServer(
  server: string,
  { request, io, json, tls }: ServerAsked,
): Promise<ExitCode> {
  try {
    const answer = withoutCredential(await askServer(server, request, tls));
    io.stdout(json ? `${JSON.stringify(answer)}\n` : explainAnswer(request, answer));
    if ("ok_response" in answer) return 0;
    return answer.denied_response.status.code === 200 ? 0 : 1;
  } catch (error) {
    io.stderr(`aliasguard check: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

/** Throws on a flag that nobody knows. */
function parseFlags(args: readonly string[]): {
  readonly values: Values;
  readonly settingFlags: ReadonlyMap<string, string>;
} {
  const settingOptions = Object.fromEntries(
    decisionFlags.map((flag) => [flag, { type: "string" } as const]),
  );
  const { values } = parseArgs({ args: [...args], options: { ...settingOptions, ...options } });
  const given: ReadonlyMap<string, unknown> = new Map(Object.entries(values));
  const settingFlags = new Map<string, string>();
  for (const flag of decisionFlags) {
    const value = given.get(flag);
    if (typeof value === "string") settingFlags.set(flag, value);
  }
  return { values, settingFlags };
}

function usageError(io: CommandIo, message: string): ExitCode {
  io.stderr(`aliasguard check: ${message}\n\n${checkUsage}`);
  return 2;
}

/** A text says what is wrong with the flags. */
async function readRequest(values: Values): Promise<AuthzRequest | string> {
  if (values.key !== undefined && values["key-file"] !== undefined) {
    return "--key and --key-file exclude each other";
  }
  if (values["key-file"] === "-" && values.body === "-") {
    return "--key-file and --body cannot both be standard input";
  }
  const keyFile = values["key-file"];
  const secret =
    keyFile === undefined ? values.key : (await readInput(keyFile))?.toString("utf8").trim();
  if (keyFile !== undefined && secret === undefined) return `--key-file cannot be read: ${keyFile}`;
  const headers = readHeaders(values.header, secret);
  if (typeof headers === "string") return headers;
  const { body: file, model, method, path } = values;
  if (file !== undefined && model !== undefined) return "--body and --model exclude each other";
  if (file === undefined && model === undefined)
    return { method, path, headers, body: { kind: "none" } };
  const bytes = file === undefined ? Buffer.from(JSON.stringify({ model })) : await readInput(file);
  if (bytes === undefined) return `--body cannot be read: ${file}`;
  return { method, path, headers, body: { kind: "bytes", bytes, declaredBytes: bytes.length } };
}

/** Copies of a header are joined as Envoy joins them: a second key makes the first ambiguous. */
function readHeaders(
  given: readonly string[],
  secret: string | undefined,
): ReadonlyMap<string, string> | string {
  const headers = new Map<string, string>();
  if (secret !== undefined) headers.set("authorization", `Bearer ${secret}`);
  for (const header of given) {
    const colon = header.indexOf(":");
    const name = header.slice(0, Math.max(colon, 0)).trim().toLowerCase();
    if (name === "") {
      return `--header must be 'name: value': current value is ${JSON.stringify(header)}`;
    }
    // Blanks alone, as HTTP has it: any other white space is part of the value.
    const value = header.slice(colon + 1).replaceAll(/^[ \t]+|[ \t]+$/g, "");
    const before = headers.get(name);
    const separator = name === "cookie" ? "; " : ",";
    headers.set(name, before === undefined ? value : `${before}${separator}${value}`);
  }
  if (!headers.has("content-type")) headers.set("content-type", "application/json");
  return headers;
}

async function readInput(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file === "-" ? "/dev/stdin" : file);
  } catch {
    return undefined;
  }
}
