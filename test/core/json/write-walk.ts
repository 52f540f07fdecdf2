// Compiles src/core/json/walk.c to WebAssembly and writes walk-bytes.ts, which carries it: npm run scanner. It needs clang
// and wasm-ld (Debian: clang, lld) of the version that the committed bytes were made by, or else writes other bytes.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../../src/core/json", import.meta.url));

/** Names that simd.ts reads by their address. */
const data =
  "window noted_starts noted_ends noted_depths text_starts text_ends members counts".split(" ");
const flags =
  "--target=wasm32 -std=gnu11 -O3 -msimd128 -nostdlib -ffreestanding -Wall -Wextra -Werror -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=4096";

/** "14.0.6", or undefined where there is no clang that could build it. */
export function clangVersion(): string | undefined {
  const linker = spawnSync("wasm-ld", ["--version"]);
  const { status, stdout } = spawnSync("clang", ["--version"], { encoding: "utf8" });
  if (linker.status !== 0 || status !== 0) return undefined;
  return /clang version (\d+\.\d+\.\d+)/.exec(stdout)?.[1];
}

export function compileWalk(): Buffer {
  const out = mkdtempSync(join(tmpdir(), "walk-"));
  try {
    const file = join(out, "walk.wasm");
    const exported = data.map((name) => `-Wl,--export=${name}`);
    const args = [...flags.split(" "), ...exported, "-o", file, "walk.c"];
    const { status, stderr } = spawnSync("clang", args, { cwd: folder, encoding: "utf8" });
    if (status !== 0) throw new Error(`clang did not compile walk.c: ${stderr}`);
    return readFileSync(file);
  } finally {
    rmSync(out, { recursive: true });
  }
}

/** The text of walk-bytes.ts. */
export function walkModule(wasm: Uint8Array, version: string): string {
  const base64 = Buffer.from(wasm).toString("base64");
  const lines = base64.match(/.{1,96}/g) ?? [];
  return `// walk.c as WebAssembly, ${wasm.length} bytes, in base64. Written by test/core/json/write-walk.ts (npm run scanner) with
// clang ${version}; a test compiles it anew and compares.

const base64 = \`
${lines.join("\n")}
\`;

export function walkBytes(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(base64, "base64"));
}
`;
}

if (import.meta.main) {
  const version = clangVersion();
  if (version === undefined) throw new Error("clang and wasm-ld are needed to compile walk.c");
  writeFileSync(join(folder, "walk-bytes.ts"), walkModule(compileWalk(), version));
}
