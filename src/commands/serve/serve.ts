// The authorizer: composes source, decision, wire and telemetry, and takes them down in the order in which nothing is
// lost.

import { setTimeout as delay } from "node:timers/promises";
import { createHealth } from "../../envoy/grpc/health.ts";
import type { LocatedProblem } from "../../policy/problem.ts";
import { readSettings, type Settings, settingRows } from "../../settings/settings.ts";
import type { CopyOutcome } from "../../sources/configmaps/configmap-source.ts";
import { createAdminServer, type Readiness } from "../../telemetry/admin-server.ts";
import { type LogOutput, standardOutput } from "../../telemetry/log-output.ts";
import { createLogger, type Logger } from "../../telemetry/logger.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import type { CommandIo, ExitCode } from "../io.ts";
import { prepareSource, type Source } from "../policy-source.ts";
import { createTls } from "./tls.ts";
import { createCredentials, createWire } from "./wire.ts";

export const serveUsage = `Usage: aliasguard serve (--policy PATH | --policy-configmap NAMESPACE/NAME [--policy COPY]) [options]

Answers Envoy's checks, over ext_authz and ext_proc, from a policy in files, or in the ConfigMaps that \`aliasguard controller\` writes.
The policy may change while it runs; a bad one changes nothing and is logged. Each option is also an environment variable; the flag wins.

${settingRows
  .map(({ flag, variable, default: fallback, help }) => {
    const shown = fallback === "" ? "" : ` [${fallback}]`;
    return `  --${flag}${shown}\n      ${help} (${variable})`;
  })
  .join("\n")}
`;

/** Milliseconds that running checks get to finish once no new ones come. */
const graceMs = 10_000;

/**
 * Milliseconds that a load may go on once the process is to stop: reading a file from a network cannot be called off.
 */
const sourceStopMs = 1000;

/** Runs until `signal` aborts, also while it starts. Exit 1: an address could not be bound. Exit 2: the settings are wrong. */
export async function runServe(
  args: readonly string[],
  io: CommandIo,
  signal: AbortSignal,
): Promise<ExitCode> {
  if (args.includes("--help") || args.includes("-h")) {
    io.stdout(serveUsage);
    return 0;
  }
  const read = readSettings(args, io.env);
  if (!read.ok) {
    for (const issue of read.issues) io.stderr(`aliasguard serve: ${issue}\n`);
    return 2;
  }
  const { settings, unknownVariables } = read;
  const output = standardOutput();
  const logger = createLogger(settings.logLevel, output);
  for (const variable of unknownVariables) logger.warn({ variable }, "unknown variable");
  for (const route of settings.decision.uncheckedRoutes) logger.warn({ route }, "unchecked route");
  const stopRequested = aborted(signal);
  let authorizer: Authorizer | undefined;
  try {
    const reportProblem = (problem: string): void => logger.warn({ problem }, "API server");
    const reportCopy = createCopyReport(logger);
    const openSource = await prepareSource(settings, { nowMs, reportProblem, reportCopy });
    authorizer = createAuthorizer(settings, { logger, output, openSource });
    await authorizer.start(stopRequested);
  } catch (error) {
    logger.error({ err: error }, "start failed");
    if (!logger.isLevelEnabled("error")) io.stderr(`aliasguard serve: ${messageOf(error)}\n`);
    await authorizer?.stop(0);
    return 1;
  }
  await stopRequested;
  logger.info("stopping");
  await authorizer.stop(settings.drainDelayMs);
  logger.info("stopped");
  return 0;
}

