// The custom resources as the API server gives them, and the status that the controller writes back.

import type { ResourceKind } from "../policy/resources.ts";

/** The fields of an object that the controller reads; everything else is passed by. */
export type PolicyObject = {
  readonly apiVersion: string;
  readonly kind: ResourceKind;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation: number;
    readonly creationTimestamp: string;
    /** Of the annotations, those of ours alone. */
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: unknown;
  readonly status?: ObjectStatus;
};

/** Annotations of a VirtualKey: what is public of its key, and of the one before. Any release passes them by. */
export const keyIdAnnotation = "aliasguard.dev/key-id";
export const previousKeyIdAnnotation = "aliasguard.dev/previous-key-id";

export type ObjectStatus = StatusFields & { readonly conditions?: readonly Condition[] };

/** What is shown of an object beside its conditions. */
export type StatusFields = {
  /** The generation that all of the status is of. */
  readonly observedGeneration?: number;
  /** ModelAlias: what callers send, be it the default; its targets in one line; every model that can run. */
  readonly alias?: string;
  readonly target?: string;
  readonly resolvesTo?: readonly string[];
  /** ModelAlias: how many VirtualKeys may use it. */
  readonly usableByKeys?: number;
  /** Team: how many of its VirtualKeys are valid now. */
  readonly keys?: number;
  /** VirtualKey: what is public of its key, and the first characters of its digest. */
  readonly keyId?: string;
  readonly digestPrefix?: string;
  /** Model: the canonical name, what the backend calls it and its kind, be they defaults. */
  readonly model?: string;
  readonly upstreamName?: string;
  readonly backend?: string;
};

export const conditionTypes = [
  "Accepted",
  "ResolvedRefs",
  "Programmed",
  "Ready",
  "Advice",
] as const;
export type ConditionType = (typeof conditionTypes)[number];

export type Condition = {
  readonly type: ConditionType;
  readonly status: "True" | "False" | "Unknown";
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
  readonly reason: string;
  readonly message: string;
};

/** A condition as it should be; when it became so is known only beside the one that is there. */
export type DesiredCondition = Omit<Condition, "lastTransitionTime">;

export type DesiredStatus = StatusFields & { readonly conditions: readonly DesiredCondition[] };

/** Which object it is, within the one namespace of a policy. */
export function objectKey({ kind, metadata }: Pick<PolicyObject, "kind" | "metadata">): string {
  return `${kind}/${metadata.name}`;
}
