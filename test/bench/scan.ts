// The scanner, and the plain one alone, against JSON.parse from bytes, side by side in one run, as ratios; and what hostile
// bodies cost as they grow. Run it with `node test/bench/scan.ts`; it prints two tables and proves nothing by itself.

import { readJsonBody } from "../../src/core/body/json-body.ts";
import { createPlainScanner } from "../../src/core/json/plain.ts";
import { createJsonScanner, type JsonScanner } from "../../src/core/json/scan.ts";
import { honestBodies, hostileBodies } from "./scan-bodies.ts";

const rounds = 15;
const roundMs = 12;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Microseconds of one call, over as many calls as fill a round. */
function timeOf(work: () => unknown): number {
  const start = process.hrtime.bigint();
  let calls = 0;
  let elapsed = 0n;
  const wanted = BigInt(roundMs) * 1_000_000n;
  while (elapsed < wanted) {
    work();
    calls++;
    elapsed = process.hrtime.bigint() - start;
  }
  return Number(elapsed) / 1000 / calls;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function compare(scan: JsonScanner, plain: JsonScanner): void {
  print("| body | bytes | JSON.parse us | scan us | scan MB/s | ratio (min-max) | plain ratio |");
  print("|---|--:|--:|--:|--:|--:|--:|");
  for (const [name, text] of honestBodies()) {
    const bytes = Buffer.from(text);
    if (!scan(bytes).ok) throw new Error(`the scanner refuses the honest body "${name}"`);
    const parses: number[] = [];
    const scans: number[] = [];
    const plains: number[] = [];
    for (let round = 0; round < rounds; round++) {
      parses.push(timeOf(() => JSON.parse(bytes.toString("utf8")) as unknown));
      scans.push(timeOf(() => scan(bytes)));
      plains.push(timeOf(() => plain(bytes)));
    }
    const ratios = parses.map((parse, at) => parse / (scans[at] ?? Number.NaN));
    const plainRatios = parses.map((parse, at) => parse / (plains[at] ?? Number.NaN));
    const spread = `${Math.min(...ratios).toFixed(1)}-${Math.max(...ratios).toFixed(1)}`;
    const scanUs = median(scans);
    const cells = [
      name,
      bytes.length,
      median(parses).toFixed(1),
      scanUs.toFixed(1),
      (bytes.length / scanUs).toFixed(0),
      `${median(ratios).toFixed(1)}x (${spread})`,
      `${median(plainRatios).toFixed(1)}x`,
    ];
    print(`| ${cells.join(" | ")} |`);
  }
}

/** Nanoseconds a byte of readJsonBody, its scan included, at 1, 2, 4 and 8 MB: a row that grows is not linear. */
function proveLinear(scanner: JsonScanner): void {
  const options = { dialect: "openai", scanner } as const;
  print("| hostile body | answer | ns a byte at 1 MB | 2 MB | 4 MB | 8 MB |");
  print("|---|---|--:|--:|--:|--:|");
  for (const [name, build] of hostileBodies) {
    const cells: string[] = [];
    let answer = "";
    for (const megabytes of [1, 2, 4, 8]) {
      const bytes = build(megabytes * 1_000_000);
      const times = Array.from({ length: 5 }, () => {
        const start = process.hrtime.bigint();
        const result = readJsonBody(bytes, options);
        answer = result.ok ? "admitted" : `${result.reason} at ${result.detail.offset}`;
        return Number(process.hrtime.bigint() - start);
      });
      cells.push((median(times) / bytes.length).toFixed(2));
    }
    print(`| ${[name, answer, ...cells].join(" | ")} |`);
  }
}

const hashSeed = Math.floor(Math.random() * 2 ** 32);
const scan = createJsonScanner({ hashSeed });
print(`Node ${process.version}, ${process.arch}, ${rounds} interleaved rounds of ${roundMs} ms`);
compare(scan, createPlainScanner({ hashSeed }));
print("");
proveLinear(scan);
