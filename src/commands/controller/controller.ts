// The controller: watches the custom resources of one namespace, and while it leads writes the policy's ConfigMaps, the
// statuses and the events. Composition only; what happens is in src/controller.

import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { createReconciler, type ReconcileObservation } from "../../controller/reconciler.ts";
import { createSecretReader } from "../../controller/secrets.ts";
import { createConfigMapWriter } from "../../controller/writing/config-maps.ts";
import { confirmEveryMs, createConfirmer } from "../../controller/writing/confirmation.ts";
import type { KubeClient } from "../../kubernetes/client.ts";
import { createLeaderElection, type LeaderElectionOptions } from "../../kubernetes/lease.ts";
import { KubeError } from "../../kubernetes/transport.ts";
import type { ResourceKind } from "../../policy/resources.ts";
import { createAdminServer } from "../../telemetry/admin-server.ts";
import {
  type ControllerMetrics,
  createControllerMetrics,
} from "../../telemetry/controller-metrics.ts";
import { createLogger, type Logger } from "../../telemetry/logger.ts";
import type { CommandIo, ExitCode } from "../io.ts";
import { kubeDelay } from "../policy-source.ts";
import { type ControllerFlags, readControllerFlags } from "./flags.ts";
import { createFreshness } from "./freshness.ts";
import { createWatches, plurals, type Watches, type WatchesOptions } from "./watches.ts";
import { createKubeWriters } from "./writers.ts";

