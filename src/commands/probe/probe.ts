// `aliasguard probe`: asks a gateway from outside, as a caller would, and says which part of the chain is missing.

import { readFile } from "node:fs/promises";
import { text as readStream } from "node:stream/consumers";
import { parseArgs } from "node:util";
import type { CommandIo, ExitCode } from "../io.ts";
import { probeFindings, probeUnseen } from "./findings.ts";
import { type ProbeOptions, type ProbeStep, probeRequests, probeSteps } from "./requests.ts";
import { sendProbe } from "./send.ts";
import { judge, type ProbeAnswer, type StepVerdict, type Verdict } from "./verdict.ts";

export const probeUsage = `Usage: aliasguard probe URL (--key SECRET | --key-file FILE) --alias NAME [options]

Sends a gateway the requests that show whether the whole chain is there: an alias, a forbidden model, a spoofed model
header, big bodies, HTTP/1.1 and HTTP/2, an upgrade, no key, unknown paths. Says which part is missing, and what no
caller can see. The backend answers a few short chats: use a key made for it, and an alias of a cheap model.

  --key-file FILE        the virtual key's secret, read from a file; "-" is standard input
  --key SECRET           the same on the command line, where other users of this machine can see it
  --alias NAME           an alias that the key may use
  --model NAME           the model that it stands for: then answers must name it, or none
  --forbidden NAME       a model that the key may not use, best one that is served; by default one that nobody has
  --model-headers NAMES  the authorizer's setting (ALIASGUARD_MODEL_HEADERS), default x-model
  --body-bytes BYTES     size of the big bodies, white space for the most part, default 2097152
  --timeout-ms MS        for each request, default 60000
  --json                 one JSON object instead of lines
  -h, --help             this text

Certificates of an authority of your own: NODE_EXTRA_CA_CERTS=FILE.

Exit status: 0 the chain is whole as far as can be seen, 1 something is missing, 2 wrong usage.
`;

export type ProbeIo = Pick<CommandIo, "stdout" | "stderr" | "env"> & {
  /** Standard input; default the process's. */
  readonly stdin?: () => Promise<string>;
};

/** Resolves to the exit status; rejects never. */
export async function runProbe(args: readonly string[], io: ProbeIo): Promise<ExitCode> {
  const parsed = parseProbeArgs(args, io.env);
  if (parsed === "help") {
    io.stdout(probeUsage);
    return 0;
  }
  const wanted = typeof parsed === "string" ? parsed : await withKey(parsed, io);
  if (typeof wanted === "string") {
    io.stderr(`aliasguard probe: ${wanted}\n\n${probeUsage}`);
    return 2;
  }
  const { origin, options, model, timeoutMs, json } = wanted;
  const requests = probeRequests(options);
  const answers = new Map<ProbeStep, ProbeAnswer>();
  for (const request of requests) {
    answers.set(request.step, await sendProbe(origin, request, timeoutMs));
  }
  const { alias, forbidden } = options;
  const verdict = judge(requests, answers, { alias, forbidden, model });
  io.stdout(json ? toJson(verdict) : toText(verdict));
  return verdict.findings.length === 0 ? 0 : 1;
}

function toText({ steps, findings, unseen }: Verdict): string {
  const lines = [
    ...steps.map(stepLine),
    ...findings.map((code) => {
      const { why, fix } = probeFindings[code];
      return `missing: ${code}: ${why}; ${fix}`;
    }),
    ...unseen.map((code) => `not seen: ${code}: ${probeUnseen[code]}`),
    findings.length === 0
      ? "the chain is whole, as far as can be seen from outside"
      : `${findings.length} missing; aliasguard lint --envoy names the places`,
  ];
  return `${lines.join("\n")}\n`;
}

function stepLine({ step, outcome, findings, answer }: StepVerdict): string {
  const label = findings.length === 0 ? "" : ` [${findings.join(", ")}]`;
  return `${outcome}: ${step}: ${probeSteps[step]}: ${shown(answer)}${label}`;
}

