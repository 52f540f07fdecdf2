// Bodies like an agent's chat, and what becomes of them when bytes are changed, put in, taken out, doubled or cut: read by
// every scanner, which must agree. The same seed gives the same bodies.

import { createCheckedScanner } from "./checked-scan.ts";

/** Whole numbers below a bound, by xorshift: the same ones for the same seed. */
export type Random = (bound: number) => number;

export function createRandom(seed: number): Random {
  let state = (seed ^ 0x9e3779b9) | 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

const texts = [
  "The engineer reads the logs of the night before.",
  'if (a < b) {\n\treturn "x\\\\y";\n}\r\n',
  "今天天气很好，我们一起去公园散步吧。",
  "naïve café — “quoted” 😀👩‍💻",
  '{"path":"C:\\\\src\\\\main.ts","model":"x"}',
  '\\\\\\"\\\\"\b\f/\u0000\u001f\u007f\u2028',
  "",
  "a",
  "x".repeat(63),
  "prose ".repeat(50),
  "\\".repeat(33),
];
const numbers = [0, -0.5, 1, 42, 99_991, 1e21, 1.5e-7, 0.1 + 0.2, -123456789, 2 ** 53];
const keys = [
  "role",
  "#",
  "content",
  "type",
  "name",
  "description",
  "x",
  "",
  "é",
  "漢字",
  "tool_call_id",
];
const words = [true, false, null];

function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[random(items.length)] as Item;
}

function textFrom(random: Random): string {
  const text = Array.from({ length: 1 + random(4) }, () => pick(random, texts)).join("");
  return "y".repeat(random(9)) + text;
}

function valueFrom(random: Random, depth: number): unknown {
  const kind = random(depth > 5 ? 6 : 10);
  if (kind < 3) return textFrom(random);
  if (kind < 5) return pick(random, numbers);
  if (kind === 5) return pick(random, words);
  if (kind < 8) {
    const names = Array.from({ length: random(7) }, () => pick(random, keys) + random(30));
    return Object.fromEntries(names.map((name) => [name, valueFrom(random, depth + 1)]));
  }
  const isVector = random(3) === 0;
  return Array.from({ length: random(isVector ? 30 : 5) }, () =>
    isVector ? random(100_000) : valueFrom(random, depth + 1),
  );
}

/** Well-formed, with no duplicate key, and of a kind that the walk admits. */
export function chatFrom(random: Random): Buffer {
  const messages = Array.from({ length: 1 + random(4) }, () => ({
    role: pick(random, ["system", "user", "assistant", "tool"]),
    content: random(3) === 0 ? [{ type: "text", text: textFrom(random) }] : textFrom(random),
    tool_calls: random(3) === 0 ? [{ id: "c", arguments: JSON.stringify({ a: [1] }) }] : undefined,
  }));
  const body = {
    messages,
    temperature: pick(random, numbers),
    tools: valueFrom(random, 0),
    model: "AgentX-LLM",
    stream: pick(random, words),
  };
  let text = JSON.stringify(body, undefined, pick(random, [0, 0, 2, "\t", " \r\n"]));
  // As Python's json.dumps writes it. Keys keep their letters: an escaped one is the plain scanner's.
  if (random(4) === 0) {
    text = text.replaceAll(/[\u0080-\u{10ffff}](?=[^"]*"(?!\s*:))/gu, (point) =>
      point
        .split("")
        .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
        .join(""),
    );
  }
  return Buffer.from(" ".repeat(random(70)) + text + "\n".repeat(random(3)));
}

/** Bytes and pieces that mean something to a scanner. */
const pieces = [
  ...'{}[]",:\\u0e-+1.9tfn \n\t\r/\b\f\u0000\u001f!x'.split(""),
  ...['\\"', "\\\\", "\\u00e9", "\\ud83d", "\\u12", "\\x", '","', '":', '"a":1,', "[]", "{}"],
  ...["true", "null", "fals", "1e5", "-", "01", "0.", "é", "漢", "😀", "\ufeff", '"role":1,'],
  ...["1".repeat(512), "1".repeat(513), "\\".repeat(64), " ".repeat(64), "z".repeat(64), '"'],
].map((text) => Buffer.from(text));
const brokenUtf8 = [[0x80], [0xc3], [0xe6, 0xbc], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]];

/** One blow. */
function struck(random: Random, bytes: Buffer): Buffer {
  const at = random(bytes.length + 1);
  const how = random(8);
  const head = bytes.subarray(0, at);
  const piece = random(40) === 0 ? Buffer.from(pick(random, brokenUtf8)) : pick(random, pieces);
  if (how < 3) return Buffer.concat([head, piece, bytes.subarray(at + (how === 0 ? 1 : 0))]);
  if (how === 3) return Buffer.concat([head, bytes.subarray(at + piece.length)]);
  if (how === 4) return Buffer.concat([head, bytes.subarray(at + 1 + random(3))]);
  if (how === 5 && random(4) === 0) return head;
  if (how === 6) {
    const other = random(bytes.length + 1);
    const part = bytes.subarray(other, other + random(40));
    return Buffer.concat([head, part, bytes.subarray(at)]);
  }
  const copy = Buffer.from(bytes);
  if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << random(8));
  return copy;
}

export type MutatedCounts = { readonly mutations: number; walked: number; admitted: number };

/** Throws, with the body, where the scanners do not agree. */
export function runMutatedBodies(count: number, seed: number): MutatedCounts {
  const random = createRandom(seed);
  const scan = createCheckedScanner({ hashSeed: seed });
  for (let done = 0; done < count; ) {
    const body = chatFrom(random);
    for (let round = 0; round < 200 && done < count; round++, done++) {
      let bytes = struck(random, body);
      for (let more = random(3); more > 0; more--) bytes = struck(random, bytes);
      const isText = random(4) === 0;
      try {
        scan(bytes, { isText });
      } catch (cause) {
        const text = JSON.stringify(bytes.toString("latin1"));
        throw new Error(`scanners differ (isText ${isText}): ${text}`, { cause });
      }
    }
  }
  return { mutations: count, ...scan.counts };
}
