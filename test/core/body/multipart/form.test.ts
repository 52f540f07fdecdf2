// Forms: which boundaries and bodies are admitted, as real clients write them and as attackers would, and where the
// model stands in them.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import OpenAI, { toFile } from "openai";
import { multipartBoundary } from "../../../../src/core/body/form-boundary.ts";
import { partHeaderLineMax } from "../../../../src/core/body/multipart/headers.ts";
import { formPartsMax, partHeaderBytesMax } from "../../../../src/core/body/multipart/parts.ts";
import { answerOf, boundary, field, file, formOf, type PartText, readForm } from "./forms.ts";

const form = "multipart/form-data";

test("multipartBoundary reads the boundary of a form", () => {
  const table: readonly (readonly [contentType: string, boundary: string])[] = [
    [`${form}; boundary=x`, "x"],
    [`${form};boundary=x`, "x"],
    [`Multipart/Form-Data;  boundary="x"`, "x"],
    [`${form}; charset=utf-8; boundary=x`, "x"],
    [`${form}; boundary=x; charset=UTF-8`, "x"],
    [`${form}; boundary="x"; charset="utf-8"`, "x"],
    [`${form}; boundary=----WebKitFormBoundary7MA4YWxk`, "----WebKitFormBoundary7MA4YWxk"],
    // The official .NET client and Python's email write "=", in quotes.
    [`${form}; boundary="===============123=="`, "===============123=="],
    [`${form}; boundary="a+b_c./:=?-d"`, "a+b_c./:=?-d"],
    [`${form}; boundary=${"x".repeat(70)}`, "x".repeat(70)],
  ];
  for (const [contentType, wanted] of table) {
    assert.equal(multipartBoundary(contentType), wanted, contentType);
  }
});

test("multipartBoundary knows no boundary where a parser could read another one", () => {
  for (const contentType of [
    "",
    form,
    `${form};`,
    `${form}; boundary`,
    `${form}; boundary=`,
    `${form}; boundary=""`,
    `${form}; boundary=x; boundary=x`,
    `${form}; boundary=x; boundary=y`,
    `${form}; boundary=x;`,
    `${form}; boundary=x, ${form}; boundary=y`,
    `${form}; boundary=x,y`,
    `${form}; boundary="x,y"`,
    `${form}; boundary="x;y"`,
    `${form}; boundary="x y"`,
    `${form}; boundary="x "`,
    `${form}; boundary="x(y)"`,
    `${form}; boundary="x'y"`,
    `${form}; boundary='x'`,
    `${form}; boundary="x`,
    `${form}; boundary=x"`,
    `${form}; boundary="x\\"y"`,
    `${form}; boundary="x\\y"`,
    `${form}; boundary=x=y`,
    `${form}; boundary=x/y`,
    `${form}; boundary = x`,
    `${form}; boundary= x`,
    `${form}; Boundary=x`,
    `${form}; boundary*=utf-8''x`,
    `${form}; boundary*0=x`,
    `${form}; boundary=x; boundary*=utf-8''y`,
    `${form}; boundary=x; charset=utf-16`,
    `${form}; boundary=x; charset=utf-8; charset=utf-8`,
    `${form}; boundary=x; foo=bar`,
    `${form}\t; boundary=x`,
    `${form}; boundary=é`,
    `${form}; boundary=----`,
    `${form}; boundary=${"x".repeat(71)}`,
    "multipart/mixed; boundary=x",
    "multipart/form-data2; boundary=x",
    "application/json; boundary=x",
    `x ${form}; boundary=x`,
  ]) {
    assert.equal(multipartBoundary(contentType), undefined, contentType);
  }
});

