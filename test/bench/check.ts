// Whole checks of an agent's chats against a bare node:http2 server that answers the same bytes, and against the server that
// one would write in an afternoon: in turns, in one run, ratios of the same round. Run: npm run bench [-- sets rounds]

import { processPath } from "../../src/envoy/ext-proc/wire.ts";
import { checkPath } from "../../src/envoy/wire.ts";
import { agentBody, checkFrame, processFrames } from "./agent-body.ts";
import {
  ask,
  fileOf,
  type Load,
  measure,
  methodNotes,
  type Sample,
  type Server,
  shown,
  shuffled,
  spreadOf,
  startServer,
} from "./load.ts";

const sets = Number(process.argv[2] ?? 3);
const rounds = Number(process.argv[3] ?? 5);

/** Kilobytes of the body, and calls a round. */
const sizes = [
  [8, 4000],
  [128, 800],
  [1024, 120],
] as const;

type Round = ReadonlyMap<string, Sample>;

/** One set of processes. */
async function runSet(kilobytes: number, calls: number): Promise<readonly Round[]> {
  const body = agentBody(kilobytes * 1024);
  const check: Load = { path: checkPath, frame: checkFrame(body), calls };
  const stream: Load = { path: processPath, frame: processFrames(body), calls };
  const few = await startServer("ours", ["ours", "10"]);
  const many = await startServer("ours, 100,000 keys", ["ours", "100000"]);
  const answer = await ask(few, checkPath, check.frame);
  if (!answer.includes("x-model")) throw new Error("the check was not allowed");
  const file = fileOf(answer);
  const raw = await startServer("raw", ["raw", file]);
  const ordinary = await startServer("ordinary", ["ordinary", "10", file]);
  const runs: readonly (readonly [Server, string, Load])[] = [
    [raw, raw.name, check],
    [ordinary, ordinary.name, check],
    [few, few.name, check],
    [many, many.name, check],
    [few, "ours, ext_proc", stream],
  ];
  const done: Round[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const samples = new Map<string, Sample>();
    for (const [server, name, load] of shuffled(runs))
      samples.set(name, await measure(server, load));
    // The first warms up.
    if (round > 0) done.push(samples);
  }
  for (const { child } of [few, many, raw, ordinary]) child.kill("SIGKILL");
  return done;
}

function ratios(all: readonly Round[], name: string, base: string, of: keyof Sample): string {
  const each = all.map((round) => (round.get(name)?.[of] ?? 0) / (round.get(base)?.[of] ?? 0));
  return shown(spreadOf(each));
}

process.stdout.write(`${methodNotes().join("; ")}\n${sets} sets of processes, ${rounds} rounds\n`);
process.stdout.write(
  "| body | server | CPU us a check | CPU / raw | rate / raw | CPU / ordinary |\n",
);
process.stdout.write("|---|---|---|---|---|---|\n");
for (const [kilobytes, calls] of sizes) {
  const all: Round[] = [];
  for (let set = 0; set < sets; set += 1) all.push(...(await runSet(kilobytes, calls)));
  for (const name of all[0]?.keys() ?? []) {
    const cpu = spreadOf(all.map((round) => round.get(name)?.cpuUsPerCall ?? 0));
    const cells = [
      `${kilobytes} KB`,
      name,
      shown(cpu, 0),
      ratios(all, name, "raw", "cpuUsPerCall"),
      ratios(all, name, "raw", "callsPerSecond"),
      ratios(all, name, "ordinary", "cpuUsPerCall"),
    ];
    process.stdout.write(`| ${cells.join(" | ")} |\n`);
  }
}
process.exit();
