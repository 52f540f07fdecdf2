// The metrics of one process. Labels come from closed lists only, so that callers cannot grow them.

import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Decision } from "../core/decision.ts";
import { droppedHeaderKinds } from "../core/http/header-rules.ts";
import type { CheckObservation, ResponseObservation, Served } from "../core/observation.ts";
import { createBucketCounts, createPairCounts } from "./counts.ts";

/** Every metric of ours; docs/reference/metrics.md prints the list. */
export const metricRows = [
  ["aliasguard_checks_total", "Checks by decision, deny reason and operation."],
  [
    "aliasguard_check_duration_seconds",
    "Seconds from the bytes of a check to the bytes of its answer.",
  ],
  ["aliasguard_check_body_bytes", "Bytes of the request bodies that were checked."],
  [
    "aliasguard_request_headers_dropped_total",
    "Request headers that did not reach the backend, by kind: credential, routing or unknown.",
  ],
  ["aliasguard_checks_in_flight", "Checks whose messages are held."],
  ["aliasguard_checks_waiting", "Checks that wait for their turn."],
  [
    "aliasguard_responses_total",
    "Responses that were read, by served: the authorized model, other, or unknown.",
  ],
  ["aliasguard_policy_loads_total", "Attempts to load a policy, by result."],
  [
    "aliasguard_policy_last_load_successful",
    "1 when the last attempt to load a policy succeeded, else 0.",
  ],
  ["aliasguard_policy_loaded_timestamp_seconds", "When the policy in force was put in place."],
  [
    "aliasguard_policy_confirmed_timestamp_seconds",
    "When a controller last said that the policy in force is what its objects say; 0: never, or the policy comes from files.",
  ],
  ["aliasguard_policy_objects", "Objects of the policy in force, by kind."],
  ["aliasguard_tls_loads_total", "Attempts to load a TLS certificate and key, by result."],
  [
    "aliasguard_tls_certificate_expiry_timestamp_seconds",
    "When the certificate in force ends; 0 without TLS.",
  ],
  ["aliasguard_tls_refused_total", "TLS connections that came to nothing, by reason."],
  ["grpc_server_handled_total", "RPCs by service, method and gRPC code."],
  [
    "aliasguard_log_lines_dropped_total",
    "Log lines that standard output did not take: it was full, or nobody read it.",
  ],
] as const;

export type MetricName = (typeof metricRows)[number][0];

export type MetricsDeps = {
  readonly inFlight: () => { readonly active: number; readonly waiting: number };
  readonly policy: () => {
    readonly healthy: boolean;
    readonly loadedAtMs: number | undefined;
    readonly confirmedAtMs?: number | undefined;
    readonly counts: Readonly<Record<string, number>>;
  };
  /** undefined: no TLS. */
  readonly certificateExpiresAtMs: () => number | undefined;
  readonly droppedLogLines: () => number;
};