/** A part's headers without its value: a model's, then a file's. */
const honestHeaders: readonly (readonly [client: string, model: string, file: string])[] = [
  [
    "a browser",
    'Content-Disposition: form-data; name="model"',
    'Content-Disposition: form-data; name="file"; filename="a %22b%22.webm"\r\n' +
      "Content-Type: audio/webm;codecs=opus",
  ],
  [
    "openai-java",
    'Content-Disposition: form-data; name="model"\r\nContent-Type: text/plain; charset=utf-8',
    'Content-Disposition: form-data; name="file"; filename="C:\\x\\a.mp3"\r\n' +
      "Content-Type: application/octet-stream",
  ],
  [
    "openai-go",
    'Content-Disposition: form-data; name="model"',
    'Content-Disposition: form-data; name="file"; filename="a\\"b\\".mp3"\r\n' +
      "Content-Type: application/octet-stream",
  ],
  [
    "openai-ruby",
    'Content-Disposition: form-data; name="model"\r\nContent-Type: text/plain',
    'Content-Disposition: form-data; name="file"\r\nContent-Type: application/octet-stream',
  ],
  [
    "the .NET client",
    "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=model",
    "Content-Disposition: form-data; name=file; filename=a.mp3; filename*=utf-8''a.mp3",
  ],
  [
    "the .NET client with another alphabet",
    "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=model",
    'Content-Disposition: form-data; name=file; filename="=?utf-8?B?w6k=?="; ' +
      "filename*=utf-8''%C3%A9",
  ],
  [
    "aiohttp",
    'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="model"',
    "Content-Type: audio/mpeg\r\n" +
      'Content-Disposition: form-data; name="file"; filename="a%20%C3%A9.mp3"',
  ],
  [
    "an older requests",
    'Content-Disposition: form-data; name="model"',
    "Content-Disposition: form-data; name=\"file\"; filename*=utf-8''%C3%A9.mp3",
  ],
  [
    "okhttp 3",
    'Content-Disposition: form-data; name="model"\r\nContent-Length: 6',
    'Content-Disposition: form-data; name="file"; filename="a.mp3"\r\n' +
      "Content-Type: audio/mpeg\r\nContent-Length: 5",
  ],
  [
    "Apache HttpClient",
    'Content-Disposition: form-data; name="model"\r\n' +
      "Content-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit",
    'Content-Disposition: form-data; name="file"; filename="a.mp3"\r\n' +
      "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary",
  ],
  [
    "Spring",
    'Content-Disposition: form-data; name="model"\r\n' +
      "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: 6",
    'Content-Disposition: form-data; name="file"; filename="a.mp3"\r\n' +
      "Content-Type: audio/mpeg\r\nContent-Length: 5",
  ],
  [
    "Dart",
    'content-disposition: form-data; name="model"',
    "content-type: audio/mpeg\r\n" +
      'content-disposition: form-data; name="file"; filename="\xc3\xa9 (1), \\\\srv\\a=b.mp3"',
  ],
];

test("readMultipartBody finds the model in what real clients write", () => {
  for (const [client, model, audio] of honestHeaders) {
    const before = formOf(
      [
        [model, "gpt-4o"],
        [audio, "\0\r\n\xff"],
      ].map(([headers = "", value = ""]): PartText => [headers, value.padEnd(5, "-")]),
    );
    const after = formOf([
      [audio, "\r\n--\n"],
      [model, "gpt-4o"],
    ]);
    for (const body of [before, after]) {
      const reading = readForm(body);
      assert.ok(reading.ok, `${client}: ${answerOf(reading)}`);
      const offset = body.indexOf("gpt-4o");
      const token = { name: "gpt-4o", offset, length: 6, place: "model", form: "bare", prefix: "" };
      assert.partialDeepStrictEqual(reading.model, token, client);
      assert.deepEqual(reading.fields, [], client);
    }
  }
});

