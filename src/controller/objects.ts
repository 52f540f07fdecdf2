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
  };
  readonly spec?: unknown;
  readonly status?: ObjectStatus;
};

export type ObjectStatus = {
  readonly conditions?: readonly Condition[];
  /** ModelAlias: every model that can run. */
  readonly resolvesTo?: readonly string[];
  /** Team: how many VirtualKeys belong to it. */
  readonly keys?: number;
  /** ModelAlias: how many VirtualKeys may use it. */
  readonly usableByKeys?: number;
};

export const conditionTypes = ["Accepted", "ResolvedRefs", "Programmed"] as const;
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

export type DesiredStatus = {
  readonly conditions: readonly DesiredCondition[];
  readonly resolvesTo?: readonly string[];
  readonly keys?: number;
  readonly usableByKeys?: number;
};

/** Which object it is, within the one namespace of a policy. */
export function objectKey({ kind, metadata }: Pick<PolicyObject, "kind" | "metadata">): string {
  return `${kind}/${metadata.name}`;
}
