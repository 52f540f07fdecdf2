// What a request costs Envoy and the authorizer together, through a real Envoy with the shipped configurations: no filter, an
// empty check, and ours by both ways. CPU of both processes from the scheduler. Run: npm run bench:envoy [-- rounds]

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server as HttpServer } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { writeCheckResponse } from "../../src/envoy/wire/check-response.ts";
import { type ConfigChange, envoyConfig, type Mode, places } from "../support/envoy-config.ts";
import { getEnvoy } from "../support/get-envoy.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { agentBody, benchSecret, frameOf } from "./agent-body.ts";
import {
  cpuUs,
  fileOf,
  hasH2load,
  methodNotes,
  pinned,
  type Server,
  shown,
  shuffled,
  spreadOf,
  startServer,
} from "./load.ts";

const rounds = Number(process.argv[2] ?? 5);
const connections = 8;

/** Kilobytes of the body, and requests a round. */
const sizes = [
  [8, 2000],
  [128, 400],
] as const;

type Proxied = {
  readonly name: string;
  readonly port: number;
  readonly envoy: ChildProcess;
  readonly authorizer: Server | undefined;
};

/** What a check must say at the least for the shipped routes to forward it: the header that chooses the route. */
const emptyCheck = frameOf(
  writeCheckResponse({
    status: { code: 0 },
    ok_response: {
      headers: [
        {
          ...{ header: { key: "x-model", value: "vendor/model" }, append: { value: false } },
          append_action: 2,
        },
      ],
      headers_to_remove: [],
    },
    dynamic_metadata: { fields: {} },
  }),
);

type Named = { readonly name?: unknown };

function managerOf(config: Parameters<ConfigChange>[0]): { http_filters: Named[] } & object {
  const text = "static_resources.listeners.0.filter_chains.0.filters.0.typed_config";
  let node: unknown = config;
  for (const step of text.split(".")) node = (node as Record<string, unknown>)[step];
  return node as { http_filters: Named[] };
}

/** Leaves the filters whose names say so, and the header that callers may not send. */
function withoutFilters(names: RegExp): ConfigChange {
  return (config) => {
    const manager = managerOf(config);
    manager.http_filters = manager.http_filters.filter(({ name }) => !names.test(String(name)));
    Reflect.deleteProperty(manager, "early_header_mutation_extensions");
  };
}

const quiet: ConfigChange = (config) => {
  Reflect.deleteProperty(managerOf(config), "access_log");
};

async function startProxied(
  binary: string,
  name: string,
  {
    authorizer,
    backendPort,
    mode = "ext_authz",
    change = () => {},
  }: {
    readonly authorizer: Server | undefined;
    readonly backendPort: number;
    readonly mode?: Mode;
    readonly change?: ConfigChange;
  },
): Promise<Proxied> {
  const folder = createTempFolder("bench-envoy");
  const authorizerPort = authorizer === undefined ? 9 : Number(new URL(authorizer.origin).port);
  const where = places({ authorizers: [authorizerPort], backendPort });
  const noHealth: ConfigChange = (config) => {
    const resources = config["static_resources"] as { clusters: Record<string, unknown>[] };
    for (const each of resources.clusters) delete each["health_checks"];
  };
  const file = join(folder.path, "envoy.json");
  writeFileSync(file, JSON.stringify(envoyConfig([where, quiet, noHealth, change], mode)));
  const adminFile = join(folder.path, "admin");
  const [command, args] = pinned(0, [
    ...[binary, "--disable-hot-restart", "--concurrency", "1", "-l", "error"],
    ...["-c", file, "--admin-address-path", adminFile],
  ]);
  const envoy = spawn(command, args, { stdio: "inherit" });
  process.on("exit", () => {
    envoy.kill("SIGKILL");
    folder.remove();
  });
  return { name, port: await portOf(adminFile), envoy, authorizer };
}

async function portOf(adminFile: string): Promise<number> {
  for (let tries = 0; tries < 200; tries += 1) {
    await delay(100);
    try {
      const url = `http://${readFileSync(adminFile, "utf8").trim()}/listeners?format=json`;
      const text = await fetch(url).then((response) => response.text());
      const port = Number(/"port_value":\s*(\d+)/.exec(text)?.[1]);
      if (port > 0) return port;
    } catch {
      // Not yet.
    }
  }
  throw new Error("Envoy did not start");
}