test("readMultipartBody takes the ends that clients write, and no other", () => {
  for (const end of ["", "\r\n", "\r\n\r\n"]) {
    assert.equal(answerOf(readForm(formOf([field("model", "m")], end))), "ok");
  }
  for (const end of ["\n", "\r", " ", "-", "x", "\r\nx", "\r\n\r\n\r\n", "\r\n--", " \r\n"]) {
    const answer = answerOf(readForm(formOf([field("model", "m")], end)));
    assert.equal(answer, "body_not_multipart", JSON.stringify(end));
  }
});

test("readMultipartBody reads a model part of any honest kind, and refuses other ones", () => {
  for (const model of ["gpt-4o", "openrouter/qwen/q:free", "a b", "x".repeat(256), "__proto__"]) {
    assert.equal(answerOf(readForm(formOf([field("model", model)]))), "ok", model);
  }
  const wrong = ["", " gpt", "gpt ", "gpt\r\n", "a  b", '"gpt"', "a,b", "a%2fb", "\xc3\xa9"];
  for (const model of [...wrong, "gpt\0", "\xff", "*", "x".repeat(257), "x".repeat(100_000)]) {
    assert.equal(answerOf(readForm(formOf([field("model", model)]))), "model_invalid model", model);
  }
  const disposition = 'Content-Disposition: form-data; name="model"';
  for (const headers of [
    `${disposition}; filename="a"`,
    `${disposition}; filename=""`,
    `${disposition}; filename*=utf-8''a`,
    `${disposition}\r\nContent-Type: application/octet-stream`,
    `${disposition}\r\nContent-Type: application/json`,
    `${disposition}\r\nContent-Type: text/html`,
    `${disposition}\r\nContent-Type: text/plain; charset=utf-16`,
    `${disposition}\r\nContent-Type: text/plain; charset=utf-7`,
    `${disposition}\r\nContent-Type: text/plain; charset=utf-8; charset=utf-16`,
  ]) {
    assert.equal(answerOf(readForm(formOf([[headers, "gpt"]]))), "model_invalid model", headers);
  }
});

test("readMultipartBody wants exactly one model, wherever it is required", () => {
  const none = formOf([field("prompt", "x")]);
  const two = formOf([field("model", "a"), file("file", ""), field("model", "a")]);
  assert.equal(answerOf(readForm(none)), "model_missing");
  assert.equal(answerOf(readForm(none, { modelRule: "same" })), "ok");
  assert.equal(answerOf(readForm(none, { modelRule: "overridden" })), "ok");
  for (const modelRule of ["required", "same", "overridden"] as const) {
    assert.equal(answerOf(readForm(two, { modelRule })), "body_duplicate_key model");
  }
});

test("readMultipartBody takes any text for a model that the path overrides", () => {
  for (const name of ["a*b", " ", "é", '"x"', "a\r\nb", "x".repeat(1536)]) {
    const body = formOf([field("model", Buffer.from(name).toString("latin1"))]);
    const reading = readForm(body, { modelRule: "overridden" });
    assert.ok(reading.ok, name);
    assert.equal(reading.model?.name, name);
    assert.equal(reading.model.length, Buffer.byteLength(name));
    assert.equal(answerOf(readForm(body, { modelRule: "same" })), "model_invalid model");
  }
  for (const value of ["", "\xff", "x".repeat(1537)]) {
    const body = formOf([field("model", value)]);
    assert.equal(answerOf(readForm(body, { modelRule: "overridden" })), "model_invalid model");
  }
});

const model = '--B\r\nContent-Disposition: form-data; name="model"\r\n\r\nm';
const other = 'Content-Disposition: form-data; name="x"\r\n\r\n';

