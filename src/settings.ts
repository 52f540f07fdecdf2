// Flags and environment -> Settings, or everything that is wrong with them. One closed list, which the README prints.

import { parseArgs } from "node:util";
import { type DecisionSettings, defaultDecisionSettings } from "./core/decision-settings.ts";

export type SettingRow = {
  readonly flag: string;
  /** The environment variable: ALIASGUARD_ and the flag in capitals. A flag wins over it. */
  readonly variable: string;
  readonly default: string;
  readonly help: string;
};

const row = (flag: string, fallback: string, help: string): SettingRow => ({
  flag,
  variable: `ALIASGUARD_${flag.toUpperCase().replaceAll("-", "_")}`,
  default: fallback,
  help,
});

export const settingRows = [
  row("policy", "", "File or directory of policy manifests. Required."),
  row(
    "listen",
    "127.0.0.1:9191",
    "Where Envoy asks: host:port or unix:/path; several with commas or flags.",
  ),
  row("admin", "127.0.0.1:9192", "Where /healthz, /readyz and /metrics answer."),
  row("log-level", "info", "debug, info, warn, error or silent."),
  row("log-allow-sample", "1", "Share of allows that are logged, 0 to 1. Every refusal is."),
  row("model-headers", "x-model", "Request headers that carry the resolved model, with commas."),
  row(
    "body-bytes-max",
    "33554432",
    "Longest request body in bytes; below Envoy's max_request_bytes.",
  ),
  row("accept-text-body", "false", "Take bodies that Envoy sends without pack_as_bytes."),
  row(
    "body-edits",
    "splice",
    "splice, or header-only for backends that Envoy chooses by the header alone.",
  ),
  row("keep-credentials", "false", "Leave the caller's key on the request to the backend."),
  row(
    "path-prefixes",
    "/v1,,/openai/v1,/api/v1",
    "Prefixes of the OpenAI and Anthropic paths; an empty one is none.",
  ),
  row("query-parameters", "", "More query parameters to allow on every path, with commas."),
  row("body-fields", "", "Refused body fields to let through all the same, with commas."),
  row("in-flight-bytes-max", "268435456", "Bytes of checks that are held at a time."),
  row(
    "waiting-checks-max",
    "16384",
    "Checks that may wait for their turn; more are refused with 503.",
  ),
  row("concurrent-streams-max", "512", "Checks at a time on one connection."),
  row("socket-mode", "666", "Mode of the Unix socket, octal: Envoy often runs as another user."),
  row("drain-delay-ms", "5000", "Milliseconds between SIGTERM and the last new check."),
] as const satisfies readonly SettingRow[];

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export type Settings = {
  readonly policy: string;
  readonly listen: readonly string[];
  readonly admin: string;
  readonly logLevel: LogLevel;
  readonly logAllowSample: number;
  readonly decision: Omit<DecisionSettings, "hashSeed">;
  readonly inFlightBytesMax: number;
  readonly waitingChecksMax: number;
  readonly concurrentStreamsMax: number;
  readonly socketMode: number;
  readonly drainDelayMs: number;
};

export type SettingsResult =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly issues: readonly string[] };

type Env = Readonly<Record<string, string | undefined>>;

/** Reads the flags of `serve` and the environment. Gives every issue at once; each names the flag and what it found. */
export function readSettings(args: readonly string[], env: Env): SettingsResult {
  const issues: string[] = [];
  const given = readFlags(args, issues);
  const read = (flag: (typeof settingRows)[number]["flag"]): Text => {
    const known = settingRows.find((each) => each.flag === flag);
    const fromEnv = known === undefined ? undefined : env[known.variable];
    const text = given.get(flag) ?? fromEnv ?? known?.default ?? "";
    return {
      name: given.has(flag) || fromEnv === undefined ? `--${flag}` : (known?.variable ?? flag),
      text,
    };
  };
  const reader = createReader(issues);
  const policy = read("policy");
  if (policy.text === "")
    issues.push(`${policy.name} is required: a file or directory of policy manifests`);
  const settings: Settings = {
    policy: policy.text,
    listen: reader.list(read("listen"), listenAddress, "host:port or unix:/path"),
    admin: reader.one(read("admin"), tcpAddress, "host:port"),
    logLevel: reader.choice(read("log-level"), [
      "debug",
      "info",
      "warn",
      "error",
      "silent",
    ] as const),
    logAllowSample: reader.number(read("log-allow-sample"), { min: 0, max: 1, whole: false }),
    decision: readDecisionSettings(read, reader),
    inFlightBytesMax: reader.number(read("in-flight-bytes-max"), { min: 1, max: 2 ** 40 }),
    waitingChecksMax: reader.number(read("waiting-checks-max"), { min: 0, max: 1_000_000 }),
    concurrentStreamsMax: reader.number(read("concurrent-streams-max"), { min: 1, max: 100_000 }),
    socketMode: Number.parseInt(
      reader.one(read("socket-mode"), /^0?[0-7]{3}$/, "three octal digits"),
      8,
    ),
    drainDelayMs: reader.number(read("drain-delay-ms"), { min: 0, max: 3_600_000 }),
  };
  return issues.length === 0 ? { ok: true, settings } : { ok: false, issues };
}

