// What the tests of the controller share: its process, objects of the five kinds on a real API server, and questions to
// an authorizer over one connection.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, credentials } from "@grpc/grpc-js";
import {
  checkPath,
  decodeCheckResponse,
  encodeCheckRequest,
  type WireCheckResponse,
} from "../../src/envoy/wire.ts";
import { Child, run } from "./child.ts";
import type { KubeAnswer, KubeApi } from "./kube-api.ts";

const crds = join(import.meta.dirname, "../../helm/aliasguard/files/crds");
const main = join(import.meta.dirname, "../../src/main.ts");
export const resourcesPath = "/apis/aliasguard.dev/v1alpha1/namespaces/default";
export const configMapsPath = "/api/v1/namespaces/default/configmaps";

export const kinds = {
  modelaliases: "ModelAlias",
  teams: "Team",
  virtualkeys: "VirtualKey",
  models: "Model",
  accessgroups: "AccessGroup",
} as const;
export type Plural = keyof typeof kinds;

/** A presented key of its own for each number. */
export const secretOf = (number: number): string =>
  `ag_kube${String(number).padStart(4, "0")}_0123456789abcdefghijklmnopqrstuv`;
export const keyHashOf = (secret: string): string =>
  `sha256:${createHash("sha256").update(secret).digest("hex")}`;

/** The custom resource definitions, by kubectl; ends when the server serves them. */
export async function applyCrds(api: KubeApi): Promise<void> {
  const kubectl = (...args: string[]) =>
    run(
      { name: "kubectl", command: api.kubectl, args: ["--kubeconfig", api.kubeconfig, ...args] },
      60_000,
    );
  const applied = await kubectl("apply", "--server-side", "-f", crds);
  assert.equal(applied.code, 0, applied.stderr);
  const waited = await kubectl("wait", "--for=condition=Established", "crd", "--all");
  assert.equal(waited.code, 0, waited.stderr);
}

/** Node's heap as the chart sets it for its own memory limits. */
export const heapEnv = {
  controller: { NODE_OPTIONS: "--max-old-space-size=358" },
  authorizer: { NODE_OPTIONS: "--max-old-space-size=512" },
} as const;

export function startController(kubeconfig: string, more: readonly string[] = []): Child {
  const flags = ["--configmap", "policy", "--namespace", "default", "--admin", "127.0.0.1:0"];
  return new Child({
    name: "aliasguard controller",
    command: process.execPath,
    args: [main, "controller", ...flags, "--kubeconfig", kubeconfig, ...more],
    env: heapEnv.controller,
  });
}

/** The first line that a process logged with this message. */
export function logged(child: Child, msg: string, msMax = 30_000) {
  const find = (): Readonly<Record<string, unknown>> | undefined => {
    const line = child.stdout.find((each) => each.includes(`"msg":"${msg}"`));
    return line === undefined ? undefined : JSON.parse(line);
  };
  return child.until(find, msMax);
}

export function objectOf(plural: Plural, name: string, spec: unknown): unknown {
  const metadata = { name, namespace: "default" };
  return { apiVersion: "aliasguard.dev/v1alpha1", kind: kinds[plural], metadata, spec };
}

/** As kubectl apply --server-side does. */
export async function put(
  api: Pick<KubeApi, "send">,
  plural: Plural,
  name: string,
  spec: unknown,
): Promise<KubeAnswer> {
  const path = `${resourcesPath}/${plural}/${name}?fieldManager=test&force=true`;
  const type = "application/apply-patch+yaml";
  const answer = await api.send("PATCH", path, objectOf(plural, name, spec), type);
  assert.ok(answer.status < 300, JSON.stringify(answer.body));
  return answer;
}

/** Creates many, some at a time over as many connections. */
export async function createAll(
  api: Pick<KubeApi, "send">,
  objects: Iterable<readonly [Plural, string, unknown]>,
): Promise<void> {
  const queue = objects[Symbol.iterator]();
  const work = async (): Promise<void> => {
    for (const [plural, name, spec] of { [Symbol.iterator]: () => queue }) {
      const body = objectOf(plural, name, spec);
      const answer = await api.send("POST", `${resourcesPath}/${plural}`, body);
      assert.equal(answer.status, 201, JSON.stringify(answer.body));
    }
  };
  await Promise.all(Array.from({ length: 24 }, work));
}