test("readMultipartBody refuses bodies that some parser divides otherwise", () => {
  const hostile: readonly (readonly [what: string, body: string])[] = [
    ["nothing", ""],
    ["no part", "--B--\r\n"],
    ["no part but an empty line", "--B\r\n--B--\r\n"],
    ["a preamble", `x\r\n${model}\r\n--B--\r\n`],
    ["an empty line first", `\r\n${model}\r\n--B--\r\n`],
    ["no close delimiter", `${model}\r\n`],
    ["half a close delimiter", `${model}\r\n--B-`],
    ["a cut one", `${model}\r\n--B`],
    ["one in the line of the value", `${model}--B--\r\n`],
    ["bytes after it", `${model}\r\n--B--\r\n${model}\r\n--B--\r\n`],
    ["white space after it", `${model}\r\n--B-- \r\n`],
    ["white space after a delimiter", `${model.replace("--B", "--B ")}\r\n--B--\r\n`],
    ["a tab after it", `${model.replace("--B", "--B\t")}\r\n--B--\r\n`],
    ["lines that end in LF", `${model}\r\n--B--\r\n`.replaceAll("\r\n", "\n")],
    ["lines that end in CR", `${model}\r\n--B--\r\n`.replaceAll("\r\n", "\r")],
    ["a delimiter after LF", `${model}\n--B--\r\n`],
    ["a delimiter after CR", `${model}\r--B--\r\n`],
    ["a delimiter before LF", `${model.replace("--B\r\n", "--B\n")}\r\n--B--\r\n`],
    ["headers that end in LF", `${model.replace("\r\n\r\n", "\n\n")}\r\n--B--\r\n`],
    ["a blank line of LF", `${model.replace("\r\n\r\n", "\r\n\n")}\r\n--B--\r\n`],
    ["a blank line with a space", `${model.replace("\r\n\r\n", "\r\n \r\n")}\r\n--B--\r\n`],
    ["no blank line", '--B\r\nContent-Disposition: form-data; name="model"\r\n--B--\r\n'],
    ["a blank line that is the delimiter's", `${model.slice(0, -1)}--B--\r\n`],
    ["no headers", `--B\r\n\r\nm\r\n${model}\r\n--B--\r\n`],
    ["the boundary in a value", `${model}\r\n--B\r\n${other}a--Bb\r\n--B--\r\n`],
    ["the start of a longer line", `${model}\r\n--B\r\n${other}a\r\n--Bb\r\n\r\n--B--\r\n`],
    ["the boundary after LF in a value", `${model}\r\n--B\r\n${other}a\n--B\r\n\r\n--B--\r\n`],
    [
      "the boundary in a filename",
      `${model}\r\n--B\r\n${other.replace('"x"', '"x"; filename="--B"')}\r\n--B--\r\n`,
    ],
    ["a delimiter twice", `${model}\r\n--B\r\n--B\r\n${other}\r\n--B--\r\n`],
    ["a close delimiter in the middle", `${model}\r\n--B--\r\n--B\r\n${other}\r\n--B--\r\n`],
  ];
  for (const [what, text] of hostile) {
    const body = Buffer.from(text.replaceAll("B", boundary), "latin1");
    assert.equal(answerOf(readForm(body)), "body_not_multipart", what);
  }
  const whole = Buffer.from(`${model}\r\n--B--\r\n`.replaceAll("B", boundary));
  assert.equal(answerOf(readForm(whole)), "ok");
});

