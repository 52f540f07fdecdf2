// The part of the authorizer that Envoy talks to: the decision with the settings and the backends' credentials, its log and
// metrics, and the server in front of it.

import { randomInt } from "node:crypto";
import { createDecider } from "../../core/decide.ts";
import type { CheckObservation, ResponseObservation } from "../../core/observation.ts";
import { withUpstreamCredentials } from "../../core/upstream-credential.ts";
import { createCheckHandler } from "../../envoy/ext-authz/handler.ts";
import { createProcessHandler } from "../../envoy/ext-proc/handler.ts";
import type { ResponseDeps } from "../../envoy/ext-proc/response-side.ts";
import type { Health } from "../../envoy/grpc/health.ts";
import type { TlsGate } from "../../envoy/grpc/tls.ts";
import { createEnvoyServer, type EnvoyServer } from "../../envoy/server.ts";
import { wireCodec } from "../../envoy/wire.ts";
import type { Settings } from "../../settings/settings.ts";
import { type CredentialFiles, createCredentialFiles } from "../../sources/credential-files.ts";
import { createDecisionLog, createResponseLog } from "../../telemetry/decision-log.ts";
import { createHeaderLog } from "../../telemetry/header-log.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { createMetrics } from "../../telemetry/metrics.ts";
import type { Source } from "../policy-source.ts";

/** undefined where the settings name no folder. Logs names and problems, never a value. */
export function createCredentials(
  { upstreamCredentials }: Settings,
  logger: Logger,
): CredentialFiles | undefined {
  if (upstreamCredentials === undefined) return undefined;
  return createCredentialFiles({
    folder: upstreamCredentials,
    reportProblem: (problem) => logger.warn({ problem }, "upstream credential"),
    reportChange: (names) => logger.info({ names }, "upstream credentials loaded"),
  });
}

export type WireParts = {
  readonly logger: Logger;
  readonly metrics: ReturnType<typeof createMetrics>;
  readonly health: Health;
  readonly source: Source;
  readonly credentials: CredentialFiles | undefined;
  readonly tls: TlsGate | undefined;
  readonly nowMs: () => number;
};

export function createWire(settings: Settings, parts: WireParts): EnvoyServer {
  const { logger, metrics, health, source, credentials, tls, nowMs } = parts;
  const random = (): number => Math.random();
  const log = createDecisionLog(logger, { allowSample: settings.logAllowSample, random });
  const headerLog = createHeaderLog(logger);
  const decider = createDecider({ ...settings.decision, hashSeed: randomInt(2 ** 32) | 0 });
  const deps = {
    ...(credentials === undefined
      ? decider
      : withUpstreamCredentials(decider, credentials.lookup, settings.decision)),
    holder: source,
    nowMs,
    monotonicUs: () => performance.now() * 1000,
    random,
    observe(observation: CheckObservation) {
      metrics.observe(observation);
      log(observation);
      headerLog(observation);
    },
    reportBug: (error: unknown) => logger.error({ err: error }, "bug"),
  };
  const handler = createCheckHandler(deps);
  const responses = createResponses(settings, logger, metrics);
  const processHandler = createProcessHandler({ ...deps, ...responses });
  const serverSettings = {
    listen: settings.listen,
    bodyBytesMax: settings.decision.bodyBytesMax,
    inFlightBytesMax: settings.inFlightBytesMax,
    waitingChecksMax: settings.waitingChecksMax,
    concurrentStreamsMax: settings.concurrentStreamsMax,
    socketMode: settings.socketMode,
    connectionAgeMs: 0,
  };
  const onCallEnd = (path: string, code: string): void => metrics.callEnded(path, code);
  const handlers = { handler, processHandler };
  return createEnvoyServer(serverSettings, {
    ...{ codec: wireCodec, ...handlers, health, nowMs, onCallEnd },
    ...(tls === undefined ? {} : { tls }),
  });
}

/** What is done with responses; nothing where the settings ask for nothing. */
function createResponses(
  { responseModel: model }: Settings,
  logger: Logger,
  metrics: WireParts["metrics"],
): { readonly responses?: ResponseDeps } {
  if (model === "ignore") return {};
  const log = createResponseLog(logger);
  const observe = (observation: ResponseObservation): void => {
    metrics.observeResponse(observation);
    log(observation);
  };
  return { responses: { model, observe } };
}
