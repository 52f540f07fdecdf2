// The bodies that the scanner's benchmark reads: honest ones by size and kind, hostile ones by the weakness they look for.

const english =
  "The quick brown fox jumps over the lazy dog while the engineer reads the logs of the night before. ";
const code = 'if (a < b) {\n\treturn "x\\\\y";\n}\n// it\'s "quoted"\n';
const chinese = "今天天气很好，我们一起去公园散步吧。";

function chat(size: number, text: string): string {
  const messages: { role: string; content: string }[] = [
    { role: "system", content: "You are a helpful assistant." },
  ];
  const turn = text.repeat(Math.ceil(1600 / text.length));
  for (let length = 200; length < size; length += Buffer.byteLength(turn) + 40) {
    messages.push({ role: messages.length % 2 === 1 ? "user" : "assistant", content: turn });
  }
  return JSON.stringify({ model: "AgentX-LLM", stream: true, temperature: 0.7, messages });
}

const goSource = `func (s *Server) Check(ctx context.Context, in *pb.Request) (*pb.Reply, error) {
\tif in.Path == "/healthz" || !strings.HasPrefix(in.Path, s.prefix) {
\t\treturn nil, status.Errorf(codes.NotFound, "no route for %q", in.Path)
\t}
\treturn s.next.Check(ctx, in)
}
`;

/** An agent at work: prose, code that it reads and writes by tools, their results, `model` and the tools behind. */
function agentChat(size: number): string {
  const messages: Record<string, unknown>[] = [
    {
      role: "system",
      content: `You are a coding agent.\n${english.repeat(Math.min(20, size / 2000))}`,
    },
  ];
  for (let length = 0, turn = 0; length < 0.85 * size; turn++) {
    const lines = goSource.repeat(1 + (turn % 4));
    const args = JSON.stringify({ file_path: `/src/server_${turn}.go`, limit: 200 + turn });
    const id = `call_${turn.toString(16).padStart(24, "0")}`;
    const tool_calls = [{ id, type: "function", function: { name: "read_file", arguments: args } }];
    messages.push(
      {
        role: "user",
        content: `Look at server ${turn}: why does it answer "not found"? ${english}`,
      },
      { role: "assistant", content: `I'll read it — one moment.\n\n${english}`, tool_calls },
      { role: "tool", tool_call_id: id, content: lines },
    );
    length += lines.length + 700;
  }
  const tools = (JSON.parse(schemas(Math.min(16, size >> 13), 0)) as { tools: unknown[] }).tools;
  const rest = { model: "AgentX-LLM", stream: true, temperature: 0.2, max_tokens: 8192 };
  return JSON.stringify({ messages, ...rest, tools, tool_choice: "auto" });
}

/** An agent's request: many tools with their schemas, little text. */
function schemas(count: number, indent: number): string {
  const tools = Array.from({ length: count }, (_, at) => ({
    type: "function",
    function: {
      name: `tool_${at}`,
      description: "Reads a file from the local filesystem and returns its lines.",
      parameters: {
        type: "object",
        properties: {
          file_path: { type: "string", description: "The absolute path of the file to read" },
          limit: { type: "number", minimum: 1, maximum: 2000 },
          mode: { type: "string", enum: ["text", "binary", "auto"] },
        },
        required: ["file_path"],
        additionalProperties: false,
      },
    },
  }));
  return JSON.stringify({ model: "a", messages: [], tools }, undefined, indent);
}

