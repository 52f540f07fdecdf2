// `aliasguard probe` against a real Envoy: content with the shipped configurations, and each broken one is told by its name,
// or the probe says that no caller can see it.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ProbeFinding, ProbeUnseen } from "../../src/commands/probe/findings.ts";
import { runProbe } from "../../src/commands/probe/probe.ts";
import { recordOutput } from "../commands/output-recorder.ts";
import {
  bodyLimit,
  bufferLimit,
  type ConfigChange,
  changes,
  type Mode,
  modes,
  procChanges,
} from "../support/envoy-config.ts";
import { alice, Stack, skip, stranger, target } from "../support/start-stack.ts";

type Told = {
  readonly code: number;
  readonly findings: readonly ProbeFinding[];
  readonly unseen: readonly ProbeUnseen[];
  readonly steps: readonly { readonly step: string; readonly outcome: string }[];
};

async function probe(stack: Stack, ...more: readonly string[]): Promise<Told> {
  const output = recordOutput();
  const url = `http://127.0.0.1:${stack.envoy.port}`;
  const names = ["--alias", "AgentX-LLM", "--forbidden", "vendor/other"];
  const args = [url, "--key", alice.value, ...names, "--timeout-ms", "8000", "--json", ...more];
  const code = await runProbe(args, { ...output, env: {} });
  const { stdout, stderr } = output.printed();
  assert.equal(stderr, "");
  const codes = (list: readonly { readonly code: string }[]) => list.map((each) => each.code);
  const told = JSON.parse(stdout);
  return {
    code,
    findings: codes(told.findings),
    unseen: codes(told.unseen),
    steps: told.steps,
  } as Told;
}

async function withStack<T>(
  mode: Mode,
  parts: readonly ConfigChange[],
  use: (stack: Stack) => Promise<T>,
): Promise<T> {
  const stack = await Stack.start(parts, mode);
  try {
    return await use(stack);
  } finally {
    await stack.stop();
  }
}

type Config = { [name: string]: unknown };
const many = (value: unknown): Config[] => value as Config[];
const first = (value: unknown): Config => many(value)[0] ?? {};
const managerOf = (config: Config): Config => {
  const listener = first((config["static_resources"] as Config)["listeners"]);
  const filter = first(first(listener["filter_chains"])["filters"]);
  return filter["typed_config"] as Config;
};

/** Only the router is left: nobody asks the authorizer. */
const checkLeftOut: ConfigChange = (config) => {
  const manager = managerOf(config);
  manager["http_filters"] = many(manager["http_filters"]).slice(-1);
};

/** One route, to the backend, whatever was decided. */
const everythingForwarded: ConfigChange = (config) => {
  const host = first((managerOf(config)["route_config"] as Config)["virtual_hosts"]);
  assert.ok("routes" in host);
  host["routes"] = [{ match: { prefix: "/" }, route: { cluster: "backend" } }];
};

/** The route that forwards does so for another model. */
const noRouteForTheModel: ConfigChange = (config) => {
  const host = first((managerOf(config)["route_config"] as Config)["virtual_hosts"]);
  const forwarding = many(host["routes"]).find(({ match }) => "headers" in (match as Config));
  assert.ok(forwarding !== undefined);
  const headers = [{ name: "x-model", string_match: { exact: "vendor/other" } }];
  forwarding["match"] = { prefix: "/", headers };
};

type Row = readonly [
  name: string,
  parts: readonly ConfigChange[],
  findings: readonly ProbeFinding[],
];

const everywhere: readonly Row[] = [
  ["nothing", [], []],
  ["the check left out", [checkLeftOut], ["check_missing"]],
  [
    "the check and the early removal left out",
    [checkLeftOut, changes.earlyRemovalLeftOut],
    ["check_missing", "header_believed", "unchecked", "forbidden_served"],
  ],
  [
    "the check left out, and everything forwarded",
    [checkLeftOut, everythingForwarded],
    ["unchecked", "forbidden_served", "path_open"],
  ],
  ["no route for the model", [noRouteForTheModel], ["route_not_chosen"]],
  // No caller can see these while the rest holds.
  ["the early removal left out", [changes.earlyRemovalLeftOut], []],
  ["underscores dropped", [changes.dropUnderscores], []],
  ["websocket upgrades allowed", [changes.websocketUpgrades], []],
];

const rows: Readonly<Record<Mode, readonly Row[]>> = {
  ext_authz: [
    ...everywhere,
    ["failures allowed", [changes.failureModeAllow], []],
    ["the splice left out", [changes.luaLeftOut], ["splice_missing"]],
    ["the splice on one route only", [changes.luaOnForwardingRouteOnly], ["splice_missing"]],
    [
      "the splice left out and the route cache kept",
      [changes.luaLeftOut, changes.routeCacheKept],
      ["splice_missing"],
    ],
    [
      "the splice left out, the route cache and the caller's header kept",
      [changes.luaLeftOut, changes.routeCacheKept, changes.earlyRemovalLeftOut],
      ["splice_missing", "header_believed"],
    ],
    ["partial messages", [changes.partialMessages], ["bodies_cut"]],
    ["bodies as text", [changes.textBody], ["bodies_not_whole"]],
    ["no bodies", [changes.noBody], ["bodies_not_whole"]],
    ["a low limit", [bodyLimit(100_000)], ["bodies_cut"]],
  ],
  ext_proc: [
    ...everywhere,
    ["failures allowed", [procChanges.failureModeAllow], []],
    ["bodies streamed", [procChanges.bodyStreamed], ["bodies_not_whole"]],
    ["partial bodies", [procChanges.bodyPartial], ["bodies_not_whole"]],
    ["no bodies", [procChanges.bodyNone], ["bodies_not_whole"]],
    ["only observed", [procChanges.observabilityMode], ["check_missing"]],
    ["a low limit", [bufferLimit(100_000)], ["bodies_cut"]],
  ],
};

for (const mode of modes) {
  describe(`the probe, ${mode}`, { skip }, () => {
    for (const [name, parts, findings] of rows[mode]) {
      it(`tells ${name}: ${findings.join(", ") || "whole"}`, async () => {
        const told = await withStack(mode, parts, (stack) => probe(stack));
        assert.deepEqual(told.findings, findings, JSON.stringify(told.steps));
        assert.equal(told.code, findings.length === 0 ? 0 : 1);
        assert.ok(told.unseen.includes("failures_allowed"));
        const isBelieved = findings.includes("header_believed");
        assert.equal(told.unseen.includes("early_removal"), !isBelieved);
      });
    }

    it("tells an authorizer that is gone, a backend that is gone, a key and an alias that are wrong", async () => {
      await withStack(mode, [], async (stack) => {
        const model = ["--model", target];
        assert.deepEqual((await probe(stack, ...model)).findings, []);
        assert.deepEqual((await probe(stack, "--model", "vendor/third")).findings, [
          "model_differs",
        ]);
        const stolen = await probe(stack, "--key", stranger.value);
        assert.deepEqual(stolen.findings, ["key_refused"]);
        assert.deepEqual((await probe(stack, "--alias", "other")).findings, ["alias_refused"]);
        await stack.backend.stop();
        assert.deepEqual((await probe(stack)).findings, ["backend_failing"]);
        stack.authorizer.signal("SIGKILL");
        await stack.authorizer.exited;
        assert.deepEqual((await probe(stack)).findings, ["authorizer_unavailable"]);
      });
    });
  });
}
