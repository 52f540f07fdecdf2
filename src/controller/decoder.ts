// Decoded objects, for as long as they are of the generation that was decoded: one change among ten thousand objects
// decodes one.

import { type DecodedResource, decodeResource } from "../policy/decode/decode.ts";
import { objectKey, type PolicyObject } from "./objects.ts";

export type Decoder = {
  decode(object: PolicyObject): DecodedResource;
  /** Forgets everything else. */
  keepOnly(objects: readonly PolicyObject[]): void;
};

type Known = {
  readonly uid: string;
  readonly generation: number;
  readonly decoded: DecodedResource;
};

export function createDecoder(): Decoder {
  let known = new Map<string, Known>();
  return {
    decode(object) {
      const { uid, generation } = object.metadata;
      const key = objectKey(object);
      const found = known.get(key);
      if (found !== undefined && found.uid === uid && found.generation === generation) {
        return found.decoded;
      }
      const decoded = decodeAlone(object);
      known.set(key, { uid, generation, decoded });
      return decoded;
    },
    keepOnly(objects) {
      if (known.size <= objects.length) return;
      const kept = new Map<string, Known>();
      for (const object of objects) {
        const key = objectKey(object);
        const found = known.get(key);
        if (found !== undefined) kept.set(key, found);
      }
      known = kept;
    },
  };
}

/** A bug that one object brings to light is the affair of that object. */
function decodeAlone(object: PolicyObject): DecodedResource {
  try {
    return decodeResource(object);
  } catch (error) {
    const { kind, metadata } = object;
    const { name, namespace } = metadata;
    const message = `cannot be read: ${error instanceof Error ? error.message : "unknown"}`;
    const problem = { severity: "invalid", object: `${kind} ${name}`, path: [], message } as const;
    return { resource: undefined, identity: { kind, namespace, name }, kind, problems: [problem] };
  }
}

/** Whether two lists of objects say the same to whoever reads no statuses: the same ones, of the same generations. */
export function areSameObjects(a: readonly PolicyObject[], b: readonly PolicyObject[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((object, at) => {
    const other = b[at];
    if (object === other) return true;
    return (
      object.kind === other?.kind &&
      object.metadata.name === other.metadata.name &&
      object.metadata.uid === other.metadata.uid &&
      object.metadata.generation === other.metadata.generation
    );
  });
}
