// `aliasguard serve` as a child process whose start may fail, a policy that its tests edit, and a client that asks it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { stringify } from "yaml";
import {
  checkPath,
  decodeCheckResponse,
  encodeCheckRequest,
  type WireCheckResponse,
  type WireHttpRequest,
} from "../../../src/envoy/wire.ts";
import { Child } from "../../support/child.ts";

export const secret = "ag_serve000_0123456789abcdefghijklmnopqrstuv";
const keyHash = `sha256:${createHash("sha256").update(secret).digest("hex")}`;

/** Milliseconds in which something that must come has come, also on a loaded machine. */
const patienceMs = 20_000;

export const goodPolicy = [
  { kind: "ModelAlias", name: "agentx", spec: { alias: "AgentX-LLM", target: "vendor/model" } },
  { kind: "VirtualKey", name: "alice", spec: { keyHash, grants: { models: ["vendor/*"] } } },
]
  .map(({ kind, name, spec }) =>
    stringify({ apiVersion: "aliasguard.dev/v1alpha1", kind, metadata: { name }, spec }),
  )
  .join("---\n");

/** As an editor saves: whole, by a rename. */
export function savePolicy(path: string, text: string): void {
  writeFileSync(`${path}.draft`, text);
  renameSync(`${path}.draft`, path);
}

export type LogLine = Readonly<Record<string, unknown>>;

export class ServeProcess {
  readonly child: Child;

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const main = join(import.meta.dirname, "../../../src/main.ts");
    this.child = new Child({
      name: "aliasguard serve",
      command: process.execPath,
      args: [main, "serve", ...args],
      env: { ALIASGUARD_ADMIN: "127.0.0.1:0", ALIASGUARD_DRAIN_DELAY_MS: "0", ...env },
    });
  }

  log(): readonly LogLine[] {
    return this.child.stdout.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  }

  /** The first line with this message, and where `matches`, when it has come. */
  line(msg: string, matches: (line: LogLine) => boolean = () => true): Promise<LogLine> {
    const find = (): LogLine | undefined =>
      this.log().find((line) => line["msg"] === msg && matches(line));
    return this.child.until(find, patienceMs);
  }

  output(): string {
    return [...this.child.stdout, ...this.child.stderr].join("\n");
  }
}

export function wordsOf(value: unknown): readonly string[] {
  assert.ok(Array.isArray(value));
  return value.map(String);
}

/** Status and JSON, or text, of a path of the admin server. */
export async function askAdmin(
  line: LogLine,
  path: string,
): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`http://${String(line["admin"])}${path}`);
  return { status: response.status, text: await response.text() };
}

const asIs = (bytes: Buffer): Buffer => bytes;

export async function ask(address: string, http: WireHttpRequest): Promise<WireCheckResponse> {
  const client = new Client(address, credentials.createInsecure());
  const bytes = encodeCheckRequest({ attributes: { request: { http } } });
  try {
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest(checkPath, asIs, asIs, bytes, (error, value) => {
        if (error === null && value !== undefined) resolve(decodeCheckResponse(value));
        else reject(error ?? new Error("no answer"));
      });
    });
  } finally {
    client.close();
  }
}

export function chat(model: string, headers: Readonly<Record<string, string>> = {}) {
  const raw_body = Buffer.from(JSON.stringify({ model, messages: ["the body is private"] }));
  return {
    method: "POST",
    path: "/v1/chat/completions",
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json", ...headers },
    raw_body,
    size: raw_body.length,
  };
}
