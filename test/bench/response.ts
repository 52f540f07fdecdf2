// What reading and rewriting a response costs: nanoseconds a byte of whole bodies and streams, and of bodies that are
// made to be slow. Run it with `node test/bench/response.ts`; it proves nothing by itself.

import { createResponseReader, type ResponseReader } from "../../src/core/response/model.ts";

const rounds = 9;
const chunkBytes = 16_384;

const chunk = (text: string): string =>
  `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1733000000,"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":${JSON.stringify(text)}},"logprobs":null,"finish_reason":null}],"usage":null}\n\n`;
const named = (text: string): string =>
  `event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":${JSON.stringify(text)},"logprobs":[]}\n\n`;
const prose = 'He said: "a model\'s name".\n\tThe model is – 17 – \\ and so on; ';

type Body = {
  readonly name: string;
  readonly type: string;
  readonly text: string;
  /** One push an event, as a stream brings them; else one push 16 KB. */
  readonly isByEvent?: true;
};

const json = "application/json";
const sse = "text/event-stream";

const honest: readonly Body[] = [
  {
    name: "chat stream, an event a push",
    type: sse,
    text: chunk(" tok").repeat(500),
    isByEvent: true,
  },
  { name: "chat stream, 16 KB a push", type: sse, text: chunk(" tok").repeat(4000) },
  { name: "response deltas, 16 KB a push", type: sse, text: named(" tok").repeat(4000) },
  {
    name: "chat completion, 4 KB",
    type: json,
    text: `{"id":"c","model":"gpt-4o","choices":[{"message":{"content":${JSON.stringify(prose.repeat(55))}}}]}`,
  },
  {
    name: "embeddings, 1 MB",
    type: json,
    text: `{"data":[{"embedding":[${"-0.0069292834,".repeat(75_000)}0]}],"model":"gpt-4o"}`,
  },
  {
    name: "image, 8 MB",
    type: json,
    text: `{"created":1,"data":[{"b64_json":"${"iVBORw0KGgoAAAANSUhEUg".repeat(380_000)}"}],"model":"gpt-4o"}`,
  },
];

const hostile: readonly Body[] = [
  ["brackets", json, `{"a":${"[".repeat(4_000_000)}`],
  ["escapes", json, `{"a":"${"\\\\".repeat(2_000_000)}`],
  ["white space", json, " ".repeat(4_000_000)],
  ["digits", json, `{"a":${"1".repeat(4_000_000)}`],
  ["short keys", json, `{${'"a":1,'.repeat(700_000)}`],
  ["models", json, `{${'"model":"a",'.repeat(350_000)}`],
  ["long keys", json, `{${`"${"k".repeat(78)}":1,`.repeat(50_000)}`],
  ["empty lines", sse, "\n".repeat(4_000_000)],
  ["short lines, CR and LF", sse, "\r:\n".repeat(1_300_000)],
  ["data lines", sse, "data:\n".repeat(700_000)],
  ["no JSON", json, "x".repeat(4_000_000)],
].map(([name = "", type = "", text = ""]) => ({ name, type, text }));

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function readerOf(type: string, shown: string | undefined): ResponseReader {
  const options = { dialect: "openai", authorized: ["gpt-4o"], shown } as const;
  const reader = createResponseReader(new Map([["content-type", type]]), 200, options);
  if (reader === undefined) throw new Error(`no reader for ${type}`);
  return reader;
}

function chunksOf({ text, isByEvent }: Body): readonly Buffer[] {
  if (isByEvent) return text.split(/(?<=\n\n)/).map((event) => Buffer.from(event));
  const bytes = Buffer.from(text);
  const starts = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, at) => at);
  return starts.map((at) => bytes.subarray(at * chunkBytes, (at + 1) * chunkBytes));
}

/** Nanoseconds of one call, the best of the rounds: on a busy machine the others tell of its load. */
function timeOf(work: () => unknown): number {
  const times: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const start = process.hrtime.bigint();
    let calls = 0;
    let elapsed = 0n;
    while (elapsed < 5_000_000n) {
      work();
      calls++;
      elapsed = process.hrtime.bigint() - start;
    }
    if (round >= 0) times.push(Number(elapsed) / calls);
  }
  return Math.min(...times);
}

function measure(body: Body): void {
  const chunks = chunksOf(body);
  const bytes = Buffer.concat(chunks);
  const costs = [undefined, "an-alias"].map((shown) =>
    timeOf(() => {
      const reader = readerOf(body.type, shown);
      chunks.forEach((piece, at) => {
        reader.push(piece, at === chunks.length - 1);
      });
      return reader.served();
    }),
  );
  const perPush = (cost: number): string => (cost / chunks.length / 1000).toFixed(2);
  const cells = [
    body.name,
    bytes.length,
    ...costs.map((cost) => (cost / bytes.length).toFixed(2)),
    ...costs.map(perPush),
  ];
  print(`| ${cells.join(" | ")} |`);
}

print(`Node ${process.version}, ${process.arch}, best of ${rounds} rounds`);
print("| body | bytes | read ns a byte | rewrite ns a byte | read us a push | rewrite us a push |");
print("|---|--:|--:|--:|--:|--:|");
for (const body of [...honest, ...hostile]) measure(body);