export type Asker = {
  check(requested: string, secret: string): Promise<WireCheckResponse>;
  /** The model that a request for it runs, or the status of the refusal. Rejects when the RPC fails. */
  modelOf(requested: string, secret: string): Promise<string>;
  /** Milliseconds until the answer is this. */
  until(requested: string, secret: string, wanted: string, msMax?: number): Promise<number>;
  close(): void;
};

const asIs = (bytes: Buffer): Buffer => bytes;

export function createAsker(address: string): Asker {
  const client = new Client(address, credentials.createInsecure());
  const check = (requested: string, secret: string): Promise<WireCheckResponse> => {
    const raw_body = Buffer.from(JSON.stringify({ model: requested }));
    const http = {
      method: "POST",
      path: "/v1/chat/completions",
      headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
      size: raw_body.length,
      raw_body,
    };
    const bytes = encodeCheckRequest({ attributes: { request: { http } } });
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + 5000;
      client.makeUnaryRequest(checkPath, asIs, asIs, bytes, { deadline }, (error, value) => {
        if (error === null && value !== undefined) resolve(decodeCheckResponse(value));
        else reject(error ?? new Error("no answer"));
      });
    });
  };
  const modelOf = async (requested: string, secret: string): Promise<string> => {
    const answer = await check(requested, secret);
    if (!("ok_response" in answer)) return String(answer.denied_response.status.code);
    const { headers } = answer.ok_response;
    return headers.find(({ header }) => header.key === "x-model")?.header.value ?? "";
  };
  return {
    check,
    modelOf,
    async until(requested, secret, wanted, msMax = 20_000) {
      const startMs = performance.now();
      let found = "";
      while (performance.now() - startMs < msMax) {
        found = await modelOf(requested, secret);
        if (found === wanted) return performance.now() - startMs;
        await sleep(2);
      }
      assert.equal(found, wanted);
      return Number.POSITIVE_INFINITY;
    },
    close: () => client.close(),
  };
}

/** Megabytes of memory that a process holds now, and held at most. */
export function memoryOf({ pid }: Child): { readonly nowMb: number; readonly mostMb: number } {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const read = (field: string): number =>
    Math.round(Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1]) / 1024);
  return { nowMb: read("VmRSS"), mostMb: read("VmHWM") };
}

/** A number on a process's /metrics; labels belong to the name. */
export async function metricOf(child: Child, name: string): Promise<number> {
  const { admin } = await logged(child, "ready");
  const text = await (await fetch(`http://${String(admin)}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return line === undefined ? Number.NaN : Number(line.slice(name.length + 1));
}

/** Tries until it gives something. */
export async function eventually<T>(
  what: string,
  find: () => Promise<T | undefined>,
  msMax = 20_000,
): Promise<T> {
  const endMs = performance.now() + msMax;
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    if (performance.now() >= endMs) throw new Error(`${what}: not within ${msMax} ms`);
    await sleep(50);
  }
}

export type Condition = {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
};
export type Read = {
  readonly metadata: { readonly name: string; readonly generation: number };
  readonly status?: { readonly conditions?: readonly Condition[] } & Record<string, unknown>;
};

export async function readObject(
  api: Pick<KubeApi, "send">,
  plural: Plural,
  name: string,
): Promise<Read> {
  return (await api.send("GET", `${resourcesPath}/${plural}/${name}`)).body as unknown as Read;
}

/** Each condition as `Type=Status/Reason`, once all of them are of the object's own generation. */
export async function conditionsOf(
  api: Pick<KubeApi, "send">,
  plural: Plural,
  name: string,
  isWanted: (conditions: readonly Condition[]) => boolean = () => true,
): Promise<readonly Condition[]> {
  return await eventually(`conditions of ${plural}/${name}`, async () => {
    const { metadata, status } = await readObject(api, plural, name);
    const found = status?.conditions ?? [];
    const isNew = found.every((each) => each.observedGeneration === metadata.generation);
    return found.length > 0 && isNew && isWanted(found) ? found : undefined;
  });
}
