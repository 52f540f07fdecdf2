// Request headers: which are refused, which are overwritten, which never reach the backend.

import type { DecisionSettings } from "../decision-settings.ts";
import { credentialCarriers } from "./credential.ts";

/** Headers by which gateways and routers of the field choose a model or a backend: removed on every allow. */
export const routingHeaders = [
  "x-model",
  "x-ai-eg-model",
  "x-gateway-destination-endpoint",
  "x-gateway-destination-endpoint-subset",
  "x-gateway-model-name",
  "x-gateway-model-name-rewrite",
  "x-gateway-base-model-name",
  "x-selected-model",
  "x-original-url",
  "x-rewrite-url",
  "x-envoy-original-path",
  "x-goog-request-params",
  "x-data-parallel-rank",
] as const;

/** Families of such headers: removed when the caller sent one. */
export const routingHeaderPrefixes = [
  "x-aliasguard-",
  "x-gateway-inference-",
  "x-vsr-",
  "x-higress-llm-model",
  "x-maas-",
  "x-litellm-",
  "x-pass-",
  "helicone-",
  "x-portkey-",
  "cf-aig-",
] as const;

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

const connectionTokens = new Set(["keep-alive", "close", "te", "upgrade", ""]);
const carriers: ReadonlySet<string> = new Set(credentialCarriers);
const routing: ReadonlySet<string> = new Set(routingHeaders);
const overrides: ReadonlySet<string> = new Set(methodOverrideHeaders);

export type HeaderRules = {
  /** The name of a header that must not be there, or undefined. `upgrade` is the route's affair. */
  refusedHeader(headers: ReadonlyMap<string, string>): string | undefined;
  /** Names to remove before the backend; never one of the model headers or identity headers that are set. */
  removedHeaders(headers: ReadonlyMap<string, string>, team: string | undefined): readonly string[];
};

export function createHeaderRules(settings: DecisionSettings): HeaderRules {
  const modelHeaders = new Set(settings.modelHeaders);
  const isOurs = (name: string): boolean =>
    modelHeaders.has(name) || carriers.has(name) || isRoutingHeader(name) || overrides.has(name);
  const always: readonly string[] = [
    ...(settings.keepCredentials ? [] : credentialCarriers),
    ...routingHeaders.filter((name) => !modelHeaders.has(name)),
  ];
  return {
    refusedHeader(headers) {
      for (const [name, value] of headers) {
        if (overrides.has(name)) return name;
        // Backends that read headers as CGI variables cannot tell x_model from x-model.
        if (name.includes("_") && isOurs(name.replaceAll("_", "-"))) return name;
        if (name === "connection" && !hasOnlyHopTokens(value)) return name;
      }
      return undefined;
    },
    removedHeaders(headers, team) {
      const removed: string[] = [...always];
      for (const name of headers.keys()) {
        if (routing.has(name) || modelHeaders.has(name) || !isRoutingHeader(name)) continue;
        if (name === identityHeaders.key || name === identityHeaders.requestedModel) continue;
        if (name === identityHeaders.team || carriers.has(name)) continue;
        removed.push(name);
      }
      if (team === undefined) removed.push(identityHeaders.team);
      return removed;
    },
  };
}

function isRoutingHeader(name: string): boolean {
  return routing.has(name) || routingHeaderPrefixes.some((prefix) => name.startsWith(prefix));
}

/** Any other token would make a proxy drop that header: the one that names the model, perhaps. */
function hasOnlyHopTokens(value: string): boolean {
  return value.split(",").every((token) => connectionTokens.has(token.trim().toLowerCase()));
}
