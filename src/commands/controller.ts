// The controller: watches the custom resources of one namespace, and while it leads writes the policy's ConfigMaps, the
// statuses and the events. Composition only; what happens is in src/controller.

import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import type { ConfigMapApi } from "../controller/config-maps.ts";
import { createConfigMapWriter } from "../controller/config-maps.ts";
import type { PolicyObject } from "../controller/objects.ts";
import { createReconciler, type ReconcileObservation } from "../controller/reconciler.ts";
import { createSecretReader, secretAgeMsMax } from "../controller/secrets.ts";
import type { KubeClient } from "../kubernetes/client.ts";
import { createLeaderElection } from "../kubernetes/lease.ts";
import { createReflector, type Reflector } from "../kubernetes/reflector.ts";
import { KubeError } from "../kubernetes/transport.ts";
import { policyApiVersion, type ResourceKind } from "../policy/resources.ts";
import { createAdminServer } from "../telemetry/admin-server.ts";
import {
  type ControllerMetrics,
  createControllerMetrics,
} from "../telemetry/controller-metrics.ts";
import { createLogger, type Logger } from "../telemetry/logger.ts";
import type { CommandIo, ExitCode } from "./io.ts";
import { createKubeWriters } from "./kube-writers.ts";
import { kubeDelay } from "./policy-source.ts";

export const controllerUsage = `Usage: aliasguard controller --configmap NAME [options]

Compiles the custom resources of one namespace into ConfigMaps, which the authorizers read
(aliasguard serve --policy-configmap NAMESPACE/NAME), and writes their status. Several may run: one leads.

  --configmap NAME   of the ConfigMap with the policy; shards are NAME-1, NAME-2 ...
  --namespace NS     [the pod's own, or the kubeconfig's]
  --lease NAME       of the Lease that the leader holds [NAME of the ConfigMap, and -controller]
  --kubeconfig FILE  [KUBECONFIG, ~/.kube/config or the pod's service account]
  --admin HOST:PORT  where /healthz, /readyz and /metrics answer [127.0.0.1:9192]
  --log-level LEVEL  debug, info, warn, error or silent [info] (ALIASGUARD_LOG_LEVEL)
`;

