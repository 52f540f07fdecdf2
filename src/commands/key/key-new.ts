// `aliasguard key new`: makes a secret and the VirtualKey that belongs to it. The manifest goes to stdout and the secret
// to stderr, so that `> key.yaml` never stores the secret. With --apply the VirtualKey goes to a cluster, and stdout is
// the secret's alone.

import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { keyIdAnnotation } from "../../controller/objects.ts";
import { publicKeyId } from "../../core/http/credential.ts";
import { decodeResource } from "../../policy/decode/decode.ts";
import type { Problem } from "../../policy/problem.ts";
import { policyApiVersion } from "../../policy/resources.ts";
import type { CommandIo, ExitCode } from "../io.ts";
import {
  type KubeFlags,
  kubeContextUsage,
  kubeFlagOptions,
  kubeFlagsFault,
  toKubeFlags,
} from "../kube-flags.ts";
import type { SecretRef } from "./key-apply.ts";
import { keyHashOf, newSecret, secretEntryName } from "./key-secret.ts";

export const keyNewUsage = `Usage: aliasguard key new NAME [options]

Makes a new virtual key. Prints its manifest on stdout, and its secret, once, on stderr: the manifest
holds only a hash, so "aliasguard key new ci > key.yaml" stores no secret.

  --team TEAM        the team it belongs to; without --model it may use what the team may use
  --model MODEL      a model name or * pattern that it may use; may be repeated
  --namespace NAME   namespace of the manifest; with --apply [the context's, or the pod's own]
  --expires-at TIME  when it ends, such as 2026-12-01T00:00:00Z
  --apply            creates the VirtualKey in a cluster, with the hash only, instead of printing the manifest;
                     stdout gets the secret and nothing else. A VirtualKey that exists is left as it is
  --secret-ref NAME  with --apply: puts the secret into a new Secret of this name (Opaque, entry "${secretEntryName}"),
                     which the VirtualKey then refers to, and prints it nowhere
${kubeContextUsage}
  -h, --help         this text

Exit status: 0 done, 1 the cluster did not take it, 2 wrong usage.
`;

type Io = Pick<CommandIo, "stdout" | "stderr">;

/** Resolves to the exit status. `random` gives that many random bytes. */
export async function runKeyNew(
  args: readonly string[],
  io: Io,
  random: (bytes: number) => Buffer = randomBytes,
): Promise<ExitCode> {
  const parsed = parseKeyNewArgs(args);
  if (typeof parsed === "string") {
    io.stderr(`aliasguard key new: ${parsed}\n${keyNewUsage}`);
    return 2;
  }
  if (parsed.help) {
    io.stdout(keyNewUsage);
    return 0;
  }
  const secret = newSecret(random);
  const manifest = manifestOf(parsed, secret);
  const { resource, problems } = decodeResource(manifest);
  const [problem] = problems;
  if (problem !== undefined) {
    io.stderr(`aliasguard key new: ${faultOf(problem)}\n`);
    return 2;
  }
  if (resource?.kind === "VirtualKey" && (resource.expiresAtMs ?? Infinity) <= Date.now()) {
    io.stderr("aliasguard key new: warning: --expires-at is past: the key has expired already\n");
  }
  if (parsed.team === undefined && parsed.models.length === 0) {
    io.stderr("aliasguard key new: warning: without --team and --model the key can use nothing\n");
  }
  if (parsed.kube !== undefined) return applyNewKey(parsed, { secret, kube: parsed.kube }, io);
  io.stdout(stringify(manifest));
  io.stderr(`The secret of ${parsed.name}, shown only now. Keep it safe:\n${secret}\n`);
  return 0;
}

