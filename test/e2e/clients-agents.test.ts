// Agents, unchanged, through the real Envoy in each mode: Claude Code and codex say hi with an alias, and say why they cannot
// with a model that their key may not use. They reach loopback only.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type RunResult, run } from "../support/child.ts";
import {
  alias,
  forbidden,
  forbiddenMessage,
  modes,
  startClientStack,
} from "../support/client-stack.ts";
import { type Agents, agentPrograms, getAgents } from "../support/get-clients.ts";
import { requirement } from "../support/requirements.ts";
import { alice, type Stack, skip as skipEnvoy, target } from "../support/start-stack.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const found = await requirement(async () => {
  const folder = await getAgents();
  agentPrograms(folder);
  return folder;
});
const skip = skipEnvoy !== false ? skipEnvoy : found.skip;

const runMsMax = 60_000;
/** Nobody listens there: what does not go to loopback ends at once. */
const nowhere = "http://127.0.0.1:9";

for (const mode of modes) {
  describe(`agents over ${mode}`, { skip }, () => {
    let stack: Stack;
    let programs: Agents;
    const home = createTempFolder("agent");
    before(async () => {
      programs = agentPrograms(found.value ?? "");
      stack = await startClientStack(mode);
      writeCodexConfig(home.path, `http://127.0.0.1:${stack.envoy.port}/v1`);
    });
    after(async () => {
      await stack.stop();
      home.remove();
    });

    /** With nothing of this process's environment: no key of its user, no settings. */
    function runAgent(
      command: string,
      args: readonly string[],
      env: Readonly<Record<string, string>>,
    ): Promise<RunResult> {
      const fenced = { HTTPS_PROXY: nowhere, HTTP_PROXY: nowhere, NO_PROXY: "127.0.0.1" };
      const all = { PATH: process.env["PATH"] ?? "", HOME: home.path, ...fenced, ...env };
      const pairs = Object.entries(all).map(([name, value]) => `${name}=${value}`);
      const whole = ["-i", ...pairs, command, ...args];
      return run({ name: "agent", command: "env", args: whole, cwd: home.path }, runMsMax);
    }

    function runClaude(model: string): Promise<RunResult> {
      return runAgent(programs.claude, ["-p", "Say hi", "--model", model], {
        ANTHROPIC_BASE_URL: `http://127.0.0.1:${stack.envoy.port}`,
        ANTHROPIC_API_KEY: alice.value,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
        DISABLE_AUTOUPDATER: "1",
        DISABLE_TELEMETRY: "1",
      });
    }

    function runCodex(model: string): Promise<RunResult> {
      const args = ["exec", "--skip-git-repo-check", "--sandbox", "read-only", "-m", model];
      const env = { CODEX_HOME: join(home.path, ".codex"), GATEWAY_KEY: alice.value };
      return runAgent(programs.codex, [...args, "Say hi"], env);
    }

    /** How often the authorizer was asked, and that it let none of it through. */
    async function refusals(ask: () => Promise<RunResult>): Promise<[RunResult, number]> {
      const received = stack.backend.received.length;
      const decided = stack.authorizer.decisions().length;
      const ran = await ask();
      assert.equal(stack.backend.received.length, received);
      const decisions = stack.authorizer.decisions().slice(decided);
      assert.deepEqual(new Set(decisions.map(({ status }) => status)), new Set([403]));
      return [ran, decisions.length];
    }

    it("Claude Code is answered by the model behind the alias", async () => {
      const ran = await runClaude(alias);
      assert.deepEqual([ran.code, ran.stdout.trim()], [0, `This is ${target}.`], ran.stderr);
      const { path, headers } = stack.last();
      assert.equal(path, "/v1/messages?beta=true");
      assert.deepEqual([headers["x-api-key"], headers["authorization"]], [undefined, undefined]);
    });

    it("Claude Code asks once for a model that it may not use, and says why", async () => {
      const [ran, asked] = await refusals(() => runClaude(forbidden));
      assert.equal(ran.code, 1);
      assert.match(ran.stdout, forbiddenMessage);
      assert.equal(asked, 1);
    });

    it("codex is answered by the model behind the alias", async () => {
      const ran = await runCodex(alias);
      assert.deepEqual([ran.code, ran.stdout.trim()], [0, `This is ${target}.`], ran.stderr);
      const { path, headers } = stack.last();
      assert.equal(path, "/v1/responses");
      assert.equal(headers["authorization"], undefined);
    });

    it("codex ends with why it may not use a model", async () => {
      const [ran, asked] = await refusals(() => runCodex(forbidden));
      assert.equal(ran.code, 1);
      assert.match(ran.stderr, forbiddenMessage);
      // It tries a 403 again, whatever the answer says: once here, five times by default.
      assert.equal(asked, 2);
    });
  });
}

function writeCodexConfig(home: string, baseUrl: string): void {
  const lines = [
    'model_provider = "gateway"',
    'approval_policy = "never"',
    "check_for_update_on_startup = false",
    "[analytics]",
    "enabled = false",
    "[model_providers.gateway]",
    'name = "gateway"',
    `base_url = "${baseUrl}"`,
    'env_key = "GATEWAY_KEY"',
    'wire_api = "responses"',
    "stream_max_retries = 1",
  ];
  mkdirSync(join(home, ".codex"));
  writeFileSync(join(home, ".codex", "config.toml"), `${lines.join("\n")}\n`);
}
