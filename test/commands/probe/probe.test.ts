// `aliasguard probe` as a command: its usage, its lines, its JSON and what it does where nothing listens.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { runProbe } from "../../../src/commands/probe/probe.ts";
import { probeSteps } from "../../../src/commands/probe/requests.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { recordOutput } from "../output-recorder.ts";

const folder = createTempFolder("probe");
const keyFile = `${folder.path}/key.txt`;
writeFileSync(keyFile, "sk-of-the-file-000000\n");

/** Answers all with the model that was asked for, and records the keys: nobody checks anything. */
const keys = new Set<string | undefined>();
const server = createServer((request, response) => {
  keys.add(request.headers.authorization);
  request.resume();
  request.on("end", () => response.end('{"model":"\\u001b[31mred"}'));
});
let url = "";
before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.close();
  server.closeAllConnections();
  folder.remove();
});

const probe = async (...args: readonly string[]) => {
  const output = recordOutput();
  const stdin = async (): Promise<string> => "sk-of-standard-input-0\n";
  const code = await runProbe(args, { ...output, stdin, env: {} });
  return { code, ...output.printed() };
};
const quick = ["--timeout-ms", "500", "--body-bytes", "1000"];

test("probe prints a line for each step, then what is missing and what cannot be seen", async () => {
  const { code, stdout, stderr } = await probe(
    url,
    "--key-file",
    keyFile,
    "--alias",
    "a",
    ...quick,
  );
  assert.deepEqual([code, stderr], [1, ""]);
  const lines = stdout.split("\n");
  for (const [at, step] of Object.keys(probeSteps).entries()) {
    assert.match(lines[at] ?? "", new RegExp(`^(ok|failed|unseen): ${step}: `));
  }
  assert.ok(lines.some((line) => line.startsWith("missing: unchecked: ")));
  assert.ok(lines.some((line) => line.startsWith("not seen: failures_allowed: ")));
  assert.ok(lines.some((line) => line.startsWith("not seen: http2: ")));
  assert.match(stdout, /\d missing; aliasguard lint --envoy/);
  assert.ok(!stdout.includes("\u001b"), "a terminal would obey the backend");
  assert.ok(!stdout.includes("sk-of-the-file"), "the key is shown");
  assert.deepEqual([...keys].sort(), ["Bearer sk-of-the-file-000000", undefined]);
});

test("probe --json is one object, and a key may come by standard input", async () => {
  keys.clear();
  const { code, stdout } = await probe(
    ...[url, "--key-file", "-", "--alias", "a", "--json", ...quick],
  );
  assert.equal(code, 1);
  const told = JSON.parse(stdout);
  assert.equal(told.ok, false);
  assert.deepEqual(
    told.steps.map(({ step }: { step: string }) => step),
    Object.keys(probeSteps),
  );
  assert.ok(keys.has("Bearer sk-of-standard-input-0"));
});

test("probe says that nothing answers", async () => {
  const args = ["http://127.0.0.1:1", "--key", "k", "--alias", "a", ...quick];
  const { code, stdout } = await probe(...args);
  assert.equal(code, 1);
  assert.match(stdout, /^missing: no_answer: /m);
});

test("probe refuses wrong usage, and helps", async () => {
  const good = ["--key", "k", "--alias", "a"];
  const wrong: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [good, /wants one URL/],
    [["http://a", "http://b", ...good], /wants one URL/],
    [["ftp://a", ...good], /wants one URL/],
    [["a", ...good], /wants one URL/],
    [["http://a/v1", ...good], /scheme, host and port alone/],
    [["http://a/?x=1", ...good], /scheme, host and port alone/],
    [["http://k@a/", ...good], /scheme, host and port alone/],
    [["http://a", "--alias", "a"], /one of --key and --key-file is required/],
    [["http://a", "--key-file", "f", ...good], /one of --key and --key-file is required/],
    [["http://a", "--key-file", `${folder.path}/none`, "--alias", "a"], /cannot be read/],
    [["http://a", "--key", "a\nb", "--alias", "a"], /printable ASCII/],
    [["http://a", "--key", "", "--alias", "a"], /printable ASCII/],
    [["http://a", "--key", "k", "--alias", "é"], /names must be printable/],
    [["http://a", "--key", "k"], /--alias is required/],
    [["http://a", "--forbidden", "", ...good], /--alias is required/],
    [["http://a", "--body-bytes", "1k", ...good], /--body-bytes must be/],
    [["http://a", "--body-bytes", "0", ...good], /--body-bytes must be/],
    [["http://a", "--timeout-ms", "9999999", ...good], /--timeout-ms must be/],
    [["http://a", "--model-headers", "a b", ...good], /--model-headers wants/],
    [["http://a", "--nothing", ...good], /nothing/],
  ];
  for (const [args, message] of wrong) {
    const { code, stdout, stderr } = await probe(...args);
    assert.deepEqual([code, stdout], [2, ""], String(args));
    assert.match(stderr, message);
  }
  const help = await probe("--help");
  assert.deepEqual([help.code, help.stderr], [0, ""]);
  assert.match(help.stdout, /^Usage: aliasguard probe URL/);
});
