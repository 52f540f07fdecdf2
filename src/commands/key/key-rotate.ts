// `aliasguard key rotate`: a new secret for a VirtualKey, the old one good for a while longer. On a manifest in a file the
// new manifest goes to stdout and the secret to stderr; with --apply the VirtualKey is changed in a cluster, and stdout is
// the secret's alone.

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { parse, stringify } from "yaml";
import { parseTimestamp } from "../../policy/decode/timestamp.ts";
import type { CommandIo, ExitCode } from "../io.ts";
import {
  type KubeFlags,
  kubeContextUsage,
  kubeFlagOptions,
  kubeFlagsFault,
  toKubeFlags,
} from "../kube-flags.ts";
import { newSecret } from "./key-secret.ts";
import { rotate, timeText } from "./rotation.ts";

export const keyRotateUsage = `Usage: aliasguard key rotate NAME --apply [options]
       aliasguard key rotate --file FILE [options]

Gives a virtual key a new secret. The old one stays good for a day, or as long as you say, so that callers can
change over; then it is refused. The new secret is shown once.

  --apply            changes the VirtualKey in a cluster; stdout gets the secret and nothing else. A key in a Secret gets a
                     new Secret, and the secret is printed nowhere
  --file FILE        reads the VirtualKey's manifest from a file instead, prints the new manifest on stdout and the
                     secret on stderr
  --keep-for TIME    how long the old secret stays good: a number and m, h or d [24h]; 0 ends it at once
  --previous-until TIME  the same as a moment, such as 2026-12-01T00:00:00Z
  --end-previous     a still older secret that is good may end now
  --secret-ref NAME  with --apply: name of the new Secret, where the key is in one [NAME and the new key's id]
  --namespace NAME   with --apply [the context's, or the pod's own]
${kubeContextUsage}
  -h, --help         this text

Exit status: 0 done, 1 the cluster or the file did not take it, 2 wrong usage.
`;

type Io = Pick<CommandIo, "stdout" | "stderr">;

export type KeyRotateDeps = {
  /** Gives that many random bytes. */
  readonly random?: (bytes: number) => Buffer;
  readonly nowMs?: number;
};

/** Resolves to the exit status. */
export async function runKeyRotate(
  args: readonly string[],
  io: Io,
  { random = randomBytes, nowMs = Date.now() }: KeyRotateDeps = {},
): Promise<ExitCode> {
  const parsed = parseKeyRotateArgs(args, nowMs);
  if (typeof parsed === "string") {
    io.stderr(`aliasguard key rotate: ${parsed}\n${keyRotateUsage}`);
    return 2;
  }
  if (parsed.help) {
    io.stdout(keyRotateUsage);
    return 0;
  }
  const secret = newSecret(random);
  const fault =
    parsed.kube === undefined
      ? await rotateFile(parsed, { secret, nowMs }, io)
      : await rotateApplied(parsed, { secret, nowMs, kube: parsed.kube }, io);
  if (fault === undefined) return 0;
  io.stderr(`aliasguard key rotate: ${fault}\n`);
  return 1;
}

type Made = { readonly secret: string; readonly nowMs: number };

/** A text says what is wrong. */
async function rotateFile(
  { file, untilMs, mayEndPrevious }: KeyRotateArgs,
  { secret, nowMs }: Made,
  io: Io,
): Promise<string | undefined> {
  let object: unknown;
  try {
    object = parse(await readFile(file, "utf8"));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
    return `${file} cannot be read as one YAML document${code}`;
  }
  const rotated = rotate(object, { secret, secretRef: undefined, untilMs, mayEndPrevious, nowMs });
  if (!rotated.ok) return `${file}: ${rotated.fault}`;
  io.stdout(stringify(rotated.object));
  io.stderr(`The new secret, shown only now. Keep it safe:\n${secret}\n${keptText(untilMs)}\n`);
  return undefined;
}

