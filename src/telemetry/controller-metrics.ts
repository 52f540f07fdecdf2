// The controller's metrics, under the names that dashboards for controllers expect (workqueue_*, controller_runtime_*).

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** Every metric of the controller; docs/reference/metrics.md prints the list. */
export const controllerMetricRows = [
  ["controller_runtime_reconcile_total", "Runs of the one job, by result."],
  ["controller_runtime_reconcile_errors_total", "Runs that failed."],
  ["controller_runtime_reconcile_time_seconds", "Seconds of a run, statuses included."],
  ["workqueue_adds_total", "Changes that asked for a run."],
  ["workqueue_depth", "1 while a run is asked for and has not begun, else 0."],
  ["workqueue_retries_total", "Runs because one before has failed."],
  ["leader_election_master_status", "1 while this process leads, else 0."],
  [
    "aliasguard_controller_config_maps_written_total",
    "ConfigMaps of the policy that were written.",
  ],
  ["aliasguard_controller_statuses_written_total", "Statuses of objects that were written."],
  ["aliasguard_controller_objects", "Objects that are watched, by kind."],
  [
    "aliasguard_controller_objects_not_ready",
    "Objects whose condition Ready is not True, by kind and reason.",
  ],
  [
    "aliasguard_controller_definitions_missing",
    "1 for each custom resource definition that is not installed.",
  ],
  [
    "aliasguard_controller_policy_confirmed_timestamp_seconds",
    "When this process last found or made the policy in the cluster to be what the objects say; 0: never. Of the leader only.",
  ],
  ["aliasguard_controller_watch_failures_total", "Failures of lists and watches, by kind."],
] as const;

type Name = (typeof controllerMetricRows)[number][0];

export type ControllerMetricsDeps = {
  readonly leads: () => boolean;
  readonly isQueued: () => boolean;
  readonly objects: () => Readonly<Record<string, number>>;
  readonly notReady: () => readonly (readonly [kind: string, reason: string, count: number])[];
  /** Names of definitions. */
  readonly missingDefinitions: () => readonly string[];
  /** Milliseconds since the epoch; undefined: never. */
  readonly confirmedAtMs: () => number | undefined;
};

export type ControllerMetrics = {
  added(): void;
  retried(): void;
  ran(result: "success" | "error", seconds: number): void;
  configMapsWritten(count: number): void;
  statusesWritten(count: number): void;
  watchFailed(kind: string): void;
  text(): Promise<string>;
  readonly contentType: string;
};

/** The label that tells controllers apart in dashboards. */
const controller = "policy";

export function createControllerMetrics(deps: ControllerMetricsDeps): ControllerMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const named = (name: Name) => ({
    name,
    help: controllerMetricRows.find(([each]) => each === name)?.[1] ?? name,
    registers: [registry],
  });
  const runs = new Counter({
    ...named("controller_runtime_reconcile_total"),
    labelNames: ["controller", "result"],
  });
  const errors = new Counter({
    ...named("controller_runtime_reconcile_errors_total"),
    labelNames: ["controller"],
  });
  const time = new Histogram({
    ...named("controller_runtime_reconcile_time_seconds"),
    labelNames: ["controller"],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  });
  const adds = new Counter({ ...named("workqueue_adds_total"), labelNames: ["name"] });
  const retries = new Counter({ ...named("workqueue_retries_total"), labelNames: ["name"] });
  const maps = new Counter(named("aliasguard_controller_config_maps_written_total"));
  const statuses = new Counter(named("aliasguard_controller_statuses_written_total"));
  const failures = new Counter({
    ...named("aliasguard_controller_watch_failures_total"),
    labelNames: ["kind"],
  });
  const gauge = (name: Name, label: string, read: () => Readonly<Record<string, number>>): void => {
    new Gauge({
      ...named(name),
      labelNames: [label],
      collect() {
        for (const [value, number] of Object.entries(read())) this.set({ [label]: value }, number);
      },
    });
  };
  gauge("workqueue_depth", "name", () => ({ [controller]: deps.isQueued() ? 1 : 0 }));
  gauge("leader_election_master_status", "name", () => ({ [controller]: deps.leads() ? 1 : 0 }));
  gauge("aliasguard_controller_objects", "kind", deps.objects);
  new Gauge({
    ...named("aliasguard_controller_objects_not_ready"),
    labelNames: ["kind", "reason"],
    collect() {
      this.reset();
      for (const [kind, reason, count] of deps.notReady()) this.set({ kind, reason }, count);
    },
  });
  new Gauge({
    ...named("aliasguard_controller_definitions_missing"),
    labelNames: ["definition"],
    collect() {
      this.reset();
      for (const definition of deps.missingDefinitions()) this.set({ definition }, 1);
    },
  });
  new Gauge({
    ...named("aliasguard_controller_policy_confirmed_timestamp_seconds"),
    collect() {
      this.set((deps.confirmedAtMs() ?? 0) / 1000);
    },
  });
  return {
    added: () => adds.inc({ name: controller }),
    retried: () => retries.inc({ name: controller }),
    ran(result, seconds) {
      runs.inc({ controller, result });
      if (result === "error") errors.inc({ controller });
      time.observe({ controller }, seconds);
    },
    configMapsWritten: (count) => maps.inc(count),
    statusesWritten: (count) => statuses.inc(count),
    watchFailed: (kind) => failures.inc({ kind }),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
