// Where the two bootstraps differ: the filters, what a request begins on, and where the decision's metadata stands.

import { browserCluster, browserRoute } from "./optional-filters.ts";

export type Mode = "ext_authz" | "ext_proc";

export type ModeParts = {
  /** What the file is, as YAML comments. */
  readonly about: string;
  /** Response code details of the authorizer's own answers. */
  readonly ownDetails: string;
  /** Namespace of the dynamic metadata. */
  readonly namespace: string;
  readonly bodyLimit: string;
  readonly routes: string;
  readonly filters: string;
  /** Ends with a newline, or is empty. */
  readonly clusters: string;
};

const forwardingRoute = `              # why: only what the authorizer named a model for goes on. More backends: more routes like this one, each
              # matching x-model by value ({name: x-model, string_match: {prefix: openrouter/}}).
              - match: {prefix: /, headers: [{name: x-model, present_match: true}]}
                route: {cluster: backend, timeout: 0s} # 0s: the default of 15s cuts answers short
              # With the authorizer's setting --unchecked-routes, and only then, its routes need one too. No model is known there:
              # - match: {prefix: /, headers: [{name: x-aliasguard-unchecked, present_match: true}]}
              #   route: {cluster: backend, timeout: 0s}`;

const retryPolicy = `                retry_policy:
                  retry_on: connect-failure,refused-stream,reset
                  num_retries: 1
                  retry_host_predicate:
                  - name: envoy.retry_host_predicates.previous_hosts
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}
                  host_selection_retry_max_attempts: 5`;

const extAuthz: ModeParts = {
  about: `# Envoy in front of one LLM backend, with aliasguard deciding which model may run.
#
#   aliasguard serve --policy policy          listens on 127.0.0.1:9191
#   the backend (LiteLLM, vLLM, ...)           listens on 127.0.0.1:4000
#   envoy -c envoy.yaml                        listens on 0.0.0.0:10000; run it in this folder, it reads splice.lua`,
  ownDetails: "ext_authz_denied",
  namespace: "envoy.filters.http.ext_authz",
  bodyLimit: `              # max_request_bytes + 64 KiB: room for a model name that is longer than its alias
              request_body_buffer_limit: 33685504`,
  routes: `              # why: the authorizer sends a request whose body must change here, and splice.lua gives it its own path
              # back after the change. With the script missing or broken it ends here, and no backend sees the alias.
              - match: {prefix: /aliasguard-rewrite-pending}
                direct_response: {status: 500}
${forwardingRoute}
${browserRoute}
              # why: ext_authz is skipped for a request without a route, so every request must have one
              - match: {prefix: /}
                direct_response: {status: 503}`,
  filters: `          - name: envoy.filters.http.ext_authz
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              transport_api_version: V3
              grpc_service:
                envoy_grpc: {cluster_name: authorizer}
                timeout: 5s
                # An authorizer that crashes or vanishes costs no request that another can decide: a check changes nothing,
                # so it may be asked twice. Once more and no oftener, that a check that kills one does not kill them all.
${retryPolicy}
              with_request_body:
                # The authorizer's own limit (32 MiB) + 64 KiB, so that it answers 413 itself, in the caller's words.
                max_request_bytes: 33619968
                pack_as_bytes: true # why: as text, Envoy replaces bytes it cannot show, and offsets would be wrong
                allow_partial_message: false # why: a second model after the cut would never be seen
              clear_route_cache: true # why: the route is chosen again, by the header that the authorizer set
              failure_mode_allow: false # why: without the authorizer nothing goes through
              status_on_error: {code: ServiceUnavailable} # not 403: callers may try again
              charge_cluster_response_stats: false # refusals are not errors of the backend
          - name: envoy.filters.http.lua
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
              default_source_code: {filename: splice.lua}`,
  clusters: browserCluster,
};

const extProc: ModeParts = {
  about: `# Envoy in front of one LLM backend, with aliasguard deciding which model may run: the same as envoy.yaml, but one filter
# decides and edits the body, over ext_proc instead of ext_authz and Lua.
#
#   aliasguard serve --policy policy          listens on 127.0.0.1:9191
#   the backend (LiteLLM, vLLM, ...)           listens on 127.0.0.1:4000
#   envoy -c envoy-ext-proc.yaml               listens on 0.0.0.0:10000`,
  ownDetails: "aliasguard_...",
  namespace: "aliasguard",
  bodyLimit: `              # The authorizer's own limit (32 MiB) + 128 KiB: it answers 413 itself, in the caller's words, and a model name
              # that is longer than its alias has room.
              request_body_buffer_limit: 33685504`,
  routes: `${forwardingRoute}
              # why: a request must have a route for its body limit to count, and only a forwarding route has one. Nothing
              # is behind it: it answers 503. An authorizer that ends its stream without an answer lets a request through
              # unmodified, whatever failure_mode_allow says; it ends here.
              - name: not-authorized
                match: {prefix: /}
                route: {cluster: nowhere}`,
  filters: `          - name: envoy.filters.http.ext_proc
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
              grpc_service:
                envoy_grpc: {cluster_name: authorizer}
                timeout: 0s # the stream lasts as long as the caller's upload; what is limited is each answer, below
                # An authorizer that vanishes before it says anything costs no request that another can decide. Once it has
                # answered the headers it does: 503. Once and no oftener, that a request that kills one does not kill them all.
${retryPolicy}
              message_timeout: 5s
              processing_mode:
                request_header_mode: SEND # why: the headers are held until the body is decided on; with SKIP they cannot change
                request_body_mode: BUFFERED # why: the decision is about the whole body; the authorizer refuses any other mode
                response_header_mode: SKIP
                response_body_mode: NONE
                request_trailer_mode: SKIP
                response_trailer_mode: SKIP
              allow_mode_override: true # for upgrades, whose body never ends, and for responses that are to be read
              # x-envoy-original-path is among the headers that are removed; and what may not be changed is an error, not ignored
              mutation_rules: {allow_envoy: true, disallow_is_error: true}
              metadata_options: {receiving_namespaces: {untyped: [aliasguard]}} # for the access log below
              failure_mode_allow: false # why: without the authorizer nothing goes through
              status_on_error: {code: ServiceUnavailable} # callers may try again`,
  clusters: `  - name: nowhere # no endpoints: what no model was authorized for
    type: STATIC
    connect_timeout: 1s
`,
};

export const modes: Readonly<Record<Mode, ModeParts>> = { ext_authz: extAuthz, ext_proc: extProc };
