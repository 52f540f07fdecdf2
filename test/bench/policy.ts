// What a reload of a large policy costs the checks that run meanwhile: the longest gap of the event loop with the file
// source and the ConfigMap source, beside the gap when the same work is done on the loop itself. Run by hand:
// node test/bench/policy.ts [configmaps]

import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { compilePolicy } from "../../src/policy/compile/compile.ts";
import { decodeResource } from "../../src/policy/decode/decode.ts";
import { encodeDocument } from "../../src/policy/document/document.ts";
import type { Resource } from "../../src/policy/resources.ts";
import type { ConfigMapData } from "../../src/sources/configmaps/configmap-set.ts";
import { createConfigMapSource } from "../../src/sources/configmaps/configmap-source.ts";
import { createDocumentLoader } from "../../src/sources/configmaps/document-loader.ts";
import { createFileSource } from "../../src/sources/files/file-source.ts";
import { readManifestText } from "../../src/sources/files/manifest-documents.ts";
import { compileManifests, readManifestFiles } from "../../src/sources/files/manifest-files.ts";
import { listManifestFiles, stampOf } from "../../src/sources/files/manifest-listing.ts";

const sizes = [2_500, 5_000, 10_000];
const configMapSizes = [100, 200, 400, 1_000, 5_000, 10_000, 20_000];
const teams = 50;
const head = (kind: string, name: string): string =>
  `apiVersion: aliasguard.dev/v1alpha1\nkind: ${kind}\nmetadata: { name: ${name} }\n`;
const keyHash = (number: number): string => `sha256:${number.toString(16).padStart(64, "0")}`;

/** `keys` VirtualKeys, each with a grant of its own, as many ModelAliases, and 50 Teams. `edit` changes one alias. */
function policyOf(keys: number, edit: number): string {
  const documents: string[] = [];
  for (let at = 0; at < teams; at++) {
    documents.push(`${head("Team", `team-${at}`)}spec: { grants: { models: ["vendor/*"] } }\n`);
  }
  for (let at = 0; at < keys; at++) {
    const target = at === 0 ? `vendor/edit-${edit}` : `vendor/model-${at % 100}`;
    documents.push(
      `${head("ModelAlias", `alias-${at}`)}spec: { target: ${target} }\n`,
      `${head("VirtualKey", `key-${at}`)}spec:\n  team: team-${at % teams}\n` +
        `  grants: { models: [vendor/model-${at}, vendor/model-${at % 7}] }\n` +
        `  keyHash: ${keyHash(at)}\n`,
    );
  }
  return documents.join("---\n");
}

type Measured = { readonly ms: number; readonly gapMs: number };

