// The gate of CI on what a check costs: processor time against a bare node:http2 server that answers the same bytes, in
// one run, beside the ratio that is written here. Run: npm run bench:gate

import { checkPath } from "../../src/envoy/wire.ts";
import { agentBody, checkFrame } from "./agent-body.ts";
import { ask, fileOf, measure, methodNotes, shown, spreadOf, startServer } from "./load.ts";

/** What was measured, by kilobytes of the body, and calls a round. Written anew when the product has become faster. */
const stored = [
  { kilobytes: 8, calls: 1500, ratio: 3 },
  { kilobytes: 128, calls: 300, ratio: 3 },
] as const;

/** Beyond the noise of a median of so many rounds, and below a regression of 1.5. */
const margin = 1.3;
const rounds = 11;

process.stdout.write(`${methodNotes().join("; ")}\n`);
for (const { kilobytes, calls, ratio } of stored) {
  const frame = checkFrame(agentBody(kilobytes * 1024));
  const load = { path: checkPath, frame, calls };
  const ours = await startServer("ours", ["ours", "1000"]);
  const answer = await ask(ours, checkPath, frame);
  if (!answer.includes("x-model")) throw new Error("the check was not allowed");
  const raw = await startServer("raw", ["raw", fileOf(answer)]);
  const ratios: number[] = [];
  for (let round = -2; round < rounds; round += 1) {
    const base = await measure(raw, load);
    const sample = await measure(ours, load);
    if (round >= 0) ratios.push(sample.cpuUsPerCall / base.cpuUsPerCall);
  }
  for (const { child } of [ours, raw]) child.kill("SIGKILL");
  const spread = spreadOf(ratios);
  const isGood = spread.median <= ratio * margin;
  process.stdout.write(
    `${kilobytes} KB: CPU ${shown(spread)} times raw, stored ${ratio}, at most ` +
      `${(ratio * margin).toFixed(2)}: ${isGood ? "good" : "TOO SLOW"}\n`,
  );
  if (!isGood) process.exitCode = 1;
}
process.exit();
