// One sample for each setting: a good value and what comes of it, and values that are refused.

import { bodyBytesMaxLimit, type Settings, type settingRows } from "../../src/settings/settings.ts";

type Row = (typeof settingRows)[number]["flag"];
export type Sample = {
  readonly text: string;
  readonly read: (settings: Settings) => unknown;
  readonly value: unknown;
  readonly bad: readonly string[];
  /** Flags without which it is an issue. */
  readonly beside?: readonly string[];
};

const ports = [
  "127.0.0.1",
  "127.0.0.1:",
  ":1",
  "h:65536",
  "h:99999",
  "h:-1",
  "h:1x",
  "::1:1",
  "a b:1",
];
const numbers = ["", "-1", "x", "1e3", "0x10", "1.5", " 1", "Infinity", "NaN", "9".repeat(20)];
const yes = ["", "yes", "1", "TRUE", "true,true"];

export const samples: Readonly<Record<Row, Sample>> = {
  policy: { text: "/p/q", read: ({ policy }) => policy, value: "/p/q", bad: [""] },
  "policy-configmap": {
    text: "prod/llm-policy",
    read: ({ policyConfigMap }) => policyConfigMap,
    value: { namespace: "prod", name: "llm-policy" },
    bad: ["x", "/x", "x/", "a/b/c", "A/b", "a/B", "a b/c", `a/${"b".repeat(254)}`],
  },
  catalogue: {
    text: "closed",
    read: ({ catalogue }) => catalogue,
    value: "closed",
    bad: ["", "shut", "Closed", "open,closed"],
  },
  listen: {
    text: "[::1]:0, unix:/run/a.sock",
    read: ({ listen }) => listen,
    value: ["[::1]:0", "unix:/run/a.sock"],
    bad: [...ports, "", "h:1,", "unix:relative", "unix:", "http://h:1", "unix:/a\0b"],
  },
  admin: {
    text: "localhost:65535",
    read: ({ admin }) => admin,
    value: "localhost:65535",
    bad: [...ports, "", "unix:/run/a.sock", "h:1,h:2"],
  },
  "log-level": {
    text: "silent",
    read: ({ logLevel }) => logLevel,
    value: "silent",
    bad: ["", "trace", "INFO", "constructor"],
  },
  "log-allow-sample": {
    text: "0.25",
    read: ({ logAllowSample }) => logAllowSample,
    value: 0.25,
    bad: ["", "1.1", "-0.1", "50%", ".5", "1."],
  },
  "model-headers": {
    text: "x-model, x-ai-eg-model",
    read: ({ decision }) => decision.modelHeaders,
    value: ["x-model", "x-ai-eg-model"],
    bad: [
      ...[
        "",
        "X-Model",
        ":path",
        ":authority",
        "x_model",
        "x model",
        "x-model,",
        "x-model,x-model",
      ],
      ...["authorization", "x-api-key", "api-key", "x-goog-api-key", "x-litellm-api-key", "cookie"],
      ...[
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "proxy-model",
      ],
      ...["host", "content-type", "content-length", "content-encoding", "content-model", "expect"],
      ...["x-aliasguard-key", "x-aliasguard-model", "x-envoy-model", "x-forwarded-for"],
      ...["x-http-method-override", "x-request-id", "traceparent", `x-${"a".repeat(63)}`],
    ],
  },
  "body-bytes-max": {
    text: "1",
    read: ({ decision }) => decision.bodyBytesMax,
    value: 1,
    bad: [...numbers, "0", String(bodyBytesMaxLimit + 1), "4294967296"],
  },
  "accept-text-body": {
    text: "true",
    read: ({ decision }) => decision.acceptTextBody,
    value: true,
    bad: yes,
  },
  "body-edits": {
    text: "header-only",
    read: ({ decision }) => decision.bodyEdits,
    value: "header-only",
    bad: ["", "none", "Splice"],
  },
  "keep-credentials": {
    text: "true",
    read: ({ decision }) => decision.keepCredentials,
    value: true,
    bad: yes,
  },
  "key-carriers": {
    text: "x-litellm-api-key, key",
    read: ({ decision }) => decision.keyCarriers,
    value: ["x-litellm-api-key", "key"],
    bad: ["", "Authorization", "cookie", "x-api-key,", "authorization,bearer", "constructor"],
  },
  "forward-headers": {
    text: "x-tenant,x-acme-*, openai-organization,x-litellm-tags",
    read: ({ decision }) => decision.forwardHeaders,
    value: ["x-tenant", "x-acme-*", "openai-organization", "x-litellm-tags"],
    bad: [
      ...[
        "X-Tenant",
        "x tenant",
        "*",
        "x-*",
        "-*",
        "x-tenant,",
        ":path",
        "x-acme*",
        "x-*-id",
        "a_*",
      ],
      // What carries the key, the model or our own word, and what begins so or begins such a family.
      ...["authorization", "x-api-key", "api-key", "x-litellm-*", "x-litellm-api-*", "x-goog-*"],
      ...["x-model", "model", "x-ai-eg-model", "x-ai-*", "x-gateway-*", "x-gateway-inference-pool"],
      ...["x-goog-request-params", "x-codex-turn-metadata", "x-codex-*", "x-envoy-*", "x-model-*"],
      ...["x-aliasguard-key", "x-aliasguard-*", "x-aliasguard-other", "x-http-method-override"],
      ...["content_type", "x_model", "authorization_"],
    ],
  },
  "upstream-credentials": {
    text: "/run/credentials",
    read: ({ upstreamCredentials }) => upstreamCredentials,
    value: "/run/credentials",
    bad: [],
  },
  "path-prefixes": {
    text: ",/llm/v1,/openai/v1=/v1,/bare=",
    read: ({ decision }) => decision.pathPrefixes,
    value: ["", "/llm/v1", "/openai/v1=/v1", "/bare="],
    bad: [
      ...["v1", "/", "/v1/", "//v1", "/v1?x", "/v%31", "/v1/*", "/v1#", "/v 1", "/../v1", "/./v1"],
      ...["/v1/..", "/aliasguard-rewrite-pending", "/aliasguard-rewrite-pending/v1"],
      ...[
        "/v1=v1",
        "/v1=/",
        "/v1=/../v1",
        "/v1=/a=/b",
        "/v1=/v1/",
        "/v1=/aliasguard-rewrite-pending",
      ],
      ...["/a=/v1,/a=/v2", "/v1,/v1=/v2", ",=/v1"],
    ],
  },
  "model-routes": {
    text: "POST /tokenize, POST /v1/score openai,POST /pooling anthropic",
    read: ({ decision }) => decision.modelRoutes,
    value: ["POST /tokenize", "POST /v1/score openai", "POST /pooling anthropic"],
    bad: [
      ...[
        "/tokenize",
        "POST",
        "post /tokenize",
        "GET /tokenize",
        "POST tokenize",
        "POST /tokenize/",
      ],
      ...[
        "POST //tokenize",
        "POST /../x",
        "POST /x?y=1",
        "POST /{id}",
        "POST /x vllm",
        "POST /x openai y",
      ],
      ...[
        "POST /v1/chat/completions",
        "POST /openai/v1/embeddings",
        "POST /api/chat",
        "POST /x,POST /x",
      ],
      ...["POST /x,POST /x anthropic", "POST /v1beta/models/a:generateContent", "POST /x,"],
      ...[
        "POST /openai/deployments/a/embeddings",
        "POST /aliasguard-rewrite-pending/x",
        "POST /x  openai",
      ],
    ],
  },
  realtime: {
    text: "true",
    read: ({ decision }) => decision.realtime,
    value: true,
    bad: yes,
  },
  "unchecked-routes": {
    text: "GET /v1/files,DELETE /v1/responses/{id}",
    read: ({ decision }) => decision.uncheckedRoutes,
    value: ["GET /v1/files", "DELETE /v1/responses/{id}"],
    bad: [
      ...["/v1/files", "GET", "get /v1/files", "GET v1/files", "GET /v1/files/", "GET /v1//files"],
      ...["GET /v1/../files", "GET /v1/{}", "GET /v1/{id", "GET /v1/f%69les", "GET /v1/files?x=1"],
      ...["POST /v1/chat/completions", "GET /v1/models", "GET /v1/models/{id}", "CONNECT /v1/x"],
      ...["POST /v1/*", "GET /aliasguard-rewrite-pending/v1", "GET  /v1/files"],
    ],
  },
  "query-parameters": {
    text: "trace,debug",
    read: ({ decision }) => [...decision.queryParameters],
    value: ["trace", "debug"],
    bad: ["model", "Model", "trace,model", "mod%65l", "%6D%6f%64%65%6c", "a b", "a=b", "a&b", "a,"],
  },
  "body-fields": {
    text: "extra_body,metadata.langfuse_*,aws_*,x_new,metadata.tags,langfuse_host",
    read: ({ decision }) => [...decision.bodyFields],
    value: [
      "extra_body",
      "metadata.langfuse_*",
      "aws_*",
      "x_new",
      "metadata.tags",
      "langfuse_host",
    ],
    bad: ["model", "Mo_del", "a b", "x*", "*", "extra_body,", "tools[].type=mcp", "x".repeat(82)],
  },
  "refused-fields": {
    text: "container,tools[].type=mcp,mcp_servers",
    read: ({ decision }) => [...decision.refusedFields],
    value: ["container", "tools[].type=mcp", "mcp_servers"],
    bad: ["model", "MODEL", "a b", "x*", "tools[].model", "tools[].type=", "container,"],
  },
  "response-model": {
    text: "requested",
    read: ({ responseModel }) => responseModel,
    value: "requested",
    bad: ["", "Count", "true", "rewrite", "count,requested", "constructor"],
  },
  "in-flight-bytes-max": {
    text: "1",
    read: ({ inFlightBytesMax }) => inFlightBytesMax,
    value: 1,
    bad: [...numbers, "0"],
  },
  "waiting-checks-max": {
    text: "0",
    read: ({ waitingChecksMax }) => waitingChecksMax,
    value: 0,
    bad: [...numbers, "1000001"],
  },
  "concurrent-streams-max": {
    text: "900",
    read: ({ concurrentStreamsMax }) => concurrentStreamsMax,
    value: 900,
    bad: [...numbers, "0", "100001"],
  },
  "socket-mode": {
    text: "0600",
    read: ({ socketMode }) => socketMode,
    value: 0o600,
    bad: ["", "8", "888", "66", "1666", "rw", "0o666"],
  },
  "drain-delay-ms": {
    text: "0",
    read: ({ drainDelayMs }) => drainDelayMs,
    value: 0,
    bad: [...numbers, "3600001"],
  },
  "tls-cert": {
    text: "/c.pem",
    read: ({ tls }) => tls?.cert,
    value: "/c.pem",
    bad: [],
    beside: ["--tls-key=k"],
  },
  "tls-key": {
    text: "/k.pem",
    read: ({ tls }) => tls?.key,
    value: "/k.pem",
    bad: [],
    beside: ["--tls-cert=c"],
  },
  "tls-client-ca": {
    text: "/ca.pem",
    read: ({ tls }) => tls?.clientCa,
    value: "/ca.pem",
    bad: [],
    beside: ["--tls-cert=c", "--tls-key=k"],
  },
  "tls-client-names": {
    text: "spiffe://cluster.local/ns/edge/sa/envoy, envoy.edge.svc",
    read: ({ tls }) => tls?.clientNames,
    value: ["spiffe://cluster.local/ns/edge/sa/envoy", "envoy.edge.svc"],
    bad: ["a,", "a b", "*.example", 'a"b', "\u00e9", "x".repeat(2049)],
    beside: ["--tls-cert=c", "--tls-key=k", "--tls-client-ca=a"],
  },
  "tls-min-version": {
    text: "1.3",
    read: ({ tls }) => tls?.minVersion,
    value: "1.3",
    bad: ["", "1.1", "TLSv1.3", "1", "1.4", "constructor"],
    beside: ["--tls-cert=c", "--tls-key=k"],
  },
};
