// Writes the two Envoy bootstraps from one description, so that they cannot drift: envoy.yaml (ext_authz, and Lua for the
// body) and envoy-ext-proc.yaml (ext_proc does both). Run by hand after a change here; a test compares the files.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorMappers } from "./local-replies.ts";
import { type Mode, modes } from "./modes.ts";
import { browserFilter, browserPolicy, decompressors } from "./optional-filters.ts";

/** How an authorizer is asked for a decision. */
export type { Mode } from "./modes.ts";

export const configFiles: Readonly<Record<Mode, string>> = {
  ext_authz: "envoy.yaml",
  ext_proc: "envoy-ext-proc.yaml",
};

function otherFile(mode: Mode): string {
  return configFiles[mode === "ext_authz" ? "ext_proc" : "ext_authz"];
}

/** Part of the cluster authorizer where it is reached over a network that others use too. */
export const authorizerTls = `    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: aliasguard.example
        common_tls_context:
          tls_params: {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3} # a client's default is 1.2
          # Files in SDS form are read anew when they are moved into place; certificates named here directly are not.
          tls_certificate_sds_secret_configs:
          - {name: client, sds_config: {path_config_source: {path: /etc/envoy/tls/client.yaml}, resource_api_version: V3}}
          combined_validation_context:
            default_validation_context:
              match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: aliasguard.example}}]
            validation_context_sds_secret_config:
              name: authorities
              sds_config: {path_config_source: {path: /etc/envoy/tls/authorities.yaml}, resource_api_version: V3}`;

function commented(block: string): string {
  const lines = block.split("\n").map((line) => line.replace(/^ {4}/, "    # "));
  return [
    "    # TLS, with --tls-cert, --tls-key and --tls-client-ca at the authorizer. SDS files want a name of this Envoy's own at",
    "    # the top of this file: node: {id: envoy, cluster: envoy}",
    ...lines,
  ].join("\n");
}

/** The whole bootstrap as text. */
export function renderEnvoyConfig(mode: Mode): string {
  const parts = modes[mode];
  return `${parts.about}
#
# Tested with Envoy 1.40. Each line with a "why" is part of the promise that the model the backend
# runs is the model that was authorized: change it only when you know what takes its place.
# Written by write.ts, from which ${otherFile(mode)} comes too.

admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 9901}} # loopback only: who reaches it can stop Envoy

static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 0.0.0.0, port_value: 10000}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: main
          use_remote_address: true # this Envoy is the edge: x-envoy-* and x-forwarded-for of callers are not believed
          normalize_path: true # why: the authorizer and the backend must read one path, not two
          merge_slashes: true
          common_http_protocol_options:
            # why: a backend that reads headers as CGI variables cannot tell x_model from x-model. HTTP/1.1 callers get
            # 400; HTTP/2 callers get a stream reset. DROP_HEADER removes such headers and serves the request.
            headers_with_underscores_action: REJECT_REQUEST
          # For realtime APIs (the authorizer refuses upgrades anywhere else): upgrade_configs: [{upgrade_type: websocket}]
          stream_idle_timeout: 900s # models may think for minutes before the next token
          early_header_mutation_extensions:
          # why: before the first route is chosen and before the check, so that nobody but the authorizer names the model
          - name: envoy.http.early_header_mutation.header_mutation
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation
              mutations:
              - remove: x-model
              - remove_on_match: {key_matcher: {prefix: x-aliasguard-}}
          # What Envoy answers by itself, in the words of the caller's API, told apart by response code details. The
          # authorizer's own refusals have the details ${parts.ownDetails} and are already in the caller's words: no rule
          # here may match them. What the backend answers is never touched.
          local_reply_config:
            mappers:
${errorMappers(mode)}
          access_log:
          - name: envoy.access_loggers.stdout
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
              log_format:
                json_format:
                  time: "%START_TIME%"
                  request_id: "%REQ(X-REQUEST-ID)%"
                  method: "%REQ(:METHOD)%"
                  path: "%PATH(NQ:PATH)%" # without the query: some SDKs send their key there
                  status: "%RESPONSE_CODE%"
                  details: "%RESPONSE_CODE_DETAILS%"
                  flags: "%RESPONSE_FLAGS%"
                  duration_ms: "%DURATION%"
                  bytes_received: "%BYTES_RECEIVED%"
                  bytes_sent: "%BYTES_SENT%"
                  decision: "%DYNAMIC_METADATA(${parts.namespace}:decision)%"
                  reason: "%DYNAMIC_METADATA(${parts.namespace}:reason)%"
                  key: "%DYNAMIC_METADATA(${parts.namespace}:key)%" # the key's name, never the key
                  team: "%DYNAMIC_METADATA(${parts.namespace}:team)%"
                  requested_model: "%DYNAMIC_METADATA(${parts.namespace}:requested_model)%"
                  model: "%DYNAMIC_METADATA(${parts.namespace}:model)%"
          route_config:
            name: main
            virtual_hosts:
            - name: all
              domains: ["*"]
${browserPolicy}
${parts.bodyLimit}
              routes:
${parts.routes}
          http_filters:
${browserFilter}
${decompressors}
${parts.filters}
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: authorizer
    type: STATIC # more than one: STRICT_DNS on a headless Service, so that checks spread
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}} # gRPC is HTTP/2
    circuit_breakers: # the defaults of 1024, and of 3 retries at a time, turn a burst into 503
      thresholds: [{max_requests: 20000, max_pending_requests: 20000, max_retries: 20000}]
    # Takes an authorizer out as soon as it says that it drains. One that is slow to answer is out the second time only: it
    # may be the last one alive, while one that died is not found out yet.
    health_checks:
    - {timeout: 1s, interval: 1s, no_traffic_interval: 1s, unhealthy_threshold: 2, healthy_threshold: 1, grpc_health_check: {}}
    # Only with all of them out is each still tried. The default asks dead ones too as soon as half are out, and after a
    # rollout half are: DNS names those that are gone for some time.
    common_lb_config: {healthy_panic_threshold: {value: 1}}
${commented(authorizerTls)}
    load_assignment:
      cluster_name: authorizer
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9191}}}}]}]
  - name: backend
    type: STATIC
    connect_timeout: 5s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        # Below the 5 seconds after which uvicorn (LiteLLM, vLLM) and Node.js close an idle connection: a request that is
        # sent on it in that moment would fail, and Envoy must not send it twice.
        common_http_protocol_options: {idle_timeout: 4s}
        explicit_http_config: {http_protocol_options: {}}
    circuit_breakers:
      thresholds: [{max_connections: 20000, max_requests: 20000, max_pending_requests: 20000}]
    load_assignment:
      cluster_name: backend
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 4000}}}}]}]
${parts.clusters}`;
}

if (process.argv[1] === import.meta.filename) {
  for (const mode of ["ext_authz", "ext_proc"] as const) {
    writeFileSync(join(import.meta.dirname, configFiles[mode]), renderEnvoyConfig(mode));
  }
}
