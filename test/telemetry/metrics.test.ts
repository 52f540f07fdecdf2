// Tests of the metrics: each is there under its name, and no caller can make them grow.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Histogram, type Metric, Registry } from "prom-client";
import { createDecider } from "../../src/core/decide.ts";
import { defaultDecisionSettings } from "../../src/core/decision-settings.ts";
import { denials } from "../../src/core/denials.ts";
import { createBucketCounts } from "../../src/telemetry/counts.ts";
import { createMetrics, type Metrics, metricRows } from "../../src/telemetry/metrics.ts";
import { allowed, answered, denied, observationOf, otherServed } from "./observations.ts";

function metricsOf(healthy = true): Metrics {
  const counts = { aliases: 1, teams: 2, keys: 3, groups: 4, models: 5 };
  return createMetrics({
    inFlight: () => ({ active: 6, waiting: 7 }),
    droppedLogLines: () => 8,
    policy: () => ({ healthy, loadedAtMs: healthy ? 1_700_000_000_500 : undefined, counts }),
    certificateExpiresAtMs: () => 1_800_000_000_500,
  });
}

/** The samples of one metric: labels, then the value. */
async function samples(metrics: Metrics, name: string): Promise<readonly string[]> {
  const lines = (await metrics.text()).split("\n");
  return lines
    .filter((line) => new RegExp(`^${name}[ {]`).test(line))
    .map((line) => line.slice(name.length).trim())
    .sort();
}

test("createMetrics shows every metric of docs/reference with its meaning", async () => {
  const metrics = metricsOf();
  const text = await metrics.text();
  for (const [name, help] of metricRows) {
    assert.ok(text.includes(`# HELP ${name} ${help}\n# TYPE ${name} `), name);
  }
  assert.match(metrics.contentType, /^text\/plain/);
});

test("createMetrics counts decisions, loads and calls, and reads the gauges when asked", async () => {
  const metrics = metricsOf();
  const droppedHeaders = [
    { name: "x-a-caller-chose", kind: "unknown", row: undefined },
    { name: "cookie", kind: "credential", row: "credentials" },
    { name: "x-b", kind: "unknown", row: undefined },
  ] as const;
  for (const decision of [{ ...allowed, droppedHeaders }, allowed, answered, denied, denied]) {
    metrics.observe(observationOf(decision, { durationUs: 200, bodyBytes: 2000 }));
  }
  for (const served of ["authorized", "authorized", "other"] as const) {
    metrics.observeResponse({ ...otherServed, served });
  }
  metrics.policyLoaded("replaced");
  metrics.policyLoaded("rejected");
  metrics.tlsLoaded("replaced");
  metrics.tlsLoaded("rejected");
  metrics.tlsRefused("untrusted");
  metrics.callEnded("/envoy.service.auth.v3.Authorization/Check", "OK");
  metrics.callEnded("/a.caller/chose", "Unimplemented");
  const expected = new Map([
    [
      "aliasguard_checks_total",
      [
        '{decision="allow",reason="",operation="chat.completions"} 2',
        '{decision="answer",reason="",operation="models.list"} 1',
        '{decision="deny",reason="model_not_granted",operation="chat.completions"} 2',
      ],
    ],
    [
      "aliasguard_request_headers_dropped_total",
      ['{kind="credential"} 1', '{kind="routing"} 0', '{kind="unknown"} 2'],
    ],
    ["aliasguard_check_duration_seconds_count", ["5"]],
    ["aliasguard_check_body_bytes_sum", ["10000"]],
    ["aliasguard_tls_loads_total", ['{result="rejected"} 1', '{result="replaced"} 1']],
    ["aliasguard_tls_refused_total", ['{reason="untrusted"} 1']],
    ["aliasguard_tls_certificate_expiry_timestamp_seconds", ["1800000000.5"]],
    ["aliasguard_checks_in_flight", ["6"]],
    ["aliasguard_checks_waiting", ["7"]],
    ["aliasguard_log_lines_dropped_total", ["8"]],
    [
      "aliasguard_responses_total",
      ['{served="authorized"} 2', '{served="other"} 1', '{served="unknown"} 0'],
    ],
    ["aliasguard_policy_loads_total", ['{result="rejected"} 1', '{result="replaced"} 1']],
    ["aliasguard_policy_last_load_successful", ["1"]],
    ["aliasguard_policy_loaded_timestamp_seconds", ["1700000000.5"]],
    [
      "aliasguard_policy_objects",
      [
        ...['{kind="aliases"} 1', '{kind="groups"} 4', '{kind="keys"} 3'],
        ...['{kind="models"} 5', '{kind="teams"} 2'],
      ],
    ],
    [
      "grpc_server_handled_total",
      [
        '{grpc_service="envoy.service.auth.v3.Authorization",grpc_method="Check",grpc_code="OK"} 1',
        '{grpc_service="unknown",grpc_method="unknown",grpc_code="Unimplemented"} 1',
      ],
    ],
  ]);
  for (const [name, wanted] of expected) assert.deepEqual(await samples(metrics, name), wanted);
});