const listenAddress = /^(unix:\/.+|(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5})$/;
const tcpAddress = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$/;
const headerName = /^[a-z0-9][a-z0-9-]{0,63}$/;
const pathPrefix = /^(|(\/[A-Za-z0-9._-]+)+)$/;
const parameterName = /^[A-Za-z0-9_.$%-]{1,64}$/;

function readDecisionSettings(
  read: (flag: (typeof settingRows)[number]["flag"]) => Text,
  reader: Reader,
): Omit<DecisionSettings, "hashSeed"> {
  const { bodyBytesMax } = defaultDecisionSettings;
  return {
    modelHeaders: reader.list(read("model-headers"), headerName, "a lower-case header name"),
    bodyBytesMax: reader.number(read("body-bytes-max"), { min: 1, max: bodyBytesMax * 32 }),
    acceptTextBody: reader.choice(read("accept-text-body"), ["true", "false"] as const) === "true",
    bodyEdits: reader.choice(read("body-edits"), ["splice", "header-only"] as const),
    keepCredentials: reader.choice(read("keep-credentials"), ["true", "false"] as const) === "true",
    pathPrefixes: reader.list(read("path-prefixes"), pathPrefix, "a path like /v1, or nothing"),
    queryParameters: new Set(
      reader.optional(read("query-parameters"), parameterName, "a parameter's name"),
    ),
    bodyFields: new Set(reader.optional(read("body-fields"), /^[a-z_]+\*?$/, "a field's name")),
  };
}

/** Several values of one flag count as one list. */
function readFlags(args: readonly string[], issues: string[]): ReadonlyMap<string, string> {
  const options = Object.fromEntries(
    settingRows.map(({ flag }) => [flag, { type: "string", multiple: true } as const]),
  );
  const given = new Map<string, string>();
  try {
    const { values } = parseArgs({ args: [...args], options, allowPositionals: false });
    for (const [flag, value] of Object.entries(values)) {
      if (Array.isArray(value)) given.set(flag, value.join(","));
    }
  } catch (error) {
    issues.push(error instanceof Error ? error.message : String(error));
  }
  return given;
}

type Text = { readonly name: string; readonly text: string };
type Reader = ReturnType<typeof createReader>;

function createReader(issues: string[]) {
  const wrong = ({ name, text }: Text, wanted: string): void => {
    issues.push(`${name} must be ${wanted}: current value is ${JSON.stringify(text)}`);
  };
  const list = (given: Text, pattern: RegExp, wanted: string): readonly string[] => {
    const parts = given.text.split(",").map((part) => part.trim());
    if (!parts.every((part) => pattern.test(part))) wrong(given, wanted);
    return parts;
  };
  return {
    list,
    optional: (given: Text, pattern: RegExp, wanted: string): readonly string[] =>
      given.text === "" ? [] : list(given, pattern, wanted),
    one(given: Text, pattern: RegExp, wanted: string): string {
      if (!pattern.test(given.text)) wrong(given, wanted);
      return given.text;
    },
    choice<Choice extends string>(given: Text, choices: readonly [Choice, ...Choice[]]): Choice {
      const chosen = choices.find((choice) => choice === given.text);
      if (chosen === undefined) wrong(given, `one of ${choices.join(", ")}`);
      return chosen ?? choices[0];
    },
    number(
      given: Text,
      { min, max, whole = true }: { min: number; max: number; whole?: boolean },
    ): number {
      const value = /^[0-9]+(\.[0-9]+)?$/.test(given.text) ? Number(given.text) : Number.NaN;
      if (!(value >= min && value <= max) || (whole && !Number.isInteger(value))) {
        wrong(given, `${whole ? "a whole number" : "a number"} from ${min} to ${max}`);
      }
      return value;
    },
  };
}