async function measured(work: () => Promise<void>): Promise<Measured> {
  const gaps = monitorEventLoopDelay({ resolution: 1 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  gaps.enable();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const startMs = performance.now();
  await work();
  const ms = performance.now() - startMs;
  await new Promise((resolve) => setTimeout(resolve, 20));
  gaps.disable();
  return { ms, gapMs: gaps.max / 1e6 };
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const whole = (value: number): string => value.toFixed(0).padStart(7);

async function benchReload(directory: string, keys: number): Promise<void> {
  const file = join(directory, "policy.yaml");
  const write = async (edit: number): Promise<void> => {
    await writeFile(`${file}.new`, policyOf(keys, edit));
    await rename(`${file}.new`, file);
  };
  await write(0);
  let replaced = Promise.withResolvers<void>();
  const source = createFileSource({
    path: directory,
    nowMs: () => 0,
    events: { replaced: () => replaced.resolve(), rejected: (why) => replaced.reject(why) },
  });
  await source.start();
  const reloads: Measured[] = [];
  for (let edit = 1; edit <= 3; edit++) {
    replaced = Promise.withResolvers<void>();
    await write(edit);
    reloads.push(await measured(() => replaced.promise));
  }
  const idle = await measured(() => new Promise((resolve) => setTimeout(resolve, 500)));
  await source.stop();
  const inline = await measured(async () => {
    compileManifests(await readManifestFiles(directory), { nowMs: 0 });
  });
  const ms = Math.max(...reloads.map((reload) => reload.ms));
  const gapMs = Math.max(...reloads.map((reload) => reload.gapMs));
  const perObject = ((inline.ms * 1000) / (2 * keys)).toFixed(0);
  print(
    `${whole(keys)} keys and aliases:${whole(ms)} ms from edit to in force, longest gap${whole(gapMs)} ms` +
      ` (idle${whole(idle.gapMs)} ms) | on the loop${whole(inline.ms)} ms, longest gap${whole(inline.gapMs)} ms, ${perObject} us an object`,
  );
}

/** The resources of `policyOf(keys, edit)`, without its YAML. */
function resourcesOf(keys: number, edit: number): readonly Resource[] {
  const made = (kind: string, name: string, spec: object): Resource => {
    const manifest = { apiVersion: "aliasguard.dev/v1alpha1", kind, metadata: { name }, spec };
    const { resource } = decodeResource(manifest);
    if (resource === undefined) throw new Error(`${kind} ${name} cannot be decoded`);
    return resource;
  };
  const target = (at: number): string =>
    at === 0 ? `vendor/edit-${edit}` : `vendor/model-${at % 100}`;
  return [
    ...Array.from({ length: Math.min(teams, keys) }, (_, at) =>
      made("Team", `team-${at}`, { grants: { models: ["vendor/*"] } }),
    ),
    ...Array.from({ length: keys }, (_, at) => [
      made("ModelAlias", `alias-${at}`, { target: target(at) }),
      made("VirtualKey", `key-${at}`, {
        team: `team-${at % teams}`,
        grants: { models: [`vendor/model-${at}`, `vendor/model-${at % 7}`] },
        keyHash: keyHash(at),
      }),
    ]).flat(),
  ];
}

/** The ConfigMaps of a policy; those that are as in `before` are the very same, as a watch gives them. */
function configMapsOf(
  resources: readonly Resource[],
  before: ReadonlyMap<string, ConfigMapData>,
): ReadonlyMap<string, ConfigMapData> {
  const { snapshot, counts } = compilePolicy(resources, { nowMs: 0 });
  const { revision } = snapshot;
  const document = encodeDocument(resources, { revision, counts, catalogue: "open" });
  const items = new Map<string, ConfigMapData>();
  for (const [shard, text] of document.shards) {
    if (shard > 0) items.set(`policy-${shard}`, { data: { "policy.json": text } });
  }
  const alone = document.shards.get(0);
  const records = alone === undefined ? {} : { "policy.json": alone };
  items.set("policy", { data: { "index.json": document.index, ...records } });
  for (const [name, item] of items) {
    const known = before.get(name);
    if (JSON.stringify(known) === JSON.stringify(item)) items.set(name, known ?? item);
  }
  return items;
}

type Reloads = { readonly ms: number; readonly gapMs: number; readonly gaps: readonly number[] };

/** `edits`: the ConfigMaps from the start on. The longest of all reloads, and the gap of each. */
async function reloadConfigMaps(
  edits: readonly ReadonlyMap<string, ConfigMapData>[],
  lengthMax: number,
): Promise<Reloads> {
  let items: ReadonlyMap<string, ConfigMapData> = new Map();
  let changed = (): void => {};
  let replaced = Promise.withResolvers<void>();
  const source = createConfigMapSource({
    name: "policy",
    nowMs: () => 0,
    monotonicMs: () => 0,
    events: { replaced: () => replaced.resolve(), rejected: (why) => replaced.reject(why) },
    loader: createDocumentLoader({ lengthMax }),
    watch: (onChange) => {
      changed = onChange;
      return {
        start: () => {},
        stop: async () => {},
        synced: () => true,
        items: () => items,
        health: () => ({ confirmedAtMs: 0, lastError: undefined }),
      };
    },
  });
  const starting = source.start();
  const reloads: Measured[] = [];
  for (const [edit, each] of edits.entries()) {
    replaced = Promise.withResolvers<void>();
    const reload = await measured(async () => {
      items = each;
      changed();
      await replaced.promise;
    });
    if (edit > 0) reloads.push(reload);
  }
  await starting;
  await source.stop();
  const gaps = reloads.map(({ gapMs }) => gapMs);
  return { ms: median(reloads.map(({ ms }) => ms)), gapMs: Math.max(...gaps), gaps };
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Reloads of one changed alias: on the loop, as long ago, and as it is. */
async function benchConfigMaps(keys: number): Promise<void> {
  const edits: ReadonlyMap<string, ConfigMapData>[] = [];
  for (let edit = 0; edit <= 7; edit++) {
    edits.push(configMapsOf(resourcesOf(keys, edit), edits.at(-1) ?? new Map()));
  }
  const texts = [...(edits[0]?.values() ?? [])].map(({ data }) => data?.["policy.json"] ?? "");
  const kib = texts.reduce((sum, text) => sum + text.length, 0) / 1024;
  const onLoop = await reloadConfigMaps(edits, Number.POSITIVE_INFINITY);
  const inThread = await reloadConfigMaps(edits, 0);
  const shown = ({ ms, gapMs, gaps }: Reloads): string =>
    `${whole(ms)} ms to in force, longest gap${whole(gapMs)} ms (median${whole(median(gaps))} ms)`;
  print(
    `${whole(2 * keys)} objects in ConfigMaps,${whole(kib)} KiB: on the loop${shown(onLoop)} | in the thread` +
      `${shown(inThread)} | ratio of the gaps ${(onLoop.gapMs / inThread.gapMs).toFixed(1)}`,
  );
}

function benchKeysOfOneMap(): void {
  for (const keys of [2_000, 4_000, 8_000, 64_000]) {
    const text = Array.from({ length: keys }, (_, at) => `key-${at}: x\n`).join("");
    const startMs = performance.now();
    readManifestText(text);
    print(`${whole(keys)} keys in one map:${whole(performance.now() - startMs)} ms`);
  }
}

/** Heap of 10,000 keys that use one group of 1,024 models. */
function benchSharedGrants(): void {
  const resources = Array.from({ length: 10_001 }, (_, at) => {
    const [kind, name, spec] =
      at === 0
        ? ["AccessGroup", "g", { models: Array.from({ length: 1024 }, (_, model) => `m-${model}`) }]
        : ["VirtualKey", `key-${at}`, { grants: { groups: ["g"] }, keyHash: keyHash(at) }];
    const manifest = { apiVersion: "aliasguard.dev/v1alpha1", kind, metadata: { name }, spec };
    return decodeResource(manifest).resource;
  }).filter((resource) => resource !== undefined);
  const before = process.memoryUsage().heapUsed;
  const { counts } = compilePolicy(resources, { nowMs: 0 });
  const mib = (process.memoryUsage().heapUsed - before) / 1024 / 1024;
  print(`${counts.keys} keys of one group of 1,024 models: at most ${whole(mib)} MiB of heap`);
}

async function benchPoll(directory: string): Promise<void> {
  for (let at = 0; at < 1_000; at++) await writeFile(join(directory, `more-${at}.yaml`), "");
  const poll = await measured(async () => void stampOf(await listManifestFiles(directory)));
  print(`one look at 1,001 files:${whole(poll.ms)} ms, longest gap${whole(poll.gapMs)} ms`);
}

print(`Node ${process.version}, ${availableParallelism()} x ${cpus()[0]?.model ?? "unknown"}`);
// The source itself does not keep a process alive.
const alive = setInterval(() => {}, 1_000);
for (const objects of configMapSizes) await benchConfigMaps(objects / 2);
if (process.argv[2] !== "configmaps") await benchFiles();
clearInterval(alive);

async function benchFiles(): Promise<void> {
  benchSharedGrants();
  benchKeysOfOneMap();
  const directory = await mkdtemp(join(tmpdir(), "aliasguard-bench-"));
  try {
    for (const keys of sizes) await benchReload(directory, keys);
    await benchPoll(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}