export type Metrics = {
  observe(observation: CheckObservation): void;
  observeResponse(observation: ResponseObservation): void;
  /** `path` is /package.Service/Method. Unknown ones count as one. */
  callEnded(path: string, code: string): void;
  /** `recovered`: after `rejected`, the policy in force is what the files say once more. */
  policyLoaded(result: "replaced" | "rejected" | "recovered"): void;
  tlsLoaded(result: "replaced" | "rejected" | "recovered"): void;
  tlsRefused(reason: string): void;
  /** Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
};

const everyServed: readonly Served[] = ["authorized", "other", "unknown"];

/** What is counted as itself; any other outcome is the reason of a refusal. */
const decisionKinds: ReadonlySet<string> = new Set<Decision["kind"]>(["allow", "answer", "pass"]);

/** Seconds. */
const durationBounds = [
  ...[0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5],
];

const bodyBounds = [1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216];

const knownPaths = new Set([
  "/envoy.service.auth.v3.Authorization/Check",
  "/envoy.service.ext_proc.v3.ExternalProcessor/Process",
  "/grpc.health.v1.Health/Check",
  "/grpc.health.v1.Health/Watch",
  "/grpc.health.v1.Health/List",
]);

export function createMetrics({
  inFlight,
  policy,
  certificateExpiresAtMs,
  droppedLogLines,
}: MetricsDeps): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const named = <Name extends MetricName>(name: Name) => ({
    name,
    help: metricRows.find(([each]) => each === name)?.[1] ?? name,
    registers: [registry],
  });
  const checks = createPairCounts();
  new Counter({
    ...named("aliasguard_checks_total"),
    labelNames: ["decision", "reason", "operation"],
    collect() {
      this.reset();
      checks.each((outcome, operation, count) => {
        const isReason = !decisionKinds.has(outcome);
        const decision = isReason ? "deny" : outcome;
        this.inc({ decision, reason: isReason ? outcome : "", operation }, count);
      });
    },
  });
  const buckets = <Name extends MetricName>(name: Name, bounds: readonly number[]) => {
    const counts = createBucketCounts(named(name), bounds);
    registry.registerMetric(counts.metric);
    return counts;
  };
  const duration = buckets("aliasguard_check_duration_seconds", durationBounds);
  const bodies = buckets("aliasguard_check_body_bytes", bodyBounds);
  const dropped = new Counter({
    ...named("aliasguard_request_headers_dropped_total"),
    labelNames: ["kind"],
  });
  for (const kind of droppedHeaderKinds) dropped.inc({ kind }, 0);
  const responses = new Counter({ ...named("aliasguard_responses_total"), labelNames: ["served"] });
  // An alert on the first response of another model needs the zero before it.
  for (const served of everyServed) responses.inc({ served }, 0);
  const loads = new Counter({ ...named("aliasguard_policy_loads_total"), labelNames: ["result"] });
  const tlsLoads = new Counter({ ...named("aliasguard_tls_loads_total"), labelNames: ["result"] });
  const refused = new Counter({ ...named("aliasguard_tls_refused_total"), labelNames: ["reason"] });
  const handled = createPairCounts();
  new Counter({
    ...named("grpc_server_handled_total"),
    labelNames: ["grpc_service", "grpc_method", "grpc_code"],
    collect() {
      this.reset();
      handled.each((path, grpc_code, count) => {
        const [, grpc_service = "", grpc_method = ""] = path.split("/");
        this.inc({ grpc_service, grpc_method, grpc_code }, count);
      });
    },
  });
  new Counter({
    ...named("aliasguard_log_lines_dropped_total"),
    collect() {
      this.reset();
      this.inc(droppedLogLines());
    },
  });
  const gauge = (name: MetricName, read: () => number): void => {
    new Gauge({
      ...named(name),
      collect() {
        this.set(read());
      },
    });
  };
  gauge("aliasguard_checks_in_flight", () => inFlight().active);
  gauge("aliasguard_checks_waiting", () => inFlight().waiting);
  gauge("aliasguard_policy_last_load_successful", () => (policy().healthy ? 1 : 0));
  gauge("aliasguard_policy_loaded_timestamp_seconds", () => (policy().loadedAtMs ?? 0) / 1000);
  gauge(
    "aliasguard_policy_confirmed_timestamp_seconds",
    () => (policy().confirmedAtMs ?? 0) / 1000,
  );
  const expiry = (): number => (certificateExpiresAtMs() ?? 0) / 1000;
  gauge("aliasguard_tls_certificate_expiry_timestamp_seconds", expiry);
  new Gauge({
    ...named("aliasguard_policy_objects"),
    labelNames: ["kind"],
    collect() {
      for (const [kind, count] of Object.entries(policy().counts)) this.set({ kind }, count);
    },
  });
  return {
    observe({ decision, durationUs, bodyBytes }) {
      const outcome = decision.kind === "deny" ? decision.reason : decision.kind;
      checks.add(outcome, decision.operation ?? "");
      duration.observe(durationUs / 1e6);
      if (bodyBytes > 0) bodies.observe(bodyBytes);
      if (decision.kind !== "allow" && decision.kind !== "pass") return;
      for (const { kind } of decision.droppedHeaders ?? []) dropped.inc({ kind });
    },
    observeResponse({ served }) {
      responses.inc({ served });
    },
    callEnded(path, code) {
      handled.add(knownPaths.has(path) ? path : "/unknown/unknown", code);
    },
    policyLoaded(result) {
      loads.inc({ result });
    },
    tlsLoaded(result) {
      tlsLoads.inc({ result });
    },
    tlsRefused(reason) {
      refused.inc({ reason });
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
