#!/usr/bin/env node
// argv -> command -> exit code. The only place that ends the process or listens to signals; nothing is loaded before
// its command is asked for.

import { readFileSync } from "node:fs";
import type { CommandIo } from "./commands/io.ts";

const usage = `Usage: aliasguard COMMAND [options]

Alias-first authorization for LLM traffic on Envoy.

  serve      answer Envoy's checks, over ext_authz and ext_proc
  controller compile custom resources into the ConfigMaps that servers read
  check      explain one decision, on files, a cluster's objects or a running server
  lint       say everything that is wrong with a policy, in files or in a cluster
  probe      ask a gateway from outside whether the whole chain is there
  key new    mint a virtual key, as a manifest or in a cluster
  key rotate give a virtual key a new secret; the old one stays good for a while

aliasguard COMMAND --help tells more. Exit codes: 0 done, 1 refused or failed, 2 not understood.
`;

const io: CommandIo = {
  stdout: (text) => write(process.stdout, text),
  stderr: (text) => write(process.stderr, text),
  env: process.env,
};

/** A reader that has seen enough, such as head, is no failure. */
function write(stream: NodeJS.WriteStream, text: string): void {
  if (stream.listenerCount("error") === 0) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
  stream.write(text);
}

/** Milliseconds that leftovers may keep the process once its work is done: a read that hangs, a log that nobody reads. */
const leftoversMs = 500;

function endSoon(code: number): number {
  setTimeout(() => process.exit(), leftoversMs).unref();
  return code;
}

async function run(args: readonly string[]): Promise<number> {
  const [command = "", ...rest] = args;
  switch (command) {
    case "serve": {
      const { runServe } = await import("./commands/serve/serve.ts");
      return endSoon(await runServe(rest, io, stopSignal()));
    }
    case "controller": {
      const { runController } = await import("./commands/controller/controller.ts");
      return endSoon(await runController(rest, io, stopSignal()));
    }
    case "check": {
      const { runCheck } = await import("./commands/check/check.ts");
      return runCheck(rest, io);
    }
    case "lint": {
      const { runLint } = await import("./commands/lint.ts");
      return runLint(rest, io);
    }
    case "probe": {
      const { runProbe } = await import("./commands/probe/probe.ts");
      return runProbe(rest, io);
    }
    case "key": {
      if (rest[0] === "rotate") {
        const { runKeyRotate } = await import("./commands/key/key-rotate.ts");
        return runKeyRotate(rest.slice(1), io);
      }
      if (rest[0] !== "new") break;
      const { runKeyNew } = await import("./commands/key/key-new.ts");
      return runKeyNew(rest.slice(1), io);
    }
    case "--version": {
      const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
      io.stdout(`${(JSON.parse(manifest) as { readonly version: string }).version}\n`);
      return 0;
    }
    case "--help":
    case "-h":
    case "help":
      io.stdout(usage);
      return 0;
    default:
  }
  const found =
    args.length === 0 ? "no command" : `no command ${JSON.stringify(args.slice(0, 2).join(" "))}`;
  io.stderr(`aliasguard: there is ${found}\n\n${usage}`);
  return 2;
}

/** Aborts on the first SIGTERM or SIGINT; the second ends the process at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(1);
    controller.abort();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  return controller.signal;
}

process.exitCode = await run(process.argv.slice(2));