function createCopyReport(logger: Logger) {
  return (path: string, outcome: CopyOutcome): void => {
    switch (outcome.kind) {
      case "taken":
        logger.info({ path, revision: outcome.revision }, "policy copy taken");
        return;
      case "late":
        logger.debug({ path }, "policy copy not needed");
        return;
      case "absent":
        logger.info({ path, reason: outcome.reason }, "no policy copy");
        return;
      case "refused":
        logger.warn({ path, reason: outcome.reason }, "policy copy ignored");
        return;
      default:
        outcome satisfies never;
    }
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

type Authorizer = {
  /** Resolves when the first load has ended, well or badly, or with `stopRequested`. Rejects without a listener left. */
  start(stopRequested: Promise<void>): Promise<void>;
  /** Waits `drainDelayMs` only where there was something to drain: checks that it could decide. */
  stop(drainDelayMs: number): Promise<void>;
};

type OpenSource = Awaited<ReturnType<typeof prepareSource>>;

type AuthorizerDeps = {
  readonly logger: Logger;
  readonly output: LogOutput;
  readonly openSource: OpenSource;
};

function createAuthorizer(settings: Settings, deps: AuthorizerDeps): Authorizer {
  const { logger } = deps;
  const state: State = { draining: false, bound: undefined, ready: false };
  const parts = createParts(settings, { ...deps, state });
  const { source, credentials, tls, health, server, admin, sayReady } = parts;
  return {
    async start(stopRequested) {
      const adminAddress = await admin.listen(settings.admin);
      await credentials?.start();
      await tls?.files.start();
      const listen = await server.listen();
      state.bound = { listen, admin: adminAddress };
      const hasLoaded = source.start().then(() => true);
      if (!(await Promise.race([hasLoaded, stopRequested.then(() => false)]))) return;
      sayReady();
      if (!state.ready) logger.warn(state.bound, "not ready");
    },
    async stop(drainDelayMs) {
      state.draining = true;
      health.changed();
      // Envoy and Kubernetes need a moment to see that no more checks should come here.
      if (state.ready) await delay(drainDelayMs);
      await server.stop(graceMs);
      const stopped = Promise.all([source.stop(), credentials?.stop(), tls?.files.stop()]);
      await Promise.race([stopped, delay(sourceStopMs, undefined, { ref: false })]);
      await admin.stop();
    },
  };
}

type State = { draining: boolean; bound: Bound | undefined; ready: boolean };

const nowMs = (): number => Date.now();

function createParts(
  settings: Settings,
  { logger, output, state, openSource }: AuthorizerDeps & { readonly state: State },
) {
  const source: Source = openSource({
    replaced(snapshot, problems) {
      metrics.policyLoaded("replaced");
      logProblems(logger, problems);
      logger.info({ revision: snapshot.revision, counts: source.counts() }, "policy loaded");
      health.changed();
      sayReady();
    },
    absent(message) {
      logger.info({ reason: message }, "no policy yet");
    },
    rejected(message, problems) {
      metrics.policyLoaded("rejected");
      logProblems(logger, problems);
      const kept = source.current()?.revision;
      logger.error({ reason: message, keptRevision: kept }, "policy rejected");
    },
    recovered(snapshot) {
      metrics.policyLoaded("recovered");
      logger.info({ revision: snapshot.revision }, "policy recovered");
    },
  });
  const health = createHealth(() => readinessOf(source, state).ready);
  const metrics = createMetrics({
    inFlight: () => ({ active: server.admission.active(), waiting: server.admission.waiting() }),
    policy: () => ({
      healthy: source.health().healthy,
      loadedAtMs: source.loadedAtMs(),
      confirmedAtMs: source.confirmedAtMs?.(),
      counts: source.counts(),
    }),
    certificateExpiresAtMs: () => tls?.files.expiresAtMs(),
    droppedLogLines: output.dropped,
  });
  const credentials = createCredentials(settings, logger);
  const tls = createTls(settings.tls, { logger, metrics, nowMs });
  const gate = tls?.gate;
  const wired = { logger, metrics, health, source, credentials, tls: gate, nowMs };
  const server = createWire(settings, wired);
  const admin = createAdminServer({
    readiness: () => readinessOf(source, state),
    metricsText: metrics.text,
    metricsContentType: metrics.contentType,
    reportError: (error) => logger.error({ err: error }, "admin server"),
  });

  /** The one line that says where it listens, once it can decide. */
  function sayReady(): void {
    if (state.ready || state.bound === undefined || !readinessOf(source, state).ready) return;
    state.ready = true;
    logger.info({ ...state.bound, revision: source.current()?.revision }, "ready");
  }

  return { source, credentials, tls, health, server, admin, sayReady };
}

function readinessOf(source: Source, { draining }: State): Readiness {
  const loadedAtMs = source.loadedAtMs();
  const confirmedAtMs = source.confirmedAtMs?.();
  const { healthy, lastError } = source.health();
  return {
    ready: !draining && source.current() !== undefined,
    revision: source.current()?.revision,
    policyAgeSeconds: loadedAtMs === undefined ? undefined : (nowMs() - loadedAtMs) / 1000,
    policyConfirmedAgeSeconds:
      confirmedAtMs === undefined ? undefined : (nowMs() - confirmedAtMs) / 1000,
    sourceHealthy: healthy,
    lastError,
  };
}

type Bound = { readonly listen: readonly string[]; readonly admin: string };

/** Problems that are logged of one load: a policy of a thousand mistakes must not flood the log. */
const problemsLoggedMax = 50;

function logProblems(logger: Logger, problems: readonly LocatedProblem[]): void {
  for (const { severity, file, line, column, object, message } of problems.slice(
    0,
    problemsLoggedMax,
  )) {
    const where = `${file}:${line}:${column}`;
    if (severity === "advice")
      logger.debug({ where, object, severity, problem: message }, "policy problem");
    else logger.warn({ where, object, severity, problem: message }, "policy problem");
  }
  const more = problems.length - problemsLoggedMax;
  if (more > 0) logger.warn({ more }, "more policy problems; aliasguard lint names more");
}
