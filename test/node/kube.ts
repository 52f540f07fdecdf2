// kubectl, helm and the kit as the cluster test runs them: inside the node's network, where test/cluster/in has put
// KUBECONFIG and the kit's programs. What fails throws with the command's own words.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../support/child.ts";
import { createTempFolder } from "../support/temp-folder.ts";

export const project = join(import.meta.dirname, "../..");
export const chart = join(project, "helm/aliasguard");
const kit = join(project, "test/cluster");
const folder = createTempFolder("cluster-test");

const commandMsMax = 120_000;

/** What a command printed to stdout. */
export async function command(name: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run({ name, command: name, args }, commandMsMax);
  if (code === 0) return stdout;
  throw new Error(`${name} ${args.join(" ")}: exit code ${code}\n${stderr}\n${stdout}`);
}

export const kubectl = (...args: readonly string[]): Promise<string> => command("kubectl", ...args);
export const helm = (...args: readonly string[]): Promise<string> => command("helm", ...args);
export const kitCommand = (name: string, ...args: readonly string[]): Promise<string> =>
  command("bash", join(kit, name), ...args);

/** The words of a command that must fail. */
export async function refusal(name: string, ...args: readonly string[]): Promise<string> {
  const { code, stderr } = await run({ name, command: name, args }, commandMsMax);
  if (code === 0) throw new Error(`${name} ${args.join(" ")} did not fail`);
  return stderr;
}

/** A file for commands that read one. */
export function fileOf(text: string, name = "input"): string {
  const path = join(folder.path, name);
  writeFileSync(path, text);
  return path;
}

/** `kubectl apply` of a manifest, or of objects. */
export function apply(
  objects: string | readonly object[],
  namespace: string,
  ...flags: readonly string[]
): Promise<string> {
  const text = typeof objects === "string" ? objects : listOf(objects);
  return kubectl("apply", "--namespace", namespace, ...flags, "-f", fileOf(text));
}

export const listOf = (items: readonly object[]): string =>
  JSON.stringify({ apiVersion: "v1", kind: "List", items });

export const resource = (kind: string, name: string, spec: object): object => ({
  apiVersion: "aliasguard.dev/v1alpha1",
  kind,
  metadata: { name },
  spec,
});

export type Pod = {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly containers: readonly { readonly securityContext: object }[] };
  readonly status: {
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly { readonly restartCount: number }[];
  };
};

/** Those of a component of the release, or of any app by its label; those that are on their way out too. */
export async function pods(namespace: string, selector: string): Promise<readonly Pod[]> {
  const text = await kubectl("get", "pods", "-n", namespace, "-l", selector, "-o", "json");
  return (JSON.parse(text) as { readonly items: readonly Pod[] }).items;
}

export const isReady = ({ status, metadata }: Pod): boolean =>
  metadata.deletionTimestamp === undefined &&
  (status.conditions ?? []).some((each) => each.type === "Ready" && each.status === "True");

/** Tries until `find` gives something, every `everyMs`. */
export async function until<T>(
  what: string,
  find: () => Promise<T | undefined>,
  msMax: number,
  everyMs = 250,
): Promise<T> {
  const end = Date.now() + msMax;
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`not within ${msMax} ms: ${what}`);
    await sleep(everyMs);
  }
}

/** Everything that helps to tell why a step failed. */
export async function diagnosis(): Promise<string> {
  const parts: string[] = [];
  const add = async (title: string, ...args: readonly string[]): Promise<void> => {
    const { stdout, stderr } = await run({ name: "kubectl", command: "kubectl", args }, 20_000);
    parts.push(`== ${title}`, stdout, stderr);
  };
  await add("pods", "get", "pods", "-A", "-o", "wide");
  await add("resources", "get", "aliasguard", "-A");
  await add("events", "get", "events", "-A", "--sort-by=.lastTimestamp");
  for (const [pod, file] of podLogs()) {
    const tail = readFileSync(file, "utf8").trimEnd().split("\n").slice(-50);
    parts.push(`== log of ${pod}`, ...tail);
  }
  return parts.join("\n");
}

/** Log files of the pods that there are, by pod and container. */
export function podLogs(): readonly (readonly [pod: string, file: string])[] {
  const logs = join(process.env["ALIASGUARD_CLUSTER"] ?? "", "pod-logs");
  return readdirSync(logs, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".log"))
    .map((name) => [name, join(logs, name)]);
}