async function applyNewKey(
  parsed: KeyNewArgs,
  { secret, kube }: { readonly secret: string; readonly kube: KubeFlags },
  io: Io,
): Promise<ExitCode> {
  const { applyKey } = await import("./key-apply.ts");
  const { KubeFailure } = await import("../kube-objects.ts");
  const { name, team, secretRef } = parsed;
  const manifest = (namespace: string): object => manifestOf({ ...parsed, namespace }, secret);
  try {
    const { namespace, warning } = await applyKey(
      { name, team, secret, secretRef, manifest },
      kube,
    );
    if (warning !== undefined) io.stderr(`aliasguard key new: warning: ${warning}\n`);
    if (secretRef === undefined) {
      io.stderr(
        `VirtualKey ${namespace}/${name} created. Its secret, shown only now. Keep it safe:\n`,
      );
      io.stdout(`${secret}\n`);
    } else {
      io.stderr(
        `VirtualKey ${namespace}/${name} created. Its secret is entry ${secretRef.key} of Secret ${namespace}/${secretRef.name}\n`,
      );
    }
    return 0;
  } catch (error) {
    if (!(error instanceof KubeFailure)) throw error;
    io.stderr(`aliasguard key new: ${error.message}\n`);
    return 1;
  }
}

type KeyNewArgs = {
  readonly help: boolean;
  readonly name: string;
  readonly team: string | undefined;
  readonly models: readonly string[];
  readonly namespace: string | undefined;
  readonly expiresAt: string | undefined;
  /** undefined: the manifest is printed. */
  readonly kube: KubeFlags | undefined;
  /** The entry of a Secret that holds the key; undefined: the VirtualKey holds its digest. */
  readonly secretRef: SecretRef | undefined;
};

function manifestOf(
  { name, team, models, namespace, expiresAt, secretRef }: KeyNewArgs,
  secret: string,
): object {
  const credential = secretRef === undefined ? { keyHash: keyHashOf(secret) } : { secretRef };
  const annotations = { [keyIdAnnotation]: publicKeyId(secret) };
  return {
    apiVersion: policyApiVersion,
    kind: "VirtualKey",
    metadata: { ...(namespace === undefined ? {} : { namespace }), name, annotations },
    spec: {
      ...(team === undefined ? {} : { team }),
      ...(models.length === 0 ? {} : { grants: { models } }),
      ...credential,
      ...(expiresAt === undefined ? {} : { expiresAt }),
    },
  };
}

function faultOf({ path, message }: Problem): string {
  // Whoever takes the flag for the secret itself must not find it in a log.
  if (path.includes("secretRef")) {
    return "--secret-ref must be the name of a Secret, of a-z 0-9 - and .: found something else";
  }
  const flags = [
    ["namespace", "--namespace"],
    ["name", "NAME"],
    ["team", "--team"],
    ["models", "--model"],
    ["expiresAt", "--expires-at"],
  ] as const;
  const flag = flags.find(([field]) => path.includes(field))?.[1] ?? path.join(".");
  return `${flag} ${message}`;
}

/** A text says what is wrong with the arguments. */
function parseKeyNewArgs(args: readonly string[]): KeyNewArgs | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        team: { type: "string" },
        model: { type: "string", multiple: true },
        "expires-at": { type: "string" },
        apply: { type: "boolean", default: false },
        "secret-ref": { type: "string" },
        ...kubeFlagOptions,
        help: { type: "boolean", short: "h" },
      },
      allowPositionals: true,
    });
    const help = values.help === true;
    const [name, ...more] = positionals;
    if (!help && name === undefined) return "wants a NAME, found none";
    if (!help && more.length > 0) return `wants one NAME, found also ${JSON.stringify(more[0])}`;
    const { apply, namespace, ...rest } = values;
    // A manifest has a namespace too, which is judged with the rest of it.
    const fault = kubeFlagsFault(rest, { isAsked: apply, wants: "--apply" });
    if (!help && fault !== undefined) return fault;
    const secretName = values["secret-ref"];
    if (!help && secretName !== undefined && !apply) return "--secret-ref wants --apply";
    return {
      help,
      name: name ?? "",
      team: values.team,
      models: values.model ?? [],
      namespace,
      expiresAt: values["expires-at"],
      kube: apply ? toKubeFlags(values) : undefined,
      secretRef: secretName === undefined ? undefined : { name: secretName, key: secretEntryName },
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
