// Values with everything on and every value given: what is rendered only when asked for is rendered with these.

const labels = { "example.com/owner": "platform" };

const component = {
  replicas: 3,
  serviceAccount: { create: true, name: "", annotations: { "example.com/role": "r" } },
  resources: {
    requests: { cpu: "1", memory: "1Gi", "ephemeral-storage": "10Mi" },
    limits: { cpu: 2, memory: 2_147_483_648 },
  },
  heapPercent: 60,
  extraEnv: [
    { name: "TZ", value: "UTC" },
    { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
  ],
  podAnnotations: { "prometheus.io/scrape": "true" },
  podLabels: { tier: "edge" },
  nodeSelector: { "kubernetes.io/os": "linux" },
  tolerations: [{ key: "edge", operator: "Exists", effect: "NoExecute", tolerationSeconds: 5 }],
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [
          { matchExpressions: [{ key: "kubernetes.io/arch", operator: "In", values: ["amd64"] }] },
        ],
      },
    },
  },
  priorityClassName: "system-cluster-critical",
  strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "50%" } },
  revisionHistoryLimit: 2,
  deploymentAnnotations: { "example.com/reload": "true" },
  extraVolumes: [{ name: "scratch", emptyDir: { sizeLimit: "1Mi" } }],
  extraVolumeMounts: [{ name: "scratch", mountPath: "/scratch" }],
  extraContainers: [
    {
      name: "beside",
      image: "localhost/beside:1",
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
    },
  ],
  podSpec: { hostAliases: [{ ip: "192.0.2.1", hostnames: ["a.example"] }], dnsPolicy: "None" },
  dnsConfig: { nameservers: ["192.0.2.2"] },
  probes: {
    startup: { failureThreshold: 120 },
    liveness: { timeoutSeconds: 9 },
    readiness: { periodSeconds: 7 },
  },
};

/** Every setting of the chart, with a value that is not the default. */
export const fullSettings = {
  logLevel: "debug",
  logAllowSample: 0.000_5,
  modelHeaders: ["x-model", "x-ai-model"],
  bodyBytesMax: 33_000_000,
  acceptTextBody: true,
  bodyEdits: "header-only",
  keepCredentials: true,
  keyCarriers: ["authorization", "x-litellm-api-key"],
  forwardHeaders: ["x-tenant", "x-acme-*"],
  pathPrefixes: ["/v1", "=/v1", "/llm/v1=/v1"],
  realtime: true,
  uncheckedRoutes: ["GET /v1/files", "GET /v1/files/{id}"],
  modelRoutes: ["POST /tokenize", "POST /v1/score openai"],
  queryParameters: ["trace"],
  bodyFields: ["api_base", "metadata.langfuse_*"],
  refusedFields: ["container", "tools[].type=mcp"],
  responseModel: "requested",
  inFlightBytesMax: 134_217_728,
  waitingChecksMax: 1000,
  concurrentStreamsMax: 100,
  drainDelayMs: 7500,
};

export const fullValues = {
  nameOverride: "guard",
  fullnameOverride: "",
  commonLabels: labels,
  image: {
    repository: "localhost/team/aliasguard",
    tag: "1.2.3",
    digest: `sha256:${"a".repeat(64)}`,
    pullPolicy: "Always",
  },
  catalogue: "closed",
  upstreamCredentials: { secretName: "backend-keys" },
  imagePullSecrets: [{ name: "pull" }],
  runAsUser: 1001,
  bindAddress: "[::]",
  crds: { install: true, keep: false, annotations: { "example.com/a": "b" } },
  rbac: { create: true, aggregate: true },
  secrets: { read: true },
  settings: fullSettings,
  podDisruptionBudget: { enabled: true },
  networkPolicy: {
    enabled: true,
    from: [
      { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "envoy" } } },
      { podSelector: { matchExpressions: [{ key: "app", operator: "Exists" }] } },
      { ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } },
    ],
    adminFrom: [{ namespaceSelector: {} }],
    egress: {
      enabled: true,
      apiServerPorts: [6443],
      apiServer: [{ ipBlock: { cidr: "192.0.2.0/24" } }],
      extra: [{ to: [{ podSelector: {} }] }],
    },
  },
  metrics: {
    service: { enabled: true, annotations: { "example.com/m": "1" } },
    // Their kinds are those of an operator that a plain API server does not have.
    podMonitor: { enabled: false, labels: { release: "p" }, interval: "15s", scrapeTimeout: "5s" },
    serviceMonitor: {
      enabled: false,
      labels: { release: "p" },
      interval: "15s",
      scrapeTimeout: "5s",
    },
    prometheusRule: { enabled: false, labels: { release: "p" }, alertLabels: { team: "t" } },
  },
  gateway: {
    type: "envoy",
    mode: "extAuthz",
    namespace: "",
    target: { gatewayName: "", selector: {}, context: "GATEWAY", listener: "http" },
    routes: [
      { model: "openrouter/qwen/*", service: "litellm", namespace: "models", port: 4000 },
      { model: "vendor/one", host: "api.vendor.example", port: 443, tls: true },
    ],
    unchecked: { service: "litellm", port: 4000 },
    localReplies: "patch",
    trafficPolicies: true,
    envoy: {
      image: { repository: "localhost/envoy", tag: "v1.40.1", digest: "" },
      replicas: 3,
      resources: { requests: { cpu: "1" }, limits: { memory: "2Gi" } },
      service: { type: "LoadBalancer", port: 8080, annotations: { "example.com/lb": "y" } },
    },
  },
  extraObjects: [
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "extra", namespace: "{{ .Release.Namespace }}" },
    },
  ],
  topologySpread: {
    enabled: true,
    topologyKeys: ["kubernetes.io/hostname"],
    whenUnsatisfiable: "DoNotSchedule",
  },
  authorizer: {
    ...component,
    preStopSleepSeconds: 4,
    extraArgs: ["--socket-mode=600"],
    autoscaling: {
      enabled: true,
      minReplicas: 3,
      maxReplicas: 9,
      targetCPUUtilizationPercentage: 60,
      targetMemoryUtilizationPercentage: 90,
      behavior: { scaleDown: { stabilizationWindowSeconds: 60 } },
    },
    service: { annotations: { "example.com/note": "grpc" }, clusterIP: true },
  },
  controller: { ...component, policyShardsMax: 2, extraArgs: ["--log-level=warn"] },
};