/** `x"; …` in place of a filename or a name, and other headers, that some parser reads in its own way. */
const hostileHeaders: readonly string[] = [
  'Content-Disposition: form-data; filename="a"; name="x"',
  'Content-Disposition: form-data; filename="a"',
  "Content-Disposition: form-data",
  "Content-Disposition:",
  'Content-Disposition: form-data; name=""',
  "Content-Disposition: form-data; name=",
  'Content-Disposition: form-data; name="x"; name="model"',
  'Content-Disposition: form-data; name="x"; name=model',
  "Content-Disposition: form-data; name=\"x\"; name*=utf-8''model",
  "Content-Disposition: form-data; name*=utf-8''model",
  'Content-Disposition: form-data; name*0="mo"; name*1="del"',
  'Content-Disposition: form-data; Name="x"',
  'Content-Disposition: form-data; name ="x"',
  'Content-Disposition: form-data; name= "x"',
  'Content-Disposition: form-data; name="x',
  'Content-Disposition: form-data; name=x"',
  'Content-Disposition: form-data; name="x"y',
  'Content-Disposition: form-data; name="x";',
  'Content-Disposition: form-data; name="x" ',
  'Content-Disposition: form-data ; name="x"',
  'Content-Disposition: form-data name="x"',
  'Content-Disposition: form-data;\tname="x"',
  'Content-Disposition: Form-Data; name="x"',
  'Content-Disposition: attachment; name="x"',
  'Content-Disposition: file; name="x"',
  'Content-Disposition: form-data; name="x"; foo="bar"',
  'Content-Disposition: form-data; name="mo\\del"',
  'Content-Disposition: form-data; name="mod\\"el"',
  'Content-Disposition: form-data; name="mod%65l"',
  'Content-Disposition: form-data; name="m del"',
  'Content-Disposition: form-data; name=" model"',
  'Content-Disposition: form-data; name="model\0"',
  'Content-Disposition: form-data; name="m\xc3\xb6del"',
  "Content-Disposition: form-data; name='x'",
  "Content-Disposition: form-data; name=svg[model]",
  `Content-Disposition: form-data; name="${"x".repeat(101)}"`,
  'Content-Disposition: form-data; name="x"; filename="a"; filename="b"',
  'Content-Disposition: form-data; name="x"; filename="a\\"; name="model"',
  'Content-Disposition: form-data; name="x"; filename="a\\"; name=\\"model"',
  'Content-Disposition: form-data; name="x"; filename="a\\\\"; name="model"',
  'Content-Disposition: form-data; name="x"; filename="a\\\\\\"; name="model"',
  'Content-Disposition: form-data; name="x"; filename="a"b"',
  'Content-Disposition: form-data; name="x"; filename="a\\"',
  'Content-Disposition: form-data; name="x"; filename="a\\\\"',
  'Content-Disposition: form-data; name="x"; filename="a',
  'Content-Disposition: form-data; name="x"; filename="; name=model"',
  'Content-Disposition: form-data; name="x"; filename=" NAME = model"',
  'Content-Disposition: form-data; name="x"; filename="a;name*=utf-8\'\'model"',
  'Content-Disposition: form-data; name="x"; filename="a\\"; b"',
  'Content-Disposition: form-data; name="x"; filename=a\'b',
  'Content-Disposition: form-data; name="x"; filename=a b',
  'Content-Disposition: form-data; name="x"; filename="a\nb"',
  'Content-Disposition: form-data; name="x"; filename="a\rb"',
  'Content-Disposition: form-data; name="x"; filename="a\0b"',
  'Content-Disposition: form-data; name="x"; filename="a\x0bb"',
  "Content-Disposition: form-data; name=\"x\"; filename*=utf-16''a",
  'Content-Disposition: form-data; name="x"; filename*=a',
  'Content-Disposition: form-data; name="x"\r\nContent-Disposition: form-data; name="model"',
  'Content-Disposition: form-data;\r\n name="x"',
  'Content-Disposition: form-data; name="x"\r\n ; name="model"',
  ' Content-Disposition: form-data; name="x"',
  'Content-Disposition : form-data; name="x"',
  'Content-Disposition\0: form-data; name="x"',
  'Content-Type: text/plain; x="\nContent-Disposition: form-data; name="x"',
  "Content-Type: text/plain",
  "nothing",
  ": x",
  ...[
    "nothing",
    "Content-Type: multipart/mixed; boundary=y",
    "Content-Type: message/rfc822",
    'Content-Type: text/plain; name="y"',
    'Content-Type: text/plain; filename="y"',
    "Content-Type:",
    "Content-Type: text/plain\tx",
    "Content-Type: text/plain\r\nContent-Type: text/plain",
    "Content-Transfer-Encoding: base64",
    "Content-Transfer-Encoding: quoted-printable",
    "Content-Transfer-Encoding: 8bit; x",
    "Content-Transfer-Encoding:",
    "Content-Length: 0",
    "Content-Length: 3",
    "Content-Length: +1",
    "Content-Length: 01",
    "Content-Length: 0x1",
    "Content-Length:",
    "Content-Length: 1\r\nContent-Length: 1",
    "Content-Encoding: gzip",
    "Content-ID: model",
    "Content-Location: model",
    "Transfer-Encoding: chunked",
    "X-Name: model",
  ].map((line) => `Content-Disposition: form-data; name="x"\r\n${line}`),
];

