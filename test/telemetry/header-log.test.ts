// Tests of the log of dropped headers: once a name, at debug alone, and no more names than are remembered.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { DroppedHeader } from "../../src/core/http/header-rules.ts";
import { createHeaderLog } from "../../src/telemetry/header-log.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { allowed, denied, observationOf } from "./observations.ts";

function run(level: string, batches: readonly (readonly DroppedHeader[])[]): readonly unknown[] {
  const lines: unknown[] = [];
  const write = (line: string): number => lines.push(JSON.parse(line));
  const log = createHeaderLog(createLogger(level, { write }));
  for (const droppedHeaders of batches) log(observationOf({ ...allowed, droppedHeaders }));
  log(observationOf(denied));
  return lines;
}

const tenant = { name: "x-tenant", kind: "unknown", row: undefined } as const;
const project = { name: "openai-project", kind: "credential", row: "accounts" } as const;

function wordsOf(lines: readonly unknown[]): readonly unknown[] {
  return lines.map((line) => {
    const { header, kind, row } = line as { header: string; kind: string; row?: string };
    return [header, kind, row];
  });
}

test("createHeaderLog says each name once, at debug", () => {
  const lines = run("debug", [[tenant, project], [project], [], [tenant]]);
  assert.deepEqual(wordsOf(lines), [
    ["x-tenant", "unknown", undefined],
    ["openai-project", "credential", "accounts"],
  ]);
});

test("createHeaderLog says nothing above debug", () => {
  assert.deepEqual(run("info", [[tenant]]), []);
});

test("createHeaderLog remembers a thousand names, each cut", () => {
  const many = Array.from({ length: 2000 }, (_, at) => ({ ...tenant, name: `x-${at}` }));
  assert.equal(run("debug", [many]).length, 1000);
  const long = { ...tenant, name: "x".repeat(5000) };
  assert.deepEqual(wordsOf(run("debug", [[long]])), [["x".repeat(64), "unknown", undefined]]);
});
