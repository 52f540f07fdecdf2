// The walk as a module: its memory, its bytes against its source, and the scanner on a machine that cannot run it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createPlainScanner } from "../../../src/core/json/plain.ts";
import { createJsonScanner } from "../../../src/core/json/scan.ts";
import { walkBytes } from "../../../src/core/json/walk-bytes.ts";
import { walkOf } from "./checked-scan.ts";
import { clangVersion, compileWalk, walkModule } from "./write-walk.ts";

const hashSeed = 0x5eed;

/** Node's, of which the language's own types know nothing. */
type WebAssemblyApi = {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
  ) => {
    readonly exports: { readonly memory: { readonly buffer: ArrayBuffer } };
  };
};

test("scanner does without WebAssembly", () => {
  const api = globalThis as { WebAssembly?: WebAssemblyApi };
  const { WebAssembly } = api;
  assert.ok(WebAssembly !== undefined);
  delete api.WebAssembly;
  const scan = createJsonScanner({ hashSeed });
  api.WebAssembly = WebAssembly;
  const body = Buffer.from('{"a":1,"b":{"c":[1]}}');
  const wanted = createPlainScanner({ hashSeed })(body);
  assert.ok(wanted.ok);
  assert.deepEqual(scan(body), wanted);
});

test("walk takes 256 KiB of memory at most, whatever the body", () => {
  const { WebAssembly } = globalThis as { readonly WebAssembly?: WebAssemblyApi };
  assert.ok(WebAssembly !== undefined);
  const { memory } = new WebAssembly.Instance(new WebAssembly.Module(walkBytes())).exports;
  assert.ok(memory.buffer.byteLength <= 262_144, String(memory.buffer.byteLength));
  const large = Buffer.from(`{"a":"${"x".repeat(3_000_000)}"}`);
  assert.ok(walkOf({ hashSeed })(large)?.ok);
});

test("walk-bytes.ts is what walk.c compiles to", (context) => {
  const text = readFileSync(
    new URL("../../../src/core/json/walk-bytes.ts", import.meta.url),
    "utf8",
  );
  const version = clangVersion();
  const wanted = /clang (\d+\.\d+\.\d+)/.exec(text)?.[1];
  assert.ok(wanted !== undefined);
  assert.equal(walkModule(walkBytes(), wanted), text);
  if (version !== wanted) return context.skip(`clang ${wanted} is needed, found ${version}`);
  assert.equal(walkModule(compileWalk(), version), text);
});
