// `aliasguard key new`: makes a secret and the VirtualKey that belongs to it. The manifest goes to stdout and the secret
// to stderr, so that `> key.yaml` never stores the secret.

import { hash, randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { decodeResource } from "../policy/decode.ts";
import type { Problem } from "../policy/problem.ts";
import { policyApiVersion } from "../policy/resources.ts";
import type { CommandIo, ExitCode } from "./io.ts";

export const keyNewUsage = `Usage: aliasguard key new NAME [options]

Makes a new virtual key. Prints its manifest on stdout, and its secret, once, on stderr: the manifest
holds only a hash, so "aliasguard key new ci > key.yaml" stores no secret.

  --team TEAM        the team it belongs to; without --model it may use what the team may use
  --model MODEL      a model name or * pattern that it may use; may be repeated
  --namespace NAME   namespace of the manifest
  --expires-at TIME  when it ends, such as 2026-12-01T00:00:00Z
  -h, --help         this text

Exit status: 0, or 2 for wrong usage.
`;

const idLetters = "abcdefghijklmnopqrstuvwxyz234567";

/** Resolves to the exit status. `random` gives that many random bytes. */
export function runKeyNew(
  args: readonly string[],
  io: Pick<CommandIo, "stdout" | "stderr">,
  random: (bytes: number) => Buffer = randomBytes,
): Promise<ExitCode> {
  const parsed = parseKeyNewArgs(args);
  if (typeof parsed === "string") {
    io.stderr(`aliasguard key new: ${parsed}\n${keyNewUsage}`);
    return Promise.resolve(2);
  }
  if (parsed.help) {
    io.stdout(keyNewUsage);
    return Promise.resolve(0);
  }
  const secret = newSecret(random);
  const manifest = manifestOf(parsed, hash("sha256", secret, "hex"));
  const [problem] = decodeResource(manifest).problems;
  if (problem !== undefined) {
    io.stderr(`aliasguard key new: ${argumentOf(problem)} ${problem.message}\n`);
    return Promise.resolve(2);
  }
  if (parsed.team === undefined && parsed.models.length === 0) {
    io.stderr("aliasguard key new: warning: without --team and --model the key can use nothing\n");
  }
  io.stdout(stringify(manifest));
  io.stderr(`The secret of ${parsed.name}, shown only now. Keep it safe:\n${secret}\n`);
  return Promise.resolve(0);
}

/** `ag_<8 letters and digits>_<32 random bytes as base64url>`: easy for secret scanners to find. */
function newSecret(random: (bytes: number) => Buffer): string {
  const id = [...random(8)].map((byte) => idLetters[byte % idLetters.length]).join("");
  return `ag_${id}_${random(32).toString("base64url")}`;
}

type KeyNewArgs = {
  readonly help: boolean;
  readonly name: string;
  readonly team: string | undefined;
  readonly models: readonly string[];
  readonly namespace: string | undefined;
  readonly expiresAt: string | undefined;
};

function manifestOf(
  { name, team, models, namespace, expiresAt }: KeyNewArgs,
  digest: string,
): object {
  return {
    apiVersion: policyApiVersion,
    kind: "VirtualKey",
    metadata: { ...(namespace === undefined ? {} : { namespace }), name },
    spec: {
      ...(team === undefined ? {} : { team }),
      ...(models.length === 0 ? {} : { grants: { models } }),
      keyHash: `sha256:${digest}`,
      ...(expiresAt === undefined ? {} : { expiresAt }),
    },
  };
}

function argumentOf({ path }: Problem): string {
  const flags = [
    ["namespace", "--namespace"],
    ["name", "NAME"],
    ["team", "--team"],
    ["models", "--model"],
    ["expiresAt", "--expires-at"],
  ] as const;
  return flags.find(([field]) => path.includes(field))?.[1] ?? path.join(".");
}

/** A text says what is wrong with the arguments. */
function parseKeyNewArgs(args: readonly string[]): KeyNewArgs | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        team: { type: "string" },
        model: { type: "string", multiple: true },
        namespace: { type: "string" },
        "expires-at": { type: "string" },
        help: { type: "boolean", short: "h" },
      },
      allowPositionals: true,
    });
    const help = values.help === true;
    const [name, ...more] = positionals;
    if (!help && name === undefined) return "wants a NAME, found none";
    if (!help && more.length > 0) return `wants one NAME, found also ${JSON.stringify(more[0])}`;
    return {
      help,
      name: name ?? "",
      team: values.team,
      models: values.model ?? [],
      namespace: values.namespace,
      expiresAt: values["expires-at"],
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
