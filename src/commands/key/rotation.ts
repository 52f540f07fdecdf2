// A VirtualKey with a new secret: the one that it has becomes `previous`, good until a moment. Everything else stays.

import { keyIdAnnotation, previousKeyIdAnnotation } from "../../controller/objects.ts";
import { publicKeyId } from "../../core/http/credential.ts";
import { recordOf } from "../../kubernetes/transport.ts";
import { decodeResource } from "../../policy/decode/decode.ts";
import { formatPath } from "../../policy/decode/shown-text.ts";
import type { SecretRef } from "./key-apply.ts";
import { keyHashOf } from "./key-secret.ts";

export type Rotation = {
  readonly secret: string;
  /** Where the new key is put; undefined: the manifest gets its hash. */
  readonly secretRef: SecretRef | undefined;
  /** The old one is good until then; undefined: it ends at once. */
  readonly untilMs: number | undefined;
  /** Whether an older secret that is still good may end now, for there is room for one. */
  readonly mayEndPrevious: boolean;
  readonly nowMs: number;
};

export type Rotated =
  | { readonly ok: true; readonly object: object }
  | { readonly ok: false; readonly fault: string };

/** `object` is a manifest or what a cluster holds. Never throws. */
export function rotate(object: unknown, rotation: Rotation): Rotated {
  const { resource, problems } = decodeResource(object);
  const [problem] = problems;
  if (problem !== undefined) {
    const { path, message } = problem;
    return refused(`the VirtualKey cannot be read: ${formatPath(path)} ${message}`);
  }
  if (resource?.kind !== "VirtualKey") return refused("it is no VirtualKey");
  const { secret, secretRef, untilMs, mayEndPrevious, nowMs } = rotation;
  const { previous } = resource;
  if (previous !== undefined && previous.untilMs > nowMs && !mayEndPrevious) {
    const until = timeText(previous.untilMs);
    return refused(
      `the secret before is good until ${until}, and would end now: say --end-previous, or wait`,
    );
  }
  const { metadata, spec } = recordOf(object);
  const { keyHash, secretRef: oldRef, previous: _, ...rest } = recordOf(spec);
  const before = keyHash === undefined ? { secretRef: oldRef } : { keyHash };
  const now = secretRef === undefined ? { keyHash: keyHashOf(secret) } : { secretRef };
  const kept = untilMs === undefined ? {} : { previous: { ...before, until: timeText(untilMs) } };
  const annotations = annotationsOf(recordOf(metadata)["annotations"], secret, untilMs);
  return {
    ok: true,
    object: {
      ...recordOf(object),
      metadata: { ...recordOf(metadata), annotations },
      spec: { ...rest, ...now, ...kept },
    },
  };
}

function annotationsOf(found: unknown, secret: string, untilMs: number | undefined): object {
  const { [keyIdAnnotation]: oldId, [previousKeyIdAnnotation]: _, ...others } = recordOf(found);
  const isKept = untilMs !== undefined && typeof oldId === "string";
  return {
    ...others,
    [keyIdAnnotation]: publicKeyId(secret),
    ...(isKept && { [previousKeyIdAnnotation]: oldId }),
  };
}

function refused(fault: string): Rotated {
  return { ok: false, fault };
}

export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, "Z");
}
