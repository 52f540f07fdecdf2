// `npm run demo`: a real Envoy, the authorizer and a backend on free ports of this machine, seven requests and a policy
// edited live. Exits 0 only when every answer was the expected one; leaves no process and no file behind, unless --keep.

import { parseArgs } from "node:util";
import { getEnvoy } from "../../test/support/get-envoy.ts";
import { mintSecret } from "../../test/support/policy-files.ts";
import { cases, type DemoCase, type DemoKeys, liveEdit, policyOf } from "./cases.ts";
import { type DemoStack, startStack } from "./stack.ts";

const usage = "usage: npm run demo -- [--keep] [--backend echo|litellm]\n";

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Most characters of an answer that are shown. */
const shownMax = 230;

function shortened(text: string): string {
  return text.length <= shownMax ? text : `${text.slice(0, shownMax)} ...`;
}

/** One request, printed with its answer and what the backend received; whether all was as expected. */
async function show(number: number, stack: DemoStack, asked: DemoCase): Promise<boolean> {
  say(`\n${number}. ${asked.title}`);
  say(`   request  ${asked.method} ${asked.path}, key of ${asked.keyName}`);
  for (const [name, value] of asked.headers) say(`            ${name}: ${value}`);
  if (asked.body !== undefined) say(`            ${asked.body}`);
  const result = await stack.ask(asked);
  say(`   answer   ${result.status}  ${shortened(result.body)}`);
  for (const line of result.backend) say(`   backend  ${line}`);
  const problems = asked.check(result);
  for (const problem of problems) say(`   NOT AS EXPECTED: ${problem}`);
  if (problems.length === 0) say(`   ok       ${asked.why}`);
  return problems.length === 0;
}

/** A policy edit is in force within a second; ten are allowed for a busy machine. */
async function untilInForce(stack: DemoStack, asked: DemoCase): Promise<boolean> {
  const started = Date.now();
  while (Date.now() - started < 10_000) {
    if (asked.check(await stack.ask(asked)).length === 0) {
      say(`   in force after ${Date.now() - started} ms`);
      return true;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

function printCurl(stack: DemoStack, keys: DemoKeys): void {
  say("\nStill running. Ask it yourself, and edit the policy while it runs; Ctrl-C ends it all.");
  say(`  policy: ${stack.policyPath}`);
  say(`  curl http://127.0.0.1:${stack.port}/v1/chat/completions \\`);
  say(`    -H 'authorization: Bearer ${keys.alice.value}' \\`);
  say("    -H 'content-type: application/json' \\");
  say(`    -d '{"model":"AgentX-LLM","messages":[{"role":"user","content":"Say hi"}]}'`);
  say(
    `  curl http://127.0.0.1:${stack.port}/v1/models -H 'authorization: Bearer ${keys.alice.value}'`,
  );
}

async function runCases(stack: DemoStack, keys: DemoKeys): Promise<number> {
  let failed = 0;
  let number = 0;
  for (const asked of cases(keys)) {
    number += 1;
    if (!(await show(number, stack, asked))) failed += 1;
  }
  const edit = liveEdit(keys);
  say(`\nThe policy, edited while it runs: ${edit.what}`);
  stack.writePolicy(edit.manifests);
  await untilInForce(stack, edit.asked);
  if (!(await show(number + 1, stack, edit.asked))) failed += 1;
  return failed;
}

async function main(): Promise<number> {
  const options = {
    keep: { type: "boolean", default: false },
    backend: { type: "string", default: "echo" },
  } as const;
  const { values } = parseArgs({ options });
  if (values.backend !== "echo" && values.backend !== "litellm") {
    process.stderr.write(usage);
    return 2;
  }
  const keys: DemoKeys = { alice: mintSecret(), stranger: mintSecret() };
  const binary = await getEnvoy(say);
  const stack = await startStack({
    binary,
    backend: values.backend,
    say,
    manifests: policyOf(keys),
  });
  try {
    const failed = await runCases(stack, keys);
    say(failed === 0 ? "\nAll as expected." : `\n${failed} not as expected.`);
    if (values.keep) {
      printCurl(stack, keys);
      await new Promise((resolve) => setTimeout(resolve, 2 ** 31 - 1));
    }
    return failed === 0 ? 0 : 1;
  } finally {
    await stack.stop();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
