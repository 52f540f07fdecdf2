// What reading a form costs, in nanoseconds a byte, as it grows: an audio file before the model, files that look like
// delimiters, many small parts. A row that grows is not linear. Run it with `node test/bench/multipart.ts`; it prints a
// table and proves nothing by itself.

import { boundary, field, file, formOf, readForm } from "../core/body/multipart/forms.ts";

const sizes = [1_000_000, 5_000_000, 25_000_000] as const;
const rounds = 7;

const model = field("model", "gpt-4o");

function around(value: Buffer, mark: string): Buffer {
  const [headers] = file("file", "");
  const before = Buffer.from(`--${mark}\r\n${headers}\r\n\r\n`);
  return Buffer.concat([before, value, Buffer.from("\r\n"), formOf([model], "\r\n", mark)]);
}

/** Bytes that look like nothing, the same in every run. */
function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = 1;
  for (let at = 0; at + 4 <= size; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.writeUInt32LE(state, at);
  }
  return bytes;
}

type Case = {
  readonly name: string;
  readonly mark: string;
  readonly form: (size: number) => Buffer;
};

const dashes = `${"-".repeat(69)}a`;

const cases: readonly Case[] = [
  { name: "an audio file", mark: boundary, form: (size) => around(noise(size), boundary) },
  {
    name: "a file of nearly the delimiter",
    mark: boundary,
    form: (size) => around(Buffer.alloc(size, `\r\n--${boundary.slice(0, -1)}`), boundary),
  },
  {
    name: "a boundary of dashes, a file of dashes",
    mark: dashes,
    form: (size) => around(Buffer.alloc(size, `${"-".repeat(60)}\n`), dashes),
  },
  {
    name: "a short boundary, a file of dashes",
    mark: "a",
    form: (size) => around(Buffer.alloc(size, "-"), "a"),
  },
  {
    name: "900 parts with long names of files",
    mark: boundary,
    form: (size) => {
      const value = "x".repeat(Math.floor(size / 900));
      const part = file("image[]", value, `${'a\\"'.repeat(1000)}.png`);
      return formOf([...Array.from({ length: 900 }, () => part), model]);
    },
  },
  {
    name: "999 fields that nobody knows",
    mark: boundary,
    form: (size) => {
      const value = "x".repeat(Math.floor(size / 999));
      const names = Array.from({ length: 999 }, (_, at) => `vendor_${at}[x]`);
      return formOf([...names.map((name) => field(name, value)), model]);
    },
  },
];

/** The best of some rounds: others share the machine. */
function nanosecondsOf(work: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const start = process.hrtime.bigint();
    work();
    best = Math.min(best, Number(process.hrtime.bigint() - start));
  }
  return best;
}

const lines = [
  `| form | ${sizes.map((size) => `${size / 1_000_000} MB, ns/byte`).join(" | ")} |`,
  `|---|${sizes.map(() => "--:").join("|")}|`,
];
for (const { name, mark, form } of cases) {
  const cells = sizes.map((size) => {
    const body = form(size);
    const reading = readForm(body, { mark });
    if (!reading.ok) throw new Error(`the form of ${name} is refused: ${reading.reason}`);
    return (nanosecondsOf(() => readForm(body, { mark })) / body.length).toFixed(3);
  });
  lines.push(`| ${name} | ${cells.join(" | ")} |`);
}
process.stdout.write(`${lines.join("\n")}\n`);