test("readMultipartBody refuses headers that some parser reads otherwise", () => {
  for (const headers of hostileHeaders) {
    const body = formOf([field("model", "m"), [headers, "v"]]);
    assert.equal(answerOf(readForm(body)), "body_not_multipart", headers);
  }
  const whole = 'Content-Disposition: form-data; name="file"; filename="a"\r\nContent-Length: 1';
  assert.equal(answerOf(readForm(formOf([field("model", "m"), [whole, "v"]]))), "ok");
});

test("readMultipartBody takes filenames as they are", () => {
  for (const name of [
    "",
    "a b.mp3",
    "video_name=1.mp4",
    "rename.mp3",
    "C:\\Users\\me\\a.mp3",
    "\\\\server\\share\\a.mp3",
    'say \\"hi\\".mp3',
    "a; b.mp3",
    "a\tb",
    "\xc3\xa9\xe2\x80\xa8\x7f.mp3",
    "../../model",
    "%22%0d%0a",
    "a".repeat(3000),
  ]) {
    const reading = readForm(formOf([file("file", "x", name), field("model", "m")]));
    assert.equal(answerOf(reading), "ok", name);
  }
});

test("readMultipartBody has a limit on parts and on their headers", () => {
  const parts = Array.from({ length: formPartsMax - 1 }, () => field("include[]", "x"));
  assert.equal(answerOf(readForm(formOf([...parts, field("model", "m")]))), "ok");
  const more = formOf([...parts, field("include[]", "x"), field("model", "m")]);
  assert.equal(answerOf(readForm(more)), "body_not_multipart");
  const long = formOf([file("file", "x", "a".repeat(4100)), field("model", "m")]);
  assert.equal(answerOf(readForm(long)), "body_not_multipart");
  const disposition = 'Content-Disposition: form-data; name="file"; filename="';
  const name = "a".repeat(partHeaderLineMax - disposition.length - 1);
  const ofType = `Content-Type: text/${"y".repeat(3000)}`;
  const within: PartText = [`${disposition}${name}"\r\n${ofType}`, "x"];
  assert.equal(answerOf(readForm(formOf([within, field("model", "m")]))), "ok");
  const beyond: PartText = [within[0] + "y".repeat(partHeaderBytesMax - within[0].length + 1), "x"];
  assert.equal(answerOf(readForm(formOf([beyond, field("model", "m")]))), "body_not_multipart");
  const atMost: PartText = [beyond[0].slice(0, -3), "x"];
  assert.equal(answerOf(readForm(formOf([atMost, field("model", "m")]))), "ok");
});

test("readMultipartBody finds a model that stands behind 25 MB", () => {
  const audio = Buffer.alloc(25_000_000, "\r\n--aliasguard");
  const [headers] = file("file", "");
  const before = Buffer.from(`--${boundary}\r\n${headers}\r\n\r\n`);
  const after = formOf([field("model", "gpt-4o")]);
  const body = Buffer.concat([before, audio, Buffer.from("\r\n"), after]);
  const reading = readForm(body);
  assert.ok(reading.ok);
  assert.equal(reading.model?.offset, body.lastIndexOf("gpt-4o"));
});