async function rotateApplied(
  { name, untilMs, mayEndPrevious, secretName }: KeyRotateArgs,
  { secret, nowMs, kube }: Made & { readonly kube: KubeFlags },
  io: Io,
): Promise<string | undefined> {
  const { rotateInCluster } = await import("./key-rotate-apply.ts");
  const { KubeFailure } = await import("../kube-objects.ts");
  const [, id = ""] = secret.split("_");
  const rotation = { name, secret, untilMs, mayEndPrevious, nowMs };
  try {
    const done = await rotateInCluster(
      { ...rotation, secretName: secretName ?? `${name}-${id}` },
      kube,
    );
    const { namespace, secretRef } = done;
    const where =
      secretRef === undefined
        ? "Its new secret, shown only now. Keep it safe:"
        : `Its new secret is entry ${secretRef.key} of Secret ${namespace}/${secretRef.name}`;
    io.stderr(`VirtualKey ${namespace}/${name} rotated. ${keptText(untilMs)} ${where}\n`);
    if (secretRef === undefined) io.stdout(`${secret}\n`);
    return undefined;
  } catch (error) {
    if (!(error instanceof KubeFailure)) throw error;
    return error.message;
  }
}

function keptText(untilMs: number | undefined): string {
  return untilMs === undefined
    ? "The old secret has ended."
    : `The old secret is good until ${timeText(untilMs)}.`;
}

type KeyRotateArgs = {
  readonly help: boolean;
  readonly name: string;
  readonly file: string;
  readonly untilMs: number | undefined;
  readonly mayEndPrevious: boolean;
  readonly secretName: string | undefined;
  /** undefined: a file. */
  readonly kube: KubeFlags | undefined;
};

const objectName = /^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$/;

/** A text says what is wrong with the arguments. */
function parseKeyRotateArgs(args: readonly string[], nowMs: number): KeyRotateArgs | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        apply: { type: "boolean", default: false },
        file: { type: "string" },
        "keep-for": { type: "string" },
        "previous-until": { type: "string" },
        "end-previous": { type: "boolean", default: false },
        "secret-ref": { type: "string" },
        ...kubeFlagOptions,
        help: { type: "boolean", short: "h", default: false },
      },
      allowPositionals: true,
    });
    const { help, apply, file, "end-previous": mayEndPrevious } = values;
    const [name = "", ...more] = positionals;
    const secretName = values["secret-ref"];
    const untilMs = readUntil(values["keep-for"], values["previous-until"], nowMs);
    const kube = apply ? toKubeFlags(values) : undefined;
    const parsed = { help, name, file: file ?? "", mayEndPrevious, secretName, kube };
    if (help) return { ...parsed, untilMs: undefined };
    if (apply === (file !== undefined)) return "wants either --apply or --file";
    if (apply && !objectName.test(name)) return "wants the NAME of a VirtualKey";
    if (more.length > 0 || (!apply && name !== "")) {
      return apply ? "wants one NAME, found more" : "wants no NAME beside --file";
    }
    if (secretName !== undefined && !apply) return "--secret-ref wants --apply";
    // Whoever takes the flag for the secret itself must not find it in a log.
    if (secretName !== undefined && !objectName.test(secretName)) {
      return "--secret-ref must be the name of a Secret, of a-z 0-9 - and .: found something else";
    }
    const fault = kubeFlagsFault(values, { isAsked: apply, wants: "--apply" });
    if (fault !== undefined) return fault;
    return typeof untilMs === "string" ? untilMs : { ...parsed, untilMs };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const keepMsMax = 366 * unitMs.d;

/** undefined: the old secret ends at once. A text says what is wrong. */
function readUntil(
  keepFor: string | undefined,
  previousUntil: string | undefined,
  nowMs: number,
): number | string | undefined {
  if (keepFor !== undefined && previousUntil !== undefined) {
    return "wants either --keep-for or --previous-until, found both";
  }
  if (previousUntil !== undefined) {
    const untilMs = parseTimestamp(previousUntil);
    const isLater = untilMs !== undefined && untilMs > nowMs;
    return isLater ? untilMs : "--previous-until must be a later moment, with a zone (RFC 3339)";
  }
  if (keepFor === "0") return undefined;
  const [, number = "", unit = ""] = /^([1-9]\d{0,5})([mhd])$/.exec(keepFor ?? "24h") ?? [];
  const ms = Number(number) * (unit === "m" || unit === "h" || unit === "d" ? unitMs[unit] : 0);
  if (ms === 0 || ms > keepMsMax) {
    return "--keep-for must be 0, or a number and m, h or d, such as 24h: at most 366d";
  }
  return nowMs + ms;
}