/** What others wrote is quoted: it may hold anything. */
function shown(answer: ProbeAnswer): string {
  if (answer.kind !== "answer") return JSON.stringify(answer.why);
  const { status, code, model, isEmpty } = answer;
  const parts = [
    String(status),
    ...(code === undefined ? [] : [`code ${JSON.stringify(code)}`]),
    ...(model === undefined ? [] : [`model ${JSON.stringify(model)}`]),
    ...(isEmpty ? ["no body"] : []),
  ];
  return parts.join(", ");
}

function toJson({ steps, findings, unseen }: Verdict): string {
  const document = {
    ok: findings.length === 0,
    findings: findings.map((code) => ({ code, ...probeFindings[code] })),
    unseen: unseen.map((code) => ({ code, why: probeUnseen[code] })),
    steps: steps.map((each) => ({ ...each, about: probeSteps[each.step] })),
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

type ProbeArgs = {
  readonly origin: URL;
  readonly options: ProbeOptions;
  readonly keyFile: string | undefined;
  readonly model: string | undefined;
  readonly timeoutMs: number;
  readonly json: boolean;
};

/** A text says what is wrong with the arguments. */
function parseProbeArgs(
  args: readonly string[],
  env: CommandIo["env"],
): ProbeArgs | "help" | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        key: { type: "string" },
        "key-file": { type: "string" },
        alias: { type: "string" },
        model: { type: "string" },
        forbidden: { type: "string", default: "aliasguard-probe/forbidden" },
        "model-headers": { type: "string", default: env["ALIASGUARD_MODEL_HEADERS"] ?? "" },
        "body-bytes": { type: "string", default: String(2 * 1024 * 1024) },
        "timeout-ms": { type: "string", default: "60000" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
      allowPositionals: true,
    });
    if (values.help) return "help";
    const { key, "key-file": keyFile, alias = "", model, forbidden, json } = values;
    const origin = originOf(positionals);
    if (typeof origin === "string") return origin;
    if ((key === undefined) === (keyFile === undefined)) {
      return "one of --key and --key-file is required, and only one";
    }
    if (alias === "" || forbidden === "") return "--alias is required, and neither name is empty";
    const bodyBytes = numberOf(values["body-bytes"], 1024 * 1024 * 1024);
    const timeoutMs = numberOf(values["timeout-ms"], 10 * 60_000);
    if (bodyBytes === undefined) return "--body-bytes must be a whole number up to 1073741824";
    if (timeoutMs === undefined) return "--timeout-ms must be a whole number up to 600000";
    const names = values["model-headers"].split(",").filter((name) => name !== "");
    if (names.some((name) => !headerName.test(name))) return "--model-headers wants header names";
    const modelHeaders = names.length === 0 ? ["x-model"] : names;
    const options = { key: key ?? "", alias, forbidden, modelHeaders, bodyBytes };
    return { origin, options, keyFile, model, timeoutMs, json };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const headerName = /^[a-zA-Z0-9-]+$/;

/** What may stand in a header: names of models and keys are printable ASCII. */
const headerValue = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/;

function numberOf(text: string, max: number): number | undefined {
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= max ? value : undefined;
}

function originOf(positionals: readonly string[]): URL | string {
  const [text = ""] = positionals;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
  if (positionals.length !== 1 || url === undefined || !isHttp) {
    return `wants one URL, such as http://127.0.0.1:10000: found ${JSON.stringify(positionals)}`;
  }
  const isBare = url.pathname === "/" && url.search === "" && url.username === "";
  return isBare ? url : "wants a URL of scheme, host and port alone: the paths are the APIs' own";
}

async function withKey(parsed: ProbeArgs, io: ProbeIo): Promise<ProbeArgs | string> {
  const { keyFile, options } = parsed;
  let { key } = options;
  if (keyFile !== undefined) {
    const stdin = io.stdin ?? (() => readStream(process.stdin));
    try {
      key = (await (keyFile === "-" ? stdin() : readFile(keyFile, "utf8"))).trim();
    } catch {
      return `--key-file cannot be read: ${keyFile}`;
    }
  }
  if (!headerValue.test(key)) return "the key must be printable ASCII, and not empty";
  const inHeaders = [options.alias, options.forbidden];
  if (inHeaders.some((name) => !headerValue.test(name))) return "names must be printable ASCII";
  return { ...parsed, options: { ...options, key } };
}
