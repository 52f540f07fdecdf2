// One decision, offline on policy files, explained step by step: what the authorizer would answer, and why.

import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { createDecider } from "../core/decide.ts";
import { type Decision, denials } from "../core/decision.ts";
import { defaultDecisionSettings } from "../core/decision-settings.ts";
import { denialEnvelope } from "../core/envelope.ts";
import type { AuthzRequest } from "../core/request.ts";
import { compileManifests, readManifestFiles } from "../sources/manifest-files.ts";
import type { CommandIo, ExitCode } from "./io.ts";

export const checkUsage = `Usage: aliasguard check --policy PATH [request]

Decides on one request as the server would, and explains it. Exit 0: allowed or answered. 1: refused. 2: usage.

  --policy PATH      file or directory of policy manifests
  --key-file FILE    the virtual key's secret, read from a file; "-" is standard input
  --key SECRET       the same on the command line, where other users of this machine can see it
  --model NAME       the requested model; makes a small body for --path
  --body FILE        the request body, from a file; "-" is standard input
  --method METHOD    [POST]
  --path PATH        [/v1/chat/completions]
  --header 'N: V'    one more request header; may be repeated
  --json             print the decision as JSON
`;

const options = {
  policy: { type: "string" },
  key: { type: "string" },
  "key-file": { type: "string" },
  model: { type: "string" },
  body: { type: "string" },
  method: { type: "string", default: "POST" },
  path: { type: "string", default: "/v1/chat/completions" },
  header: { type: "string", multiple: true, default: [] as string[] },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

export async function runCheck(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  let values: Values;
  try {
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    return usageError(io, error instanceof Error ? error.message : String(error));
  }
  if (values.help) {
    io.stdout(checkUsage);
    return 0;
  }
  if (values.policy === undefined) return usageError(io, "--policy is required");
  const manifests = compileManifests(await readManifestFiles(values.policy), Date.now());
  const { snapshot } = manifests.policy;
  if (manifests.found === 0 || manifests.problems.some(({ severity }) => severity === "invalid")) {
    io.stderr(
      `aliasguard check: the policy cannot be used; see: aliasguard lint ${values.policy}\n`,
    );
    return 1;
  }
  const request = await readRequest(values);
  if (typeof request === "string") return usageError(io, request);
  const decide = createDecider(defaultDecisionSettings);
  const decision = decide(snapshot, request, { nowMs: Date.now(), draw: Math.random() });
  io.stdout(values.json ? `${JSON.stringify(decision)}\n` : explain(request, decision));
  return decision.kind === "deny" ? 1 : 0;
}

function usageError(io: CommandIo, message: string): ExitCode {
  io.stderr(`aliasguard check: ${message}\n\n${checkUsage}`);
  return 2;
}

/** A text says what is wrong with the flags. */
async function readRequest(values: Values): Promise<AuthzRequest | string> {
  const headers = new Map<string, string>([["content-type", "application/json"]]);
  if (values.key !== undefined && values["key-file"] !== undefined) {
    return "--key and --key-file exclude each other";
  }
  const keyFile = values["key-file"];
  const secret =
    keyFile === undefined ? values.key : (await readInput(keyFile))?.toString("utf8").trim();
  if (keyFile !== undefined && secret === undefined) return `--key-file cannot be read: ${keyFile}`;
  if (secret !== undefined) headers.set("authorization", `Bearer ${secret}`);
  for (const header of values.header) {
    const colon = header.indexOf(":");
    if (colon < 1)
      return `--header must be 'name: value': current value is ${JSON.stringify(header)}`;
    headers.set(header.slice(0, colon).trim().toLowerCase(), header.slice(colon + 1).trim());
  }
  const { body: file, model, method, path } = values;
  if (file !== undefined && model !== undefined) return "--body and --model exclude each other";
  if (file === undefined && model === undefined)
    return { method, path, headers, body: { kind: "none" } };
  const bytes = file === undefined ? Buffer.from(JSON.stringify({ model })) : await readInput(file);
  if (bytes === undefined) return `--body cannot be read: ${file}`;
  return { method, path, headers, body: { kind: "bytes", bytes, declaredBytes: bytes.length } };
}

async function readInput(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file === "-" ? "/dev/stdin" : file);
  } catch {
    return undefined;
  }
}

function explain(request: AuthzRequest, decision: Decision): string {
  const lines: [string, string][] = [["request", `${request.method} ${request.path}`]];
  if (decision.operation !== undefined) {
    lines.push(["operation", `${decision.operation} (${decision.dialect})`]);
  }
  if (decision.key !== undefined) {
    lines.push([
      "key",
      decision.key + (decision.team === undefined ? "" : `, team ${decision.team}`),
    ]);
  }
  if (decision.requestedModel !== undefined) lines.push(["requested", decision.requestedModel]);
  switch (decision.kind) {
    case "allow":
      lines.push(
        ["resolved", [...decision.hops, decision.model].join(" -> ")],
        ["decision", "allow"],
      );
      for (const [name, value] of decision.setHeaders) lines.push(["sets", `${name}: ${value}`]);
      for (const { offset, old, new: put } of decision.bodyEdits) {
        lines.push(["edits", `byte ${offset}: ${old} becomes ${put}`]);
      }
      break;
    case "answer":
      lines.push(["decision", "answered by the gateway"], ["body", decision.body]);
      break;
    case "deny": {
      const { reason, trace } = decision;
      if (trace !== undefined) {
        const whose =
          trace.refusedBy === undefined
            ? "leads nowhere"
            : `not allowed by the ${trace.refusedBy}'s grants`;
        lines.push(["refused", `${[...trace.hops, trace.model].join(" -> ")}: ${whose}`]);
      }
      lines.push(["decision", `deny: ${reason}`]);
      lines.push(["answer", `${denials[reason].status} ${denialEnvelope(decision).body}`]);
      break;
    }
    default:
      return decision satisfies never;
  }
  if (decision.revision !== undefined) lines.push(["revision", decision.revision]);
  return lines.map(([name, text]) => `${name.padEnd(10)} ${text}\n`).join("");
}
