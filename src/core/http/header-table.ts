// Every request header that is known: which go to a backend, which never do, and why. What stands in no row is removed:
// a list of dangerous names would lose with every release of a backend. docs/reference prints the rows.

/** Headers that make a backend read the request as one of another method. */
export const methodOverrideHeaders = [
  "x-http-method-override",
  "x-http-method",
  "x-method-override",
] as const;

/** Who asked, for the backend and its logs: overwritten or removed on every allow. */
export const identityHeaders = {
  key: "x-aliasguard-key",
  team: "x-aliasguard-team",
  requestedModel: "x-aliasguard-requested-model",
  /** On an unchecked route: its method and path as the setting has them. */
  unchecked: "x-aliasguard-unchecked",
} as const;

/** What is done with a header of a row: sent on; removed; removed unless the caller's credential is kept; refused. */
export type HeaderRule = "forwarded" | "removed" | "credential" | "refused";

/**
 * Some names of one kind. A name that ends in `-*` stands for all that begin so. `carriesModel`: no setting forwards it,
 * for what it says would stand beside the model that was authorized.
 */
export type HeaderRow = {
  readonly kind: string;
  readonly rule: HeaderRule;
  readonly carriesModel?: true;
  readonly names: readonly string[];
};

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** In each list an exact name wins over a family, and a longer family over a shorter one. */
export const headerRows: readonly HeaderRow[] = [
  {
    kind: "HTTP: content and its negotiation",
    rule: "forwarded",
    names: words(`
      accept accept-charset accept-encoding accept-language accept-datetime content-digest content-disposition
      content-encoding content-language content-length content-md5 content-type digest repr-digest
      want-content-digest want-repr-digest`),
  },
  {
    kind: "HTTP: conditions, ranges, caches",
    rule: "forwarded",
    names: words(`
      cache-control pragma if-match if-modified-since if-none-match if-range if-unmodified-since range expires age
      warning`),
  },
  {
    kind: "HTTP: the message and its connection",
    rule: "forwarded",
    names: words(`
      alt-used connection date early-data expect from host http2-settings keep-alive max-forwards prefer priority
      proxy-connection te trailer transfer-encoding upgrade user-agent sec-websocket-*`),
  },
  {
    kind: "browsers",
    rule: "forwarded",
    names: words(`
      access-control-request-headers access-control-request-method access-control-request-private-network dnt
      origin purpose referer save-data sec-ch-* sec-fetch-* sec-gpc sec-purpose upgrade-insecure-requests
      x-requested-with`),
  },
  {
    kind: "forwarding",
    rule: "forwarded",
    names: words(`
      cdn-loop cf-connecting-ip cf-ipcountry cf-ray cf-visitor fastly-client-ip forwarded true-client-ip via
      x-amz-cf-id x-azure-clientip x-azure-ref x-azure-socketip x-client-ip x-cluster-client-ip x-forwarded
      x-forwarded-by x-forwarded-client-cert x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto
      x-forwarded-protocol x-forwarded-scheme x-forwarded-server x-forwarded-ssl x-original-forwarded-for
      x-real-ip x-scheme`),
  },
  {
    kind: "tracing",
    rule: "forwarded",
    names: words(`
      b3 baggage correlation-id elastic-apm-traceparent grpc-trace-bin jaeger-baggage jaeger-debug-id ms-cv newrelic
      ot-baggage-* ot-tracer-* request-context request-id sentry-trace sw8 sw8-correlation sw8-x traceparent
      tracestate uber-trace-id uberctx-* x-amzn-trace-id x-b3-flags x-b3-parentspanid x-b3-sampled x-b3-spanid
      x-b3-traceid x-client-trace-id x-cloud-trace-context x-correlation-id x-datadog-* x-dynatrace x-dynatrace-*
      x-honeycomb-trace x-instana-l x-instana-s x-instana-t x-ot-span-context x-request-id x-span-id x-trace-id`),
  },
  {
    kind: "Envoy and Istio",
    rule: "forwarded",
    names: words(`
      x-envoy-attempt-count x-envoy-decorator-operation x-envoy-downstream-service-cluster
      x-envoy-downstream-service-node x-envoy-expected-rq-timeout-ms x-envoy-external-address x-envoy-force-trace
      x-envoy-internal x-envoy-ip-tags x-envoy-peer-metadata x-envoy-peer-metadata-id`),
  },
  {
    kind: "SDKs of themselves",
    rule: "forwarded",
    names: words(`
      anthropic-client-name anthropic-client-platform anthropic-client-version originator version x-app x-app-version
      x-client-name x-client-version x-fern-* x-goog-api-client x-goog-upload-* x-ms-useragent
      x-openai-client-user-agent x-server-timeout x-stainless-*`),
  },
  {
    kind: "versions and betas",
    rule: "forwarded",
    names: words(`
      anthropic-beta anthropic-dangerous-direct-browser-access anthropic-version openai-beta openai-version
      x-codex-beta-features`),
  },
  {
    kind: "attribution",
    rule: "forwarded",
    names: words("http-referer request-source x-openrouter-categories x-openrouter-title x-title"),
  },
  {
    kind: "idempotency",
    rule: "forwarded",
    names: words("idempotency-key x-idempotency-key"),
  },
  {
    kind: "sessions",
    rule: "forwarded",
    names: words(`
      conversation-id conversation_id session-id session_id thread-id thread_id x-claude-code-agent-id
      x-claude-code-session-id x-client-request-id x-codex-installation-id x-codex-parent-thread-id
      x-codex-turn-state x-codex-window-id x-conversation-id x-interaction-id x-ms-client-request-id
      x-openai-subagent x-parent-session-id x-session-affinity x-session-id`),
  },
  {
    kind: "credentials",
    rule: "credential",
    names: words(`
      cookie cookie2 ocp-apim-subscription-key proxy-authorization x-amz-security-token x-auth-token
      x-goog-authenticated-user-email x-goog-iam-authority-selector x-goog-iam-authorization-token x-ms-token-*`),
  },
  {
    kind: "accounts",
    rule: "credential",
    names: words(`
      anthropic-organization-id anthropic-workspace-id chatgpt-account-id openai-organization openai-project
      x-goog-project-id x-goog-quota-user x-goog-user-project x-ms-subscription-id`),
  },
  {
    kind: "the model, for gateways and backends",
    rule: "removed",
    carriesModel: true,
    names: words(`
      amzn-sagemaker-custom-attributes azureml-model-deployment custom-llm-provider model x-ai-eg-model
      x-amzn-bedrock-model-id x-amzn-sagemaker-inference-component x-amzn-sagemaker-target-model
      x-amzn-sagemaker-target-variant x-codex-turn-metadata x-gateway-base-model-name
      x-gateway-destination-endpoint x-gateway-destination-endpoint-subset x-gateway-inference-*
      x-gateway-model-name x-gateway-model-name-rewrite x-goog-request-params x-higress-llm-model
      x-higress-llm-model-* x-llm-model x-maas-* x-model x-model-id x-model-name
      x-ms-oai-image-generation-deployment x-selected-model x-vsr-*`),
  },
  {
    kind: "the path, host or backend",
    rule: "removed",
    carriesModel: true,
    names: words(`
      routing-strategy target-pod x-data-parallel-rank x-dynamo-* x-encoder-host-ports x-envoy-original-dst-host
      x-envoy-original-host x-envoy-original-path x-forwarded-method x-forwarded-path x-forwarded-prefix
      x-forwarded-uri x-host x-original-host x-original-method x-original-uri x-original-url x-rewrite-url
      x-script-name x-worker-instance-id`),
  },
  {
    kind: "gateways of the field",
    rule: "removed",
    names: words("cf-aig-* helicone-* llm_provider-* x-litellm-* x-mcp-* x-pass-* x-portkey-*"),
  },
  { kind: "this gateway", rule: "removed", carriesModel: true, names: ["x-aliasguard-*"] },
  { kind: "method overrides", rule: "refused", carriesModel: true, names: methodOverrideHeaders },
];

