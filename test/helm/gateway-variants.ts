// Values for every kind of rendering that the chart has for gateways.

const routes = [
  { model: "vendor/silver-1", service: "silver", port: 80 },
  { model: "openrouter/qwen/*", service: "gold", namespace: "models", port: 8080 },
  { model: "*", service: "rest", port: 81 },
];
const unchecked = { service: "files", port: 81 };
const modes = ["extProc", "extAuthz"] as const;

export type Variant = readonly [name: string, values: object];

const istioTargets = [
  ["a classic gateway", { selector: { istio: "ingressgateway" } }, {}],
  ["a Gateway of the Gateway API", { gatewayName: "llm" }, {}],
  [
    "a sidecar",
    { selector: { app: "vllm" }, context: "SIDECAR_INBOUND" },
    { authorizer: { service: { clusterIP: true } } },
  ],
] as const;

const istio: readonly Variant[] = modes.flatMap((mode) =>
  istioTargets.flatMap(([place, target, more]) =>
    ["patch", "none"].map((localReplies): Variant => {
      const namespace = "istio-system";
      const gateway = { type: "istio", mode, target, namespace, localReplies, routes, unchecked };
      return [`Istio, ${place}, ${mode}, local replies ${localReplies}`, { ...more, gateway }];
    }),
  ),
);

const envoyGateway: readonly Variant[] = modes.flatMap((mode) =>
  ["patch", "override", "none"].map((localReplies): Variant => {
    const target = { gatewayName: "llm" };
    const namespace = "llm";
    const type = "envoyGateway";
    const gateway = { type, mode, target, namespace, localReplies, routes, unchecked };
    return [`Envoy Gateway, ${mode}, local replies ${localReplies}`, { gateway }];
  }),
);

/** Settings that reach into the renderings. */
const settings = {
  bodyBytesMax: 1_000_000,
  modelHeaders: ["x-ai-model", "x-model"],
  realtime: true,
  uncheckedRoutes: ["GET /v1/files"],
};

/** In the release's own namespace, without routes, and with what the platform has already. */
const others: readonly Variant[] = modes.flatMap((mode): readonly Variant[] => [
  [`a whole Envoy, ${mode}`, { gateway: { type: "envoy", mode, routes, unchecked } }],
  [
    `a whole Envoy with settings, ${mode}`,
    { settings, gateway: { type: "envoy", mode, routes, unchecked } },
  ],
  [
    `Istio with settings, ${mode}`,
    { settings, gateway: { type: "istio", mode, target: { gatewayName: "llm" } } },
  ],
  [
    `Envoy Gateway with settings, ${mode}`,
    {
      settings,
      gateway: {
        type: "envoyGateway",
        mode,
        target: { gatewayName: "llm", listener: "https" },
        trafficPolicies: false,
      },
    },
  ],
  [
    `Envoy Gateway with settings and policies, ${mode}`,
    {
      settings,
      gateway: { type: "envoyGateway", mode, target: { gatewayName: "llm" }, routes },
    },
  ],
]);

/** As many as the chart takes, each of the longest name. */
const manyRoutes = Array.from({ length: 256 }, (_, at) => ({
  model: `${String(at).padStart(3, "0")}/${"m".repeat(252)}`,
  service: "gold",
  port: 80,
}));

const largest: readonly Variant[] = [
  ["Istio's classic API", { type: "istio", target: { selector: { istio: "ingressgateway" } } }],
  ["Istio's Gateway API", { type: "istio", target: { gatewayName: "llm" } }],
  ["Envoy Gateway", { type: "envoyGateway", target: { gatewayName: "llm" } }],
  ["a whole Envoy", { type: "envoy" }],
].map(([name, gateway]): Variant => {
  const all = { ...(gateway as object), routes: manyRoutes, unchecked };
  return [`${name} with 256 routes`, { gateway: all }];
});

export const gatewayVariants: readonly Variant[] = [
  ...istio,
  ...envoyGateway,
  ...others,
  ...largest,
];