test("readMultipartBody never throws, however a form is cut", () => {
  const body = formOf([field("svg", '{"model":"a"}'), file("file", "\0"), field("model", "m")]);
  for (let length = 0; length < body.length - 2; length++) {
    assert.equal(answerOf(readForm(body.subarray(0, length))), "body_not_multipart");
  }
  assert.equal(answerOf(readForm(body)), "ok");
  // Offsets count from the start of the body, not of the memory it stands in.
  const within = Buffer.concat([Buffer.from("xyz"), body]).subarray(3);
  assert.deepEqual(readForm(within), readForm(body));
});

/** What a client sends to `/`, and its content type. */
async function recordRequest(
  send: (origin: string) => Promise<unknown>,
): Promise<{ readonly contentType: string; readonly bytes: Buffer }> {
  let contentType = "";
  const chunks: Buffer[] = [];
  const server = createServer((request, response) => {
    contentType = request.headers["content-type"] ?? "";
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.setHeader("content-type", "application/json");
      response.end('{"text":"","data":[]}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await send(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
  return { contentType, bytes: Buffer.concat(chunks) };
}

test("readMultipartBody admits what the openai SDK uploads", async () => {
  const upload = await toFile(Buffer.from("\r\n--x"), 'a "b" \\ é.mp3', { type: "audio/mpeg" });
  const uploads: readonly ((client: OpenAI) => Promise<unknown>)[] = [
    (client) =>
      client.audio.transcriptions.create({
        model: "gpt-4o",
        file: upload,
        include: ["logprobs"],
        language: "de",
        timestamp_granularities: ["word", "segment"],
        chunking_strategy: { type: "server_vad", threshold: 0.5 },
        known_speaker_names: ["a"],
      }),
    (client) => client.audio.translations.create({ model: "gpt-4o", file: upload }),
    (client) =>
      client.images.edit({
        model: "gpt-4o",
        image: [upload, upload],
        mask: upload,
        prompt: "a\nb",
        n: 2,
        input_fidelity: "high",
        output_compression: 3,
        svg: { model: "author" },
      }),
    (client) => client.images.createVariation({ model: "gpt-4o", image: upload }),
  ];
  for (const [at, run] of uploads.entries()) {
    const { contentType, bytes } = await recordRequest((origin) =>
      run(new OpenAI({ apiKey: "k", baseURL: origin, maxRetries: 0 })),
    );
    const reading = readForm(bytes, { mark: multipartBoundary(contentType) ?? "" });
    assert.ok(reading.ok, answerOf(reading));
    assert.equal(reading.model?.name, "gpt-4o");
    assert.equal(reading.model.offset, bytes.indexOf("\r\n\r\ngpt-4o\r\n") + 4);
    assert.deepEqual(reading.fields, []);
    assert.deepEqual(
      reading.nestedModels.map(({ name, place }) => [name, place]),
      at === 2 ? [["author", "svg.model"]] : [],
    );
  }
});

const hasCurl = spawnSync("curl", ["--version"]).status === 0;
const skipCurl = hasCurl || process.env["CI"] === "true" ? false : "install curl to run this";

test("readMultipartBody admits what curl uploads", { skip: skipCurl }, async () => {
  const { contentType, bytes } = await recordRequest(async (origin) => {
    const file = ["-F", "file=@-;filename=a.mp3", "-F", "model=gpt-4o;type=text/plain"];
    const args = ["-s", ...file, "-F", "timestamp_granularities[]=word", origin];
    const child = spawn("curl", args, { stdio: ["pipe", "ignore", "inherit"] });
    child.stdin.end("\0\x01\r\n");
    assert.equal(await new Promise((resolve) => child.on("close", resolve)), 0);
  });
  const reading = readForm(bytes, { mark: multipartBoundary(contentType) ?? "" });
  assert.ok(reading.ok, answerOf(reading));
  assert.equal(reading.model?.name, "gpt-4o");
});
