// The scanner against JSON.parse from the same bytes, as ratios in one run, and whether hostile bodies stay linear.
// Run: npm run bench

import { createJsonScanner } from "../../src/core/json-scan.ts";

const scan = createJsonScanner({ hashSeed: 0x5eed });
const rounds = 9;
const mebibyte = 1024 * 1024;

function chatBody(bytes: number): Buffer {
  const messages: object[] = [];
  const text = 'The quick brown fox jumps over "the" lazy dog.\n'.repeat(20);
  for (let size = 0; size < bytes; size += text.length)
    messages.push({ role: "user", content: text });
  return Buffer.from(JSON.stringify({ model: "AgentX-LLM", messages, temperature: 0.7 }));
}

function schemaBody(bytes: number): Buffer {
  const tool = {
    type: "function",
    function: {
      name: "f",
      parameters: {
        type: "object",
        properties: {
          path: { type: "string", description: "Where to look" },
          depth: { type: "integer", minimum: 0 },
        },
        required: ["path"],
      },
    },
  };
  const tools = Array.from({ length: Math.ceil(bytes / JSON.stringify(tool).length) }, () => tool);
  return Buffer.from(JSON.stringify({ model: "AgentX-LLM", tools }));
}

/** Milliseconds of `times` calls, the least of several tries. */
function timed(work: () => unknown, times = 1): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const start = process.hrtime.bigint();
    for (let time = 0; time < times; time++) work();
    least = Math.min(least, Number(process.hrtime.bigint() - start) / 1e6);
  }
  return least;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function ratio(body: Buffer): string {
  const ratios: number[] = [];
  const times = Math.ceil((4 * mebibyte) / body.length);
  for (let round = 0; round < rounds; round++) {
    const parse = timed(() => JSON.parse(body.toString("utf8")), times);
    const ours = timed(() => {
      if (!scan(body).ok) throw new Error("the body must be admitted");
    }, times);
    ratios.push(parse / ours);
  }
  const sorted = [...ratios].sort((a, b) => a - b);
  return `${median(ratios).toFixed(2)}x (${sorted[0]?.toFixed(2)} to ${sorted[rounds - 1]?.toFixed(2)})`;
}

const hostile: Readonly<Record<string, (bytes: number) => string>> = {
  "[],[],...": (bytes) => `{"model":"a","x":[${"[],".repeat(bytes / 3)}[]]}`,
  "objects of 10,000 keys": (bytes) => {
    const keys = Array.from({ length: 10_000 }, (_, at) => `"k${at}":0`).join(",");
    const objects = Array.from({ length: Math.ceil(bytes / keys.length) }, () => `{${keys}}`);
    return `{"model":"a","x":[${objects.join(",")}]}`;
  },
  "one string of escapes": (bytes) => `{"model":"a","x":"${"\\u0041".repeat(bytes / 6)}"}`,
  "one escaped key": (bytes) => `{"model":"a","x":{"${"\\u0041".repeat(bytes / 6)}":1}}`,
  "small objects": (bytes) => `{"model":"a","x":[${'{"a":1,"b":2},'.repeat(bytes / 14)}{}]}`,
};

process.stdout.write("scanner against JSON.parse from bytes (above 1x: faster)\n");
for (const [name, make] of [
  ["chat", chatBody],
  ["schemas", schemaBody],
] as const) {
  for (const size of [8 * 1024, 128 * 1024, mebibyte]) {
    process.stdout.write(`  ${name} ${size / 1024} KB: ${ratio(make(size))}\n`);
  }
}
process.stdout.write("time of 8 MB over time of 1 MB (linear: about 8)\n");
for (const [name, make] of Object.entries(hostile)) {
  const [small, large] = [1, 8].map((times) => Buffer.from(make(times * mebibyte)));
  if (small === undefined || large === undefined) continue;
  const growth = timed(() => scan(large)) / timed(() => scan(small));
  process.stdout.write(`  ${name}: ${growth.toFixed(1)}\n`);
}
