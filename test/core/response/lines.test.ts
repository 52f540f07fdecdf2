// Server-sent events and lines of JSON, in every form that the format allows and in some that it does not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { json, ndjson, readAll, splitAt, sse } from "./samples.ts";

type Case = readonly [name: string, before: string, after: string, served?: readonly string[]];

const event = '{"model":"gpt-x"}';
const shown = '{"model":"mine"}';

function check(contentType: string, [name, before, after, served = ["gpt-x"]]: Case): void {
  const told = { dialect: "openai", contentType, shown: "mine" } as const;
  const bytes = Buffer.from(before);
  for (const cuts of [[], ...Array.from(bytes.keys(), (at) => [at])]) {
    const reading = readAll(splitAt(bytes, cuts), told);
    assert.equal(reading.output.toString(), after, `${name}, cut at ${cuts}`);
    assert.deepEqual(
      reading.served.map((each) => each.name),
      served,
      name,
    );
  }
  const single = readAll(splitAt(bytes, Array.from(bytes.keys())), told);
  assert.equal(single.output.toString(), after, `${name}, byte by byte`);
}

const framed: readonly Case[] = [
  ["LF", `data: ${event}\n\n`, `data: ${shown}\n\n`],
  ["CRLF", `data: ${event}\r\n\r\n`, `data: ${shown}\r\n\r\n`],
  ["CR", `data: ${event}\r\rdata: ${event}\r\r`, `data: ${shown}\r\rdata: ${shown}\r\r`],
  ["mixed", `data:${event}\r\n\n:x\rdata:${event}\n`, `data:${shown}\r\n\n:x\rdata:${shown}\n`],
  ["no space", `data:${event}\n\n`, `data:${shown}\n\n`],
  ["more spaces", `data:  \t${event} \n\n`, `data:  \t${shown} \n\n`],
  ["a byte order mark", `\ufeffdata: ${event}\n\n`, `\ufeffdata: ${shown}\n\n`],
  ["comments and fields", `:\n: {"model":"a"}\nid: 1\nevent:x\nretry:9\ndata: ${event}\n\n`, ""],
  ["no end", `data: ${event}`, `data: ${shown}`],
  ["no empty line between events", `data: ${event}\ndata: ${event}\n`, ""],
  ["several lines", 'data: {\ndata: "model"\ndata:\ndata\ndata: :\n: c\ndata: "gpt-x"}\n\n', ""],
  ["another field between lines", 'data: {\ndat\ndatas\nid\ndata: "model":"gpt-x"}\n\n', ""],
  ["CR, then LF", `:x\rdata: {"a":{\n\ndata: ${event}\n\n`, ""],
  ["several lines, CRLF", 'data: {"a":1,\r\ndata: "model":"gpt-x"\r\ndata: }\r\n\r\n', ""],
  ["done, then more", `data: [DONE]\n\ndata: ${event}\n\n`, ""],
  ["garbage, then more", `data: {"model" "no"}\n\ndata: ${event}\n\n`, ""],
  ["half a document, then more", `data: {"a":{"b":[\n\ndata: ${event}\n\n`, ""],
  ["half a string, then more", `data: {"a":"b\n\ndata: ${event}\n\n`, ""],
  ["half an escape, then more", `data: {"a":"b\\\n\ndata: ${event}\n\n`, ""],
  ["half a name, then more", `data: {"model":"b\n\ndata: ${event}\n\n`, ""],
  ["half a key, then more", `data: {"mod\n\ndata: ${event}\n\n`, ""],
  ["a name broken by a line", `data: {"model":"b\ndata: c"}\n\ndata: ${event}\n\n`, ""],
  ["a key broken by a line", `data: {"mod\ndata: el":"b"}\n\ndata: ${event}\n\n`, ""],
];

test("push reads every form of server-sent events", () => {
  for (const [name, before, after] of framed) {
    check(sse, [name, before, after === "" ? before.replaceAll("gpt-x", "mine") : after]);
  }
});

const unframed: readonly (readonly [name: string, body: string])[] = [
  ["another field", `date: ${event}\n\n`],
  ["a longer field", `datas: ${event}\n\n`],
  ["a field in capitals", `DATA: ${event}\n\n`],
  ["a space before the field", ` data: ${event}\n\n`],
  ["a space before the colon", `data : ${event}\n\n`],
  ["no field", `${event}\n\n`],
  ["a comment", `:data: ${event}\n\n`],
  ["a byte order mark later", `\n\ufeffdata: ${event}\n\n`],
  ["two byte order marks", `\ufeff\ufeffdata: ${event}\n\n`],
  ["half a byte order mark", "\u00ef"],
  ["an array", `data: [${event}]\n\n`],
  ["a string", `data: ${JSON.stringify(event)}\n\n`],
  ["a second document in the line", `data: {} ${event}\n\n`],
  ["the middle of a document", `data: "a":1,\ndata: ${event}\n\n`],
  ["a name that a line cuts", `data: {"model":"b\ndata: 1,"model":"gpt-x"}\n\n`],
  ["a key that a line cuts", `data: {"mo\ndata: "model":"gpt-x"}\n\n`],
  ["a string that a line cuts", `data: {"a":"b\ndata: c","model":"gpt-x"}\n\n`],
  ["NUL", `data: \u0000${event}\n\n`],
  ["a deeper place", `data: {"response":{"response":${event}},"message":${event}}\n\n`],
];

test("push leaves alone what is no data of an event, or no model's place in it", () => {
  for (const [name, body] of unframed) check(sse, [name, body, body, []]);
});

const lines: readonly Case[] = [
  ["two", `${event}\n${event}\n`, `${shown}\n${shown}\n`],
  ["no line feed at the end", `${event}\n${event}`, `${shown}\n${shown}`],
  ["CRLF and empty lines", `\r\n${event}\r\n\n ${event}\r\n`, `\r\n${shown}\r\n\n ${shown}\r\n`],
  ["a byte order mark", `\ufeff${event}\n`, `\ufeff${shown}\n`],
  ["garbage, then more", `{"model"\n"gpt-x"}\n{"model":"b\n]\n{"a\n${event}`, ""],
];

test("push reads each line of NDJSON as a document", () => {
  for (const [name, before, after] of lines) {
    const wanted = `{"model"\n"gpt-x"}\n{"model":"b\n]\n{"a\n${shown}`;
    check(ndjson, [name, before, after === "" ? wanted : after]);
  }
});

test("push takes lines only where the type says so", () => {
  check(json, ["one document", `${event}\n${event}\n`, `${shown}\n${event}\n`]);
  check(ndjson, ["two in a line", `${event}${event}\n`, `${shown}${event}\n`]);
});

test("push reads a document after a byte order mark, and no event's holder in it", () => {
  check(json, ["mark", `\ufeff${event}`, `\ufeff${shown}`]);
  check(json, ["holder", '{"response":{"model":"gpt-x"}}', '{"response":{"model":"gpt-x"}}', []]);
  check(json, ["array", `[${event}]`, `[${event}]`, []]);
  check(json, ["two marks", `\ufeff\ufeff${event}`, `\ufeff\ufeff${event}`, []]);
});
