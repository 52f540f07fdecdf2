// pip, however this machine has it: a real LiteLLM comes by it, and a real Envoy where Node.js alone cannot fetch it.

import { run } from "./child.ts";
import { MissingComponent } from "./requirements.ts";

export type Say = (line: string) => void;

type Installer = {
  readonly command: string;
  /** What stands before `download` or `install`. */
  readonly args: readonly string[];
};

const candidates: readonly Installer[] = [
  { command: "python3", args: ["-m", "pip"] },
  { command: "pip3", args: [] },
  { command: "pip", args: [] },
  { command: "uv", args: ["pip"] },
];

const minute = 60_000;

/** Runs pip with these arguments; installs pip first, if asked, where that is a matter of one Debian package and we may. */
export async function pip(
  args: readonly string[],
  say: Say,
  { install }: { readonly install: boolean } = { install: true },
): Promise<void> {
  const found = await findInstaller(args);
  if (found === undefined && !install) throw new MissingComponent("there is no pip");
  const installer = found ?? (await installPip(say));
  const result = await run(
    { name: "pip", command: installer.command, args: [...installer.args, ...args] },
    15 * minute,
  );
  if (result.code === 0) return;
  const command = [installer.command, ...installer.args, ...args].join(" ");
  throw new MissingComponent(`"${command}" failed: ${result.stderr.slice(-800)}`);
}

async function findInstaller(args: readonly string[]): Promise<Installer | undefined> {
  for (const candidate of candidates) {
    // uv has no "pip download".
    if (candidate.command === "uv" && args[0] !== "install") continue;
    const { command } = candidate;
    const version = await run(
      { name: command, command, args: [...candidate.args, "--version"] },
      minute,
    );
    if (version.code === 0) return candidate;
  }
  return undefined;
}

async function installPip(say: Say): Promise<Installer> {
  const [python] = candidates;
  const hint = "Install pip (Debian: apt-get install python3-pip) and run this again.";
  if (python === undefined || process.getuid?.() !== 0) throw new MissingComponent(hint);
  const apt = await run({ name: "apt-get", command: "apt-get", args: ["--version"] }, minute);
  if (apt.code !== 0) throw new MissingComponent(hint);
  say("Installing python3-pip (Debian package) ...");
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const steps = [["update"], ["install", "-y", "--no-install-recommends", "python3-pip"]];
  for (const args of steps) {
    const step = await run({ name: "apt-get", command: "apt-get", args, env }, 10 * minute);
    if (step.code !== 0) throw new MissingComponent(`${hint} apt-get: ${step.stderr.slice(-400)}`);
  }
  return python;
}
