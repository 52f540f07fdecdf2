// The gate of CI on what a check costs: processor time against a bare node:http2 server that answers the same bytes, in
// one run, beside the ratio that is written here. Run: npm run bench:gate

import { checkPath } from "../../src/envoy/wire.ts";
import { agentBody, checkFrame } from "./agent-body.ts";
import {
  ask,
  fileOf,
  type Load,
  measure,
  methodNotes,
  type Server,
  type Spread,
  shown,
  spreadOf,
  startServer,
} from "./load.ts";

type Stored = { readonly kilobytes: number; readonly calls: number; readonly ratio: number };

/** What was measured, by kilobytes of the body, and calls a round. Written anew when the product has become faster. */
const stored: readonly Stored[] = [
  { kilobytes: 8, calls: 1500, ratio: 2.7 },
  { kilobytes: 128, calls: 300, ratio: 2.2 },
];

/** Below a regression of 1.5, and beyond the noise of a median of so many rounds on a machine that does nothing else. */
const margin = 1.3;
const rounds = 11;

/** A machine that does something else is given another chance; a regression is there each time. */
const triesMax = 3;

async function compare(ours: Server, raw: Server, load: Load): Promise<Spread> {
  const ratios: number[] = [];
  for (let round = -1; round < rounds; round += 1) {
    const base = await measure(raw, load);
    const sample = await measure(ours, load);
    // The first warms up.
    if (round >= 0) ratios.push(sample.cpuUsPerCall / base.cpuUsPerCall);
  }
  return spreadOf(ratios);
}

async function gate({ kilobytes, calls, ratio }: Stored): Promise<boolean> {
  const frame = checkFrame(agentBody(kilobytes * 1024));
  const ours = await startServer("ours", ["ours", "1000"]);
  const answer = await ask(ours, checkPath, frame);
  if (!answer.includes("x-model")) throw new Error("the check was not allowed");
  const raw = await startServer("raw", ["raw", fileOf(answer)]);
  const most = ratio * margin;
  let isGood = false;
  for (let tries = 0; !isGood && tries < triesMax; tries += 1) {
    const spread = await compare(ours, raw, { path: checkPath, frame, calls });
    isGood = spread.median <= most;
    const words = `CPU ${shown(spread)} times raw, stored ${ratio}, at most ${most.toFixed(2)}`;
    process.stdout.write(`${kilobytes} KB: ${words}: ${isGood ? "good" : "TOO MUCH"}\n`);
  }
  for (const { child } of [ours, raw]) child.kill("SIGKILL");
  return isGood;
}

process.stdout.write(`${methodNotes().join("; ")}\n`);
let isGood = true;
for (const each of stored) if (!(await gate(each))) isGood = false;
process.exit(isGood ? 0 : 1);