/** Reads each request to its end and answers little. */
async function startBackend(): Promise<readonly [HttpServer, number]> {
  const server = createServer((request, response) => {
    request.on("end", () => response.end("{}")).resume();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return [server, typeof address === "object" && address !== null ? address.port : 0];
}

type Sample = { readonly envoyUs: number; readonly authorizerUs: number };

const run = promisify(execFile);

async function measure(proxied: Proxied, bodyFile: string, requests: number): Promise<Sample> {
  const { port, envoy, authorizer } = proxied;
  const cpu = (): readonly [number, number] => [
    cpuUs({ child: envoy }),
    authorizer === undefined ? 0 : cpuUs(authorizer),
  ];
  const before = cpu();
  const headers = [
    ...["content-type: application/json", `authorization: Bearer ${benchSecret(0)}`],
    ...["user-agent: OpenAI/Python 2.11.0", "x-stainless-lang: python", "x-stainless-os: Linux"],
    ...["x-stainless-runtime: CPython", "accept: application/json", "x-model: vendor/model"],
  ].flatMap((header) => ["-H", header]);
  const [command, args] = pinned(1, [
    ...["h2load", "--h1", "-n", String(requests), "-c", String(connections), "-m", "1"],
    ...["-d", bodyFile, ...headers, `http://127.0.0.1:${port}/v1/chat/completions`],
  ]);
  const { stdout } = await run(command, args, { maxBuffer: 2 ** 24 });
  const [, good] = /status codes: (\d+) 2xx/.exec(stdout) ?? [];
  if (Number(good) !== requests) throw new Error(`${proxied.name}: ${stdout}`);
  const after = cpu();
  return {
    envoyUs: (after[0] - before[0]) / requests,
    authorizerUs: (after[1] - before[1]) / requests,
  };
}

async function main(): Promise<void> {
  if (!hasH2load) throw new Error("this bench needs h2load (Debian: nghttp2-client)");
  const binary = await getEnvoy();
  const [, backendPort] = await startBackend();
  const ours = await startServer("ours", ["ours", "1000"]);
  const empty = await startServer("raw", ["raw", fileOf(emptyCheck)]);
  const rest = { backendPort };
  const none = withoutFilters(/lua|ext_authz|ext_proc/);
  const all = [
    await startProxied(binary, "no filter", { ...rest, authorizer: undefined, change: none }),
    await startProxied(binary, "empty check", {
      ...{ ...rest, authorizer: empty, change: withoutFilters(/lua/) },
    }),
    await startProxied(binary, "ours, ext_authz", { ...rest, authorizer: ours }),
    await startProxied(binary, "ours, ext_proc", { ...rest, authorizer: ours, mode: "ext_proc" }),
  ];
  process.stdout.write(`${methodNotes().join("; ")}; ${rounds} rounds\n`);
  process.stdout.write(
    "| body | path | Envoy + authorizer, CPU us | added, over an empty check |\n",
  );
  process.stdout.write("|---|---|---|---|\n");
  for (const [kilobytes, requests] of sizes) {
    const file = fileOf(agentBody(kilobytes * 1024));
    const samples = new Map<string, Sample[]>(all.map(({ name }) => [name, []]));
    for (let round = 0; round <= rounds; round += 1) {
      for (const each of shuffled(all)) {
        const sample = await measure(each, file, requests);
        // The first round warms up.
        if (round > 0) samples.get(each.name)?.push(sample);
      }
    }
    const total = (name: string, at: number): number => {
      const sample = samples.get(name)?.[at];
      return sample === undefined ? Number.NaN : sample.envoyUs + sample.authorizerUs;
    };
    for (const { name } of all) {
      const totals = Array.from({ length: rounds }, (_, at) => total(name, at));
      const added = totals.map((each, at) => {
        const without = total("no filter", at);
        return (each - without) / (total("empty check", at) - without);
      });
      const shownAdded = name === "no filter" ? "" : shown(spreadOf(added));
      const cells = [`${kilobytes} KB`, name, shown(spreadOf(totals), 0), shownAdded];
      process.stdout.write(`| ${cells.join(" | ")} |\n`);
    }
  }
  process.exit();
}

await main();