/** Runs until `signal` aborts. Exit 1: no cluster, or the admin address is taken. Exit 2: the flags are wrong. */
export async function runController(
  args: readonly string[],
  io: CommandIo,
  signal: AbortSignal,
): Promise<ExitCode> {
  const settings = readControllerFlags(args, io);
  if (typeof settings === "number") return settings;
  const logger = createLogger(settings.logLevel);
  try {
    const { createKubeClient } = await import("../../kubernetes/client.ts");
    const { kubeconfig } = settings;
    const client = createKubeClient(kubeconfig === undefined ? {} : { kubeconfig });
    const namespace = settings.namespace ?? client.namespace;
    const controller = createController({ ...settings, namespace }, { client, logger });
    await controller.start();
    await aborted(signal);
    logger.info("stopping");
    await controller.stop();
    client.close();
    logger.info("stopped");
    return 0;
  } catch (error) {
    logger.error({ err: error }, "start failed");
    return 1;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

type Options = ControllerFlags & { readonly namespace: string };
type Deps = { readonly client: KubeClient; readonly logger: Logger };
type State = { revision: string | undefined; lastError: string | undefined };

const monotonicMs = (): number => performance.now();

function createController(settings: Options, { client, logger }: Deps) {
  const { namespace, configMap, lease } = settings;
  const state: State = { revision: undefined, lastError: undefined };
  const identity = `${hostname()}_${randomBytes(4).toString("hex")}`;
  const time = { nowMs: monotonicMs, random: Math.random, delay: kubeDelay };
  const leads = (): boolean => election.leads();
  const onProblem = (kind: ResourceKind | "ConfigMap", problem: string): void => {
    metrics.watchFailed(kind);
    logger.warn({ kind, problem }, "API server");
  };
  const watches = createWatches({
    ...{ client, namespace, configMap, time, onProblem },
    onObject() {
      metrics.added();
      reconciler.request();
    },
    // Somebody else may have changed or deleted it.
    onConfigMap: () => reconciler.request(),
  });
  const election = createElection({ client, namespace, name: lease, identity }, time, {
    logger,
    onChange: () => reconciler.leadershipChanged(),
  });
  const writers = createKubeWriters(client, {
    ...{ namespace, configMap, plurals, lease, identity, logger },
    maySend: leads,
  });
  const confirmer = createConfirmer({
    ...{ write: writers.writeConfirmation, nowMs: Date.now, monotonicMs },
    onFailure: (error) => logger.warn({ err: error }, "confirmation not written"),
  });
  const reconciler = createReconciler({
    objects: watches.objects,
    readSecrets: createSecretReader({
      ...{ read: writers.readSecret, nowMs: monotonicMs },
      onChange: () => reconciler.request(),
    }),
    ...{ confirmer, shardsMax: settings.shardsMax },
    writer: createConfigMapWriter({
      ...{ api: writers.configMaps, namespace, name: configMap },
      watched: watches.configMapVersions,
    }),
    writeStatus: writers.writeStatus,
    announce: writers.announce,
    isLeader: leads,
    catalogue: settings.catalogue,
    nowMs: Date.now,
    monotonicMs,
    delay: (ms, signal) => kubeDelay(ms, signal).catch(() => undefined),
    observe: (observation) => observe(observation, { logger, metrics, state }),
  });
  const isQueued = (): boolean => reconciler.isQueued();
  const { confirmedAtMs } = confirmer;
  const metrics = createControllerMetrics({
    ...{ leads, isQueued, objects: watches.counts, notReady: watches.notReady },
    missingDefinitions: watches.missing,
    confirmedAtMs: () => toWallMs(confirmedAtMs()),
  });
  const cause = (): string | undefined => problemOf(watches, state);
  const freshness = createFreshness({
    ...{ leads, confirmedAtMs, monotonicMs, cause, announce: writers.announcePolicy, logger },
  });
  const admin = createControllerAdmin({ watches, metrics, state, logger, confirmedAtMs });
  let timer: NodeJS.Timeout | undefined;

  return {
    async start(): Promise<void> {
      const address = await admin.listen(settings.admin);
      watches.start();
      election.start();
      // Secrets are not watched: whoever changed one is heard of when it is read again. And a policy that nobody looks at
      // is not known to be in force.
      timer = setInterval(() => reconciler.request(), confirmEveryMs);
      timer.unref();
      freshness.start();
      logger.info({ admin: address, namespace, configMap, lease, identity }, "ready");
    },
    async stop(): Promise<void> {
      clearInterval(timer);
      freshness.stop();
      await reconciler.stop();
      await election.stop();
      await watches.stop();
      await admin.stop();
    },
  };
}

type Time = WatchesOptions["time"];
type Candidate = Pick<LeaderElectionOptions, "client" | "namespace" | "name" | "identity">;
type Told = { readonly logger: Logger; readonly onChange: () => void };

function createElection(candidate: Candidate, time: Time, { logger, onChange }: Told) {
  return createLeaderElection({
    ...candidate,
    ...time,
    wallMs: Date.now,
    onElected() {
      logger.info("leading");
      onChange();
    },
    onLost() {
      logger.warn("no longer leading");
      onChange();
    },
    onProblem: (problem) => logger.warn({ problem }, "leader election"),
  });
}

/** What keeps the policy from following the objects; undefined: nothing that is known. */
function problemOf(watches: Watches, { lastError }: State): string | undefined {
  const missing = watches.missing();
  if (missing.length > 0) {
    const [is, definitions] = missing.length === 1 ? ["is", "definition"] : ["are", "definitions"];
    return `the ${definitions} ${missing.join(", ")} ${is} not installed`;
  }
  return lastError ?? watches.silent();
}

/** A moment of the monotonic clock, in milliseconds since the epoch. */
function toWallMs(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Date.now() - (monotonicMs() - ms);
}

type AdminParts = {
  readonly watches: Watches;
  readonly metrics: ControllerMetrics;
  readonly state: State;
  readonly logger: Logger;
  readonly confirmedAtMs: () => number | undefined;
};

function createControllerAdmin({ watches, metrics, state, logger, confirmedAtMs }: AdminParts) {
  return createAdminServer({
    readiness: () => {
      const lastError = problemOf(watches, state);
      const atMs = confirmedAtMs();
      return {
        ready: watches.areSynced(),
        revision: state.revision,
        policyAgeSeconds: undefined,
        policyConfirmedAgeSeconds: atMs === undefined ? undefined : (monotonicMs() - atMs) / 1000,
        sourceHealthy: watches.areSynced() && lastError === undefined,
        lastError,
      };
    },
    metricsText: metrics.text,
    metricsContentType: metrics.contentType,
    reportError: (error) => logger.error({ err: error }, "admin server"),
  });
}

type Observed = {
  readonly logger: Logger;
  readonly metrics: ControllerMetrics;
  readonly state: State;
};

function observe(observation: ReconcileObservation, { logger, metrics, state }: Observed): void {
  switch (observation.kind) {
    case "policy": {
      const { revision, configMapsWritten } = observation;
      state.lastError = undefined;
      metrics.configMapsWritten(configMapsWritten);
      if (revision !== state.revision || configMapsWritten > 0) {
        logger.info({ revision, configMapsWritten }, "policy written");
      }
      state.revision = revision;
      return;
    }
    case "statuses":
      metrics.statusesWritten(observation.written);
      logger.debug({ written: observation.written }, "statuses written");
      return;
    case "failed": {
      const { error, step } = observation;
      state.lastError = error instanceof Error ? error.message : String(error);
      const status = error instanceof KubeError ? error.status : undefined;
      metrics.retried();
      logger.error({ step, status, reason: state.lastError }, "reconcile failed");
      return;
    }
    case "ran":
      metrics.ran(observation.isDone ? "success" : "error", observation.seconds);
      return;
    default:
      observation satisfies never;
  }
}
