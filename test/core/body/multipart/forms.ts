// Forms for the tests of multipart/form-data: written part by part, and at random with what parsers quarrel about.

import assert from "node:assert/strict";
import { readMultipartBody } from "../../../../src/core/body/multipart/form.ts";
import type { BodyReading } from "../../../../src/core/body/reading.ts";
import type { BodyEdit } from "../../../../src/core/decision.ts";
import type { Dialect } from "../../../../src/core/denials.ts";
import type { BodyModelRule } from "../../../../src/core/http/operations.ts";
import { createJsonScanner } from "../../../../src/core/json/scan.ts";
import { type Judged, judged } from "../judged.ts";

export const scanner = createJsonScanner({ hashSeed: 11 });

/** Long enough for undici, which takes no boundary of fewer than 27 characters. */
export const boundary = "----aliasguardFormBoundary0123456789";

export type PartText = readonly [headers: string, value: string];

/** A part like a browser's. Texts are bytes: a byte a character. */
export function field(name: string, value: string): PartText {
  return [`Content-Disposition: form-data; name="${name}"`, value];
}

export function file(name: string, value: string, filename = "a.mp3"): PartText {
  const disposition = `Content-Disposition: form-data; name="${name}"; filename="${filename}"`;
  return [`${disposition}\r\nContent-Type: audio/mpeg`, value];
}

export function formOf(parts: readonly PartText[], end = "\r\n", mark = boundary): Buffer {
  const texts = parts.map(([headers, value]) => `--${mark}\r\n${headers}\r\n\r\n${value}\r\n`);
  return Buffer.from(`${texts.join("")}--${mark}--${end}`, "latin1");
}

export type ReadFormOptions = Judged & {
  readonly dialect?: Dialect;
  readonly modelRule?: BodyModelRule;
  readonly mark?: string;
};

export function readForm(bytes: Uint8Array, options: ReadFormOptions = {}): BodyReading {
  const { dialect = "openai", modelRule = "required", mark = boundary, ...rest } = options;
  return judged(readMultipartBody(bytes, { boundary: mark, dialect, modelRule, scanner }), rest);
}

/** `ok`, or the reason and the field that was refused. */
export function answerOf(reading: BodyReading): string {
  return reading.ok ? "ok" : `${reading.reason} ${reading.detail.name ?? ""}`.trim();
}

/** The bytes after edits that ascend; each must find what it replaces. */
export function applyEdits(bytes: Buffer, edits: readonly BodyEdit[]): Buffer {
  let edited = bytes;
  for (const { offset, old, new: text } of edits.toReversed()) {
    const end = offset + Buffer.byteLength(old);
    assert.equal(edited.toString("utf8", offset, end), old);
    edited = Buffer.concat([edited.subarray(0, offset), Buffer.from(text), edited.subarray(end)]);
  }
  return edited;
}

/** The same numbers in every run. */
export function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

type Random = ReturnType<typeof createRandom>;

const names = [
  "file",
  "prompt",
  "image[]",
  "svg[model]",
  "metadata",
  "timestamp_granularities[]",
  "x.y",
  "tools[0][type]",
  "foo",
] as const;

const filenames = [
  "a.mp3",
  "C:\\x\\y.mp3",
  'a\\"b.mp3',
  "a%22b",
  "\\\\srv\\f",
  "\xc3\xa9.mp3",
  "a;b.mp3",
  "a; x=y",
  'a\\"; x=\\"y',
  'a\\"; name=\\"model',
  'x"; name="model',
  "a; name=model; b",
  "",
  "model",
  "a\\",
  "=?utf-8?B?YQ==?=",
] as const;

/** `B` stands for the boundary, or for one that is shorter by a character. */
const values = [
  "",
  "hello",
  "\r\n",
  "\n",
  "\r",
  "--",
  "\r\n--",
  "a\r\n",
  "x\n--x",
  '{"a":1}',
  '\r\n\r\nContent-Disposition: form-data; name="model"\r\n\r\nevil',
  "\0\x7f",
  "\r\n--B",
  "--B",
  "\n--B",
  "\r--B",
  "\r\n--B\r\n",
  "\r\n--B--\r\n",
  "\r\r\n",
  "=41",
  "x\r\n--",
] as const;

const types = [
  "text/plain",
  "text/plain; charset=utf-8",
  "application/octet-stream",
  "audio/webm;codecs=opus",
  "application/json",
  "text/plain; charset=utf-16",
] as const;

const fragments = [
  ...["\r\n", "\n", "\r", '"', "\\", '\\"', ";", "=", " ", "\t", ":", "*", "-", "--", "\0"],
  ...['; name="model"', '; filename="x"', "; filename*=utf-8''x", "filename=", "\r\n\r\n"],
  ...["B", "--B", "\r\n--B", "\r\n--B\r\n", "\r\n--B--", "\r\n--B--\r\n", "form-data", "[]"],
  ...['Content-Disposition: form-data; name="model"', "Content-Type: text/plain\r\n"],
  ...["Content-Length: 5\r\n", "Content-Transfer-Encoding: base64\r\n", "X-A: b\r\n"],
  ...["\x0b", "\x0c", "\x1c", "\x85", "\xe2\x80\xa8"],
] as const;

export type RandomForm = { readonly contentType: string; readonly bytes: Buffer };

/** A form with a few parts, of which some are broken in up to two places. */
export function randomForm(random: Random): RandomForm {
  const pick = <Value>(all: readonly [Value, ...Value[]]): Value =>
    all[random(all.length)] ?? all[0];
  const marked = (text: string): string =>
    text.replaceAll("B", random(3) === 0 ? boundary : boundary.slice(0, -1));
  const count = 1 + random(4);
  const modelAt = random(count);
  const parts = Array.from({ length: count }, (_, at) => randomPart(at === modelAt));
  let text = formOf(parts, pick(["\r\n", "\r\n", "", "\r\n\r\n", "\n", "x"])).toString("latin1");
  for (let left = random(3); left > 0; left--) {
    const at = random(text.length + 1);
    const end = at + random(40);
    const ways = [
      () => text.slice(0, at) + marked(pick(fragments)) + text.slice(at),
      () => text.slice(0, at) + text.slice(at + 1 + random(3)),
      () => text.slice(0, end) + text.slice(at, end) + text.slice(end),
      () => text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at + 1),
    ] as const;
    text = pick(ways)();
  }
  const start = pick(["multipart/form-data; ", "multipart/form-data; charset=utf-8; "]);
  const contentType = `${start}boundary=${boundary}`;
  return { contentType, bytes: Buffer.from(text, "latin1") };

  function randomPart(isModel: boolean): PartText {
    const name = isModel ? "model" : pick(names);
    const value = isModel ? pick(["gpt-4", "gpt 4", "a/b"]) : marked(pick(values));
    const isFile = !isModel && random(2) === 0;
    const filename = isFile ? `; filename="${pick(filenames)}"` : "";
    const extended = isFile && random(3) === 0 ? "; filename*=utf-8''%22%3B" : "";
    const quoted = random(5) === 0 && !name.includes("[") ? name : `"${name}"`;
    const lines = [`Content-Disposition: form-data; name=${quoted}${filename}${extended}`];
    if (random(3) === 0) lines.push(`Content-Type: ${pick(types)}`);
    if (random(6) === 0) lines.push(`content-transfer-encoding: ${pick(["7bit", "binary"])}`);
    if (random(6) === 0) lines.push(`Content-Length: ${value.length}`);
    if (random(3) === 0) lines.reverse();
    return [lines.join("\r\n"), value];
  }
}
