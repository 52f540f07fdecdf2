// The ConfigMap source on a watch that tests script, with a clock for its waits, and documents for it.

import assert from "node:assert/strict";
import { compilePolicy } from "../../../src/policy/compile/compile.ts";
import { decodeResource } from "../../../src/policy/decode/decode.ts";
import { type DocumentSet, encodeDocument } from "../../../src/policy/document/document.ts";
import type { Resource } from "../../../src/policy/resources.ts";
import type { ConfigMapData } from "../../../src/sources/configmaps/configmap-set.ts";
import {
  createConfigMapSource,
  type PolicyCopy,
} from "../../../src/sources/configmaps/configmap-source.ts";
import {
  createDocumentLoader,
  type DocumentLoader,
} from "../../../src/sources/configmaps/document-loader.ts";
import type { SourceEvents } from "../../../src/sources/source.ts";
import { contractNowMs } from "../source-contract.ts";

export const name = "policy";

export function alias(objectName: string, spec: object): Resource {
  const { resource } = decodeResource({
    apiVersion: "aliasguard.dev/v1alpha1",
    kind: "ModelAlias",
    metadata: { name: objectName, namespace: "default" },
    spec,
  });
  assert.ok(resource);
  return resource;
}

export function documentOf(resources: readonly Resource[]): DocumentSet {
  const { snapshot, counts } = compilePolicy(resources, { nowMs: 0 });
  const about = { revision: snapshot.revision, counts, catalogue: "open" as const };
  const document = encodeDocument(resources, about);
  assert.deepEqual(document.leftOut, []);
  return document;
}

/** A policy of thousands of aliases, so that it needs shards. */
export const large = (target: string): DocumentSet =>
  documentOf(
    Array.from({ length: 6000 }, (_, at) =>
      alias(`a${at}`, { alias: at === 0 ? "fast" : `${"x".repeat(200)}-${at}`, target }),
    ),
  );

/** A loader whose loads can be waited for. */
function waitedFor(loader: DocumentLoader) {
  const loads = new Set<unknown>();
  return {
    loader: {
      ...loader,
      load: (...given: Parameters<DocumentLoader["load"]>) => {
        const load = loader.load(...given);
        if (!(load instanceof Promise)) return load;
        const done: Promise<void> = load.then(
          () => void loads.delete(done),
          () => void loads.delete(done),
        );
        loads.add(done);
        return load;
      },
    },
    /** Until nothing is loaded any more, and what was loaded has been looked at. */
    settle: async () => {
      while (loads.size > 0) await Promise.all(loads).then(turns);
    },
  };
}

export const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

type Given = { readonly copy?: PolicyCopy; readonly loader?: DocumentLoader };

/** A watch, a clock for its waits, and what it has told. */
export function script(events: SourceEvents, { copy, loader: given }: Given = {}) {
  const { loader, settle } = waitedFor(given ?? createDocumentLoader());
  const items = new Map<string, ConfigMapData>();
  const waits: { work: () => void; ms: number }[] = [];
  const state = {
    isSynced: true,
    isStarted: false,
    lastError: undefined as string | undefined,
    silentMs: 0,
  };
  let onChange = (): void => {};
  const source = createConfigMapSource({
    name,
    nowMs: () => contractNowMs,
    monotonicMs: () => state.silentMs,
    events,
    loader,
    ...(copy && { copy }),
    schedule: (work, ms) => {
      const wait = { work, ms };
      waits.push(wait);
      return () => {
        if (waits.includes(wait)) waits.splice(waits.indexOf(wait), 1);
      };
    },
    watch: (changed) => {
      onChange = () => {
        if (state.isStarted) changed();
      };
      return {
        start: () => {
          state.isStarted = true;
          setImmediate(() => onChange());
        },
        stop: async () => {
          state.isStarted = false;
        },
        synced: () => state.isSynced,
        items: () => items,
        health: () => ({ confirmedAtMs: 0, lastError: state.lastError }),
      };
    },
  });
  const set = (configMap: string, data: Readonly<Record<string, string>>): void => {
    items.set(configMap, { data });
    onChange();
  };
  return {
    source,
    items,
    state,
    set,
    settle,
    changed: () => onChange(),
    /** As the controller writes it: the shards first. */
    write: ({ index, shards }: DocumentSet): void => {
      for (const [shard, text] of shards) {
        if (shard > 0) set(`${name}-${shard}`, { "policy.json": text });
      }
      const small = shards.get(0);
      set(name, { "index.json": index, ...(small === undefined ? {} : { "policy.json": small }) });
    },
    /** Lets the waits of this length end. */
    pass: (ms: number): void => {
      for (const wait of [...waits].filter((each) => each.ms === ms)) {
        waits.splice(waits.indexOf(wait), 1);
        wait.work();
      }
    },
  };
}

export function recorded(given?: Given) {
  const told: string[] = [];
  const events: SourceEvents = {
    replaced: () => told.push("replaced"),
    rejected: (message) => told.push(`rejected: ${message}`),
    recovered: () => told.push("recovered"),
  };
  return { told, ...script(events, given) };
}

export const target = ({ source }: Pick<ReturnType<typeof script>, "source">): string | undefined =>
  source.current()?.aliases.exact.get("fast")?.targets[0]?.model;

export const tiny = (model: string): DocumentSet => documentOf([alias("fast", { target: model })]);
