// A chat as an agent sends it: prose, code, tool calls and their results, tools with schemas, `model` behind the messages; and
// the check that Envoy makes of it, with the headers of an SDK and of proxies.

import { encodeProcessingRequest } from "../../src/envoy/ext-proc/wire.ts";
import { encodeCheckRequest } from "../../src/envoy/wire.ts";

export const benchSecret = (at: number): string => `bench-secret-${"0".repeat(20)}-${at}`;

const prose =
  "The handler reads the file twice, once for its length and once for the lines; I would keep the first read and " +
  'pass the buffer on. Then "close" can go, and so can the retry.\n\n';
const code =
  'export function load(path: string): Result {\n\tconst text = read(path, "utf8");\n\tif (text === "") return { ok: false };\n' +
  "\treturn parse(text.split(/\\r?\\n/));\n}\n";

function messages(bytes: number): readonly object[] {
  const all: object[] = [{ role: "system", content: "You are a careful engineer.\n".repeat(8) }];
  for (let length = 300, turn = 0; length < bytes; turn += 1) {
    const id = `call_${turn}`;
    const called = {
      name: "read_file",
      arguments: JSON.stringify({ path: `src/file-${turn}.ts` }),
    };
    const next = [
      { role: "user", content: prose.repeat(1 + (turn % 3)) },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id, type: "function", function: called }],
      },
      { role: "tool", tool_call_id: id, content: code.repeat(1 + (turn % 4)) },
      { role: "assistant", content: prose + code },
    ];
    for (const each of next) {
      all.push(each);
      length += JSON.stringify(each).length;
      if (length >= bytes) break;
    }
  }
  return all;
}

function tools(count: number): readonly object[] {
  return Array.from({ length: count }, (_, at) => ({
    type: "function",
    function: {
      name: `tool_${at}`,
      description: "Reads a file from the local file system and returns its lines.",
      parameters: {
        type: "object",
        properties: {
          path: { type: "string", description: "The absolute path of the file to read" },
          limit: { type: "number", minimum: 1, maximum: 2000 },
          mode: { type: "string", enum: ["text", "binary", "auto"] },
        },
        required: ["path"],
        additionalProperties: false,
      },
    },
  }));
}

/** About so many bytes. */
export function agentBody(bytes: number): Buffer {
  const given = bytes > 4096 ? tools(Math.min(16, Math.floor(bytes / 4096))) : [];
  const rest = Math.max(0, bytes - JSON.stringify(given).length - 200);
  const body = {
    messages: messages(rest),
    ...(given.length === 0 ? {} : { tools: given, tool_choice: "auto" }),
    ...{ model: "alias", stream: true, temperature: 0.2, max_completion_tokens: 4096 },
  };
  return Buffer.from(JSON.stringify(body));
}

const sdkHeaders = (length: number): readonly (readonly [string, string])[] => [
  [":authority", "gateway.example.com"],
  [":method", "POST"],
  [":path", "/v1/chat/completions"],
  [":scheme", "https"],
  ["accept", "application/json"],
  ["accept-encoding", "gzip, deflate, br"],
  ["authorization", `Bearer ${benchSecret(0)}`],
  ["content-length", String(length)],
  ["content-type", "application/json"],
  ["traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"],
  ["user-agent", "OpenAI/Python 2.11.0"],
  ["x-envoy-external-address", "203.0.113.7"],
  ["x-forwarded-for", "203.0.113.7"],
  ["x-forwarded-proto", "https"],
  ["x-request-id", "c7a3b6a0-1f3e-4a59-8f46-1b1f3c9e0d11"],
  ["x-stainless-arch", "x64"],
  ["x-stainless-async", "async:asyncio"],
  ["x-stainless-lang", "python"],
  ["x-stainless-os", "Linux"],
  ["x-stainless-package-version", "2.11.0"],
  ["x-stainless-retry-count", "0"],
  ["x-stainless-runtime", "CPython"],
];

export function frameOf(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The framed message of a check. */
export function checkFrame(body: Buffer): Buffer {
  const headers = Object.fromEntries(sdkHeaders(body.length));
  const path = "/v1/chat/completions";
  const http = { method: "POST", path, headers, size: body.length, raw_body: body };
  return frameOf(encodeCheckRequest({ attributes: { request: { http } } }));
}

/** Both framed messages of an ext_proc stream, one behind the other. */
export function processFrames(body: Buffer): Buffer {
  const headers = sdkHeaders(body.length).map(([key, value]) => ({
    ...{ key, raw_value: Buffer.from(value) },
  }));
  const first = encodeProcessingRequest({
    request_headers: { headers: { headers } },
    protocol_config: { request_body_mode: 2 },
  });
  const second = encodeProcessingRequest({ request_body: { body, end_of_stream: true } });
  return Buffer.concat([frameOf(first), frameOf(second)]);
}