test("createMetrics says that no policy is loaded, and does not count bodies that were none", async () => {
  const metrics = metricsOf(false);
  metrics.observe(observationOf(answered, { bodyBytes: 0 }));
  assert.deepEqual(await samples(metrics, "aliasguard_policy_last_load_successful"), ["0"]);
  assert.deepEqual(await samples(metrics, "aliasguard_policy_loaded_timestamp_seconds"), ["0"]);
  assert.deepEqual(await samples(metrics, "aliasguard_check_body_bytes_count"), ["0"]);
});

const hostile = ["__proto__", "constructor", "", "\u202e", '"} 1\n', "x".repeat(10_000)];

test("createMetrics has no label that 1,000 hostile requests could choose", async () => {
  const metrics = metricsOf();
  const { decide } = createDecider(defaultDecisionSettings);
  const paths = ["/v1/chat/completions", "/v1/models", "/", "/v1/messages"];
  for (let number = 0; number < 1000; number += 1) {
    const name = `${hostile[number % hostile.length] ?? ""}${number}`;
    const method = ["POST", "GET", name][number % 3] ?? "";
    const path = number % 2 === 0 ? `/${name}` : `${paths[number % paths.length] ?? ""}?${name}`;
    const bytes = Buffer.from(JSON.stringify({ model: name, [name]: name }));
    const body = { kind: "bytes", bytes, declaredBytes: undefined } as const;
    const headers = new Map([[name, name]]);
    const decision = decide(undefined, { method, path, headers, body }, { nowMs: 0, draw: 0 });
    metrics.observe(observationOf(decision, { headers }));
    metrics.callEnded(`/${name}/${name}`, "Unimplemented");
  }
  const labels = await samples(metrics, "aliasguard_checks_total");
  assert.ok(labels.length > 2 && labels.length < 60, String(labels.length));
  const reasons: ReadonlySet<string> = new Set(["", ...Object.keys(denials)]);
  const shape =
    /^\{decision="(?:allow|answer|deny)",reason="([a-z_]*)",operation="[a-z._]*"\} \d+$/;
  const unknown = labels.filter((label) => !reasons.has(shape.exec(label)?.[1] ?? "not matched"));
  assert.deepEqual(unknown, []);
  assert.deepEqual(await samples(metrics, "grpc_server_handled_total"), [
    '{grpc_service="unknown",grpc_method="unknown",grpc_code="Unimplemented"} 1000',
  ]);
});

test("createBucketCounts says of each value what prom-client's histogram says", async () => {
  const bounds = [0.5, 1, 2.5, 100];
  const named = { name: "example", help: "An example." };
  const ours = createBucketCounts(named, bounds);
  const theirs = new Histogram({ ...named, buckets: [...bounds], registers: [] });
  for (const value of [0, 0.5, 0.500_001, 1, 2, 2.5, 99, 100, 101, 1e9]) {
    ours.observe(value);
    theirs.observe(value);
    assert.equal(await textOf(ours.metric), await textOf(theirs));
  }
});

function textOf(metric: Metric): Promise<string> {
  const registry = new Registry();
  registry.registerMetric(metric);
  return registry.metrics();
}

test("createMetrics gives the same counts however often they are asked for", async () => {
  const metrics = metricsOf();
  metrics.observe(observationOf(denied));
  metrics.callEnded("/envoy.service.auth.v3.Authorization/Check", "OK");
  const withoutProcess = async () =>
    (await metrics.text()).split("\n").filter((line) => /^(?:aliasguard|grpc)_/.test(line));
  assert.deepEqual(await withoutProcess(), await withoutProcess());
});