/**
 * Removed whether the check saw them or not: by these Envoy and the gateways built on it choose, and what stands between
 * the check and the backend may be one of them.
 */
export const alwaysRemovedHeaders = [
  ...["x-model", "x-ai-eg-model", "x-gateway-destination-endpoint"],
  ...["x-gateway-destination-endpoint-subset", "x-gateway-model-name"],
  ...["x-gateway-model-name-rewrite", "x-gateway-base-model-name", "x-selected-model"],
  ...["x-original-url", "x-rewrite-url", "x-envoy-original-path", "x-envoy-original-dst-host"],
  ...["x-goog-request-params", "x-data-parallel-rank"],
] as const;

export type HeaderLookup = {
  of(name: string): HeaderRow | undefined;
  /** Whether a row has this very name. */
  names(name: string): boolean;
};

/** Built once: a name is looked up whole, and then by what stands before each of its dashes. */
export function createHeaderLookup(rows: readonly HeaderRow[]): HeaderLookup {
  const exact = new Map<string, HeaderRow>();
  const families = new Map<string, HeaderRow>();
  for (const row of rows) {
    for (const name of row.names) {
      const isFamily = name.endsWith("-*");
      const [to, key] = isFamily ? [families, name.slice(0, -1)] : [exact, name];
      if (!to.has(key)) to.set(key, row);
    }
  }
  return {
    names: (name) => exact.has(name),
    of(name) {
      const row = exact.get(name);
      if (row !== undefined) return row;
      for (let at = name.lastIndexOf("-"); at > 0; at = name.lastIndexOf("-", at - 1)) {
        const family = families.get(name.slice(0, at + 1));
        if (family !== undefined) return family;
      }
      return undefined;
    },
  };
}