/** As Python's json.dumps writes it by default: ASCII, a space after each comma and colon. */
function escaped(text: string): string {
  return JSON.stringify(JSON.parse(text), undefined, 1)
    .replaceAll(/\n */g, " ")
    .replaceAll(
      /[\u0080-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
}

const list = <Item>(count: number, item: (at: number) => Item): Item[] =>
  Array.from({ length: count }, (_, at) => item(at));

export function honestBodies(): readonly (readonly [name: string, text: string])[] {
  return [
    ["agent chat, 8 KB", agentChat(8_000)],
    ["agent chat, 128 KB", agentChat(128_000)],
    ["agent chat, 1 MB", agentChat(1_000_000)],
    ["chat, 8 KB", chat(8_000, english)],
    ["chat, 128 KB", chat(128_000, english)],
    ["chat, 1 MB", chat(1_000_000, english)],
    ["one prompt, 1 MB", JSON.stringify({ model: "a", prompt: english.repeat(10_000) })],
    ["code with escapes, 128 KB", chat(128_000, code)],
    ["Chinese, 128 KB", chat(128_000, chinese)],
    ["Chinese, escaped by Python, 250 KB", escaped(chat(128_000, chinese))],
    ["tool schemas, 60 KB", schemas(130, 0)],
    ["tool schemas, indented, 140 KB", schemas(130, 2)],
    [
      "token numbers",
      JSON.stringify({ model: "a", input: list(20_000, (at) => (at * 7919) % 99_991) }),
    ],
    ["decimal numbers", JSON.stringify({ model: "a", input: list(10_000, (at) => Math.sin(at)) })],
    ["short strings", JSON.stringify({ model: "a", input: list(10_000, (at) => `word${at}`) })],
    [
      "10,000 keys",
      JSON.stringify({
        model: "a",
        logit_bias: Object.fromEntries(list(9_999, (at) => [`k${at}`, at])),
      }),
    ],
  ];
}

type Build = (size: number) => Buffer;

const filled =
  (head: string, part: string, tail: string): Build =>
  (size) =>
    Buffer.from(head + part.repeat(Math.ceil(size / part.length)) + tail);

/** Objects of `keys` keys, one after the other. */
const objects = (keys: number): Build => {
  const object = JSON.stringify(Object.fromEntries(list(keys, (at) => [`key${at}`, 0])));
  return filled('{"model":"a","o":[', `${object},`, "0]}");
};

/** Sixty objects inside each other, each with its share of keys, the same ones in all. */
const nested: Build = (size) => {
  const count = Math.min(9_999, Math.floor(size / 60 / 12));
  const keys = list(count, (at) => `"key${at}":0`).join(",");
  return Buffer.from(`{"model":"a","o":${`{${keys},"o":`.repeat(60)}0${"}".repeat(60)}}`);
};

/** Keys that are long and alike until their last bytes. */
const longKeys: Build = (size) => {
  const prefix = "x".repeat(size / 1000 - 10);
  return Buffer.from(
    `{"model":"a","o":{${list(1000, (at) => `"${prefix}${1000 + at}":0`).join(",")}}}`,
  );
};

const escapedKeys: Build = (size) =>
  Buffer.from(
    `{"model":"a","o":{${list(5000, (at) => `"${"\\u0078".repeat(size / 30_000)}${at}":0`).join(",")}}}`,
  );

export const hostileBodies: readonly (readonly [name: string, build: Build])[] = [
  ["[[[[", filled("", "[", "")],
  ['{"a":{"a":', filled("", '{"a":', "")],
  ["[],[],", filled('{"model":"a","a":[', "[],", "0]}")],
  ["{},{},", filled('{"model":"a","a":[', "{},", "0]}")],
  ["1,1,1,", filled('{"model":"a","a":[', "1,", "0]}")],
  ['"","",', filled('{"model":"a","a":[', '"",', "0]}")],
  ["tools that are empty", filled('{"model":"a","tools":[', "{},", "{}]}")],
  ["tools with a svg each", filled('{"model":"a","tools":[', '{"svg":{"x":1}},', "{}]}")],
  [
    "deep hosted tools",
    filled(
      `{"model":"a","tools":[{"type":"x","p":${"[".repeat(55)}`,
      '{"y":1},',
      `{}${"]".repeat(55)}}]}`,
    ),
  ],
  ["input of numbers", filled('{"model":"a","input":[', "1,", "0]}")],
  ["white space", filled('{"model":"a"', " ", "}")],
  ["objects of 9 keys", objects(9)],
  ["objects of 40 keys", objects(40)],
  ["objects of 10,000 keys", objects(10_000)],
  ["60 nested objects of many keys", nested],
  ["long keys alike", longKeys],
  ["long keys alike, escaped", escapedKeys],
  ["one long escaped key", filled('{"model":"a","o":{"', "\\ud83d\\ude00", '":0}}')],
  ["escapes in a value", filled('{"model":"a","a":"', "\\n", '"}')],
  ["long digits", filled('{"model":"a","a":', "1", "}")],
  ["a string that does not end", filled('{"model":"a","a":"', "x", "")],
];