const options = {
  configmap: { type: "string" },
  namespace: { type: "string" },
  lease: { type: "string" },
  kubeconfig: { type: "string" },
  admin: { type: "string", default: "127.0.0.1:9192" },
  "log-level": { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Plurals of the kinds, as they stand in paths. */
const plurals: Readonly<Record<ResourceKind, string>> = {
  ModelAlias: "modelaliases",
  Team: "teams",
  VirtualKey: "virtualkeys",
  AccessGroup: "accessgroups",
  Model: "models",
};

/** Runs until `signal` aborts. Exit 1: no cluster, or the admin address is taken. Exit 2: the flags are wrong. */
export async function runController(
  args: readonly string[],
  io: CommandIo,
  signal: AbortSignal,
): Promise<ExitCode> {
  const settings = readFlags(args, io);
  if (typeof settings === "number") return settings;
  const logger = createLogger(settings.logLevel);
  try {
    const { createKubeClient } = await import("../kubernetes/client.ts");
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

type Flags = {
  readonly configMap: string;
  readonly namespace: string | undefined;
  readonly lease: string;
  readonly kubeconfig: string | undefined;
  readonly admin: string;
  readonly logLevel: string;
};

const levels = ["debug", "info", "warn", "error", "silent"];
const objectName = /^[a-z0-9]([-.a-z0-9]{0,240}[a-z0-9])?$/;

function readFlags(args: readonly string[], io: CommandIo): Flags | ExitCode {
  const wrong = (message: string): ExitCode => {
    io.stderr(`aliasguard controller: ${message}\n\n${controllerUsage}`);
    return 2;
  };
  try {
    const { values } = parseArgs({ args: [...args], options });
    if (values.help) {
      io.stdout(controllerUsage);
      return 0;
    }
    const { configmap, namespace, kubeconfig, admin } = values;
    if (configmap === undefined) return wrong("--configmap is required");
    const lease = values.lease ?? `${configmap}-controller`;
    const logLevel = values["log-level"] ?? io.env["ALIASGUARD_LOG_LEVEL"] ?? "info";
    const shown = JSON.stringify;
    for (const [flag, name] of Object.entries({ configmap, namespace, lease })) {
      if (name !== undefined && !objectName.test(name)) {
        return wrong(`--${flag} must be an object's name: current value is ${shown(name)}`);
      }
    }
    if (!levels.includes(logLevel)) {
      return wrong(
        `--log-level must be one of ${levels.join(", ")}: current value is ${shown(logLevel)}`,
      );
    }
    if (!/^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$/.test(admin)) {
      return wrong(`--admin must be host:port: current value is ${shown(admin)}`);
    }
    return { configMap: configmap, namespace, lease, kubeconfig, admin, logLevel };
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error));
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

type Options = Flags & { readonly namespace: string };
type Deps = { readonly client: KubeClient; readonly logger: Logger };

function createController(settings: Options, { client, logger }: Deps) {
  const { namespace, configMap } = settings;
  const monotonicMs = (): number => performance.now();
  const time = { nowMs: monotonicMs, random: Math.random, delay: kubeDelay };
  const state = {
    revision: undefined as string | undefined,
    lastError: undefined as string | undefined,
  };

  const reflectors = new Map<ResourceKind, Reflector<PolicyObject>>();
  for (const [kind, plural] of Object.entries(plurals) as [ResourceKind, string][]) {
    const path = `/apis/${policyApiVersion}/namespaces/${namespace}/${plural}`;
    const reflector = createReflector<PolicyObject>({
      ...time,
      transport: client.collection<PolicyObject>(path),
      onChange: request,
      onProblem: (problem) => {
        metrics.watchFailed(kind);
        logger.warn({ kind, problem }, "API server");
      },
    });
    reflectors.set(kind, reflector);
  }
  const areSynced = (): boolean => [...reflectors.values()].every((each) => each.synced());

  const writers = createKubeWriters(client, { namespace, plurals, logger });
  const api: ConfigMapApi = writers.configMaps;
  const election = createLeaderElection({
    ...time,
    client,
    namespace,
    name: settings.lease,
    identity: `${hostname()}_${randomBytes(4).toString("hex")}`,
    wallMs: Date.now,
    onElected: () => {
      logger.info("leading");
      reconciler.leadershipChanged();
    },
    onLost: () => {
      logger.warn("no longer leading");
      reconciler.leadershipChanged();
    },
    onProblem: (problem) => logger.warn({ problem }, "leader election"),
  });
  const reconciler = createReconciler({
    objects: () => (areSynced() ? allObjects(reflectors) : undefined),
    readSecrets: createSecretReader({ read: writers.readSecret, nowMs: monotonicMs }),
    writer: createConfigMapWriter({ api, namespace, name: configMap }),
    writeStatus: writers.writeStatus,
    announce: writers.announce,
    isLeader: () => election.leads(),
    nowMs: Date.now,
    delay: (ms, signal) => kubeDelay(ms, signal).catch(() => undefined),
    observe: (observation) => observe(observation, { logger, metrics, state }),
  });
  const metrics = createControllerMetrics({
    leads: () => election.leads(),
    isQueued: () => reconciler.isQueued(),
    objects: () =>
      Object.fromEntries([...reflectors].map(([kind, each]) => [kind, each.items().size])),
  });
  const admin = createAdminServer({
    readiness: () => ({
      ready: areSynced(),
      revision: state.revision,
      policyAgeSeconds: undefined,
      sourceHealthy: areSynced() && state.lastError === undefined,
      lastError: state.lastError,
    }),
    metricsText: metrics.text,
    metricsContentType: metrics.contentType,
    reportError: (error) => logger.error({ err: error }, "admin server"),
  });
  let secretsTimer: NodeJS.Timeout | undefined;

  function request(): void {
    metrics.added();
    reconciler.request();
  }

  return {
    async start(): Promise<void> {
      const address = await admin.listen(settings.admin);
      for (const reflector of reflectors.values()) reflector.start();
      election.start();
      // Secrets are not watched: whoever changed one is heard of when it is read again.
      secretsTimer = setInterval(() => reconciler.request(), secretAgeMsMax);
      secretsTimer.unref();
      logger.info({ admin: address, namespace, configMap, lease: settings.lease }, "ready");
    },
    async stop(): Promise<void> {
      clearInterval(secretsTimer);
      await reconciler.stop();
      await election.stop();
      await Promise.all([...reflectors.values()].map((each) => each.stop()));
      await admin.stop();
    },
  };
}

/** Lists leave apiVersion and kind out of their items. */
function allObjects(
  reflectors: ReadonlyMap<ResourceKind, Reflector<PolicyObject>>,
): readonly PolicyObject[] {
  const objects: PolicyObject[] = [];
  for (const [kind, reflector] of reflectors) {
    for (const object of reflector.items().values()) {
      objects.push({ ...object, apiVersion: policyApiVersion, kind });
    }
  }
  return objects;
}

type Observed = {
  readonly logger: Logger;
  readonly metrics: ControllerMetrics;
  readonly state: { revision: string | undefined; lastError: string | undefined };
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
