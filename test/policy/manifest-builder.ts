// Builds resources for the tests of the policy compiler, through the decoder, so that they are what manifests give.

import assert from "node:assert/strict";
import type { CompiledPolicy } from "../../src/policy/compile/compile.ts";
import { compilePolicy } from "../../src/policy/compile/compile.ts";
import { decodeResource } from "../../src/policy/decode/decode.ts";
import type { Resource, ResourceKind } from "../../src/policy/resources.ts";
import { policyApiVersion } from "../../src/policy/resources.ts";

export function manifest(kind: ResourceKind, name: string, spec: object, created?: string): object {
  const metadata = created === undefined ? { name } : { name, creationTimestamp: created };
  return { apiVersion: policyApiVersion, kind, metadata, spec };
}

export function resource(
  kind: ResourceKind,
  name: string,
  spec: object,
  created?: string,
): Resource {
  const decoded = decodeResource(manifest(kind, name, spec, created));
  assert.deepEqual(decoded.problems, []);
  assert.ok(decoded.resource !== undefined);
  return decoded.resource;
}

export function alias(name: string, target: string, more: object = {}): Resource {
  return resource("ModelAlias", name, { target, ...more });
}

/** `sha256:` and a digest that ends in `number`. */
export function keyHash(number: number): string {
  return `sha256:${digest(number)}`;
}

export function digest(number: number): string {
  return number.toString(16).padStart(64, "0");
}

export function compile(...resources: readonly Resource[]): CompiledPolicy {
  return compilePolicy(resources, { nowMs: Date.UTC(2026, 0, 1) });
}

/** Only what is catalogued can run. */
export function compileClosed(...resources: readonly Resource[]): CompiledPolicy {
  return compilePolicy(resources, { nowMs: Date.UTC(2026, 0, 1), catalogue: "closed" });
}

/** Severity, object and message of each problem, one line each. */
export function lines({ problems }: CompiledPolicy): readonly string[] {
  return problems.map(({ severity, object, message }) => `${severity} ${object}: ${message}`);
}
