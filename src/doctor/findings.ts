// What can be wrong with an Envoy configuration: one closed list, each with why it matters and what mends it. docs print it.

/**
 * `breaks`: a request can reach a backend without its model being authorized, or every request fails. `weakens`: the promise
 * holds, but rests on one thing less, or honest callers are hurt. `advice`: works, but perhaps not as meant.
 */
export type FindingSeverity = "breaks" | "weakens" | "advice";

export type FindingKind = {
  readonly severity: FindingSeverity;
  readonly why: string;
  readonly fix: string;
};

const breaks = (why: string, fix: string): FindingKind => ({ severity: "breaks", why, fix });
const weakens = (why: string, fix: string): FindingKind => ({ severity: "weakens", why, fix });
const advice = (why: string, fix: string): FindingKind => ({ severity: "advice", why, fix });

export const findingKinds = {
  check_missing: breaks(
    "nothing asks the authorizer: requests reach backends unchecked",
    "add the filter ext_proc or ext_authz as deploy/envoy has it",
  ),
  listener_unchecked: breaks(
    "a listener without the check leads to a backend that is guarded elsewhere",
    "add the check to this listener, or take its routes to that backend away",
  ),
  tcp_unchecked: breaks(
    "a TCP proxy leads to a backend that is guarded elsewhere",
    "take this filter chain away",
  ),
  check_disabled: breaks(
    "the check is switched off here, and the route forwards",
    "remove the override; an unchecked route is a setting of the authorizer (--unchecked-routes)",
  ),
  check_sampled: breaks(
    "only a part of the requests is checked",
    "remove filter_enabled and what else makes the check conditional",
  ),
  check_conditional: breaks(
    "a matcher decides whether the check runs",
    "put the filter itself into the chain, not behind a matcher",
  ),
  check_shadowed: breaks(
    "the answers of the authorizer are not waited for",
    "remove observability_mode or shadow_mode",
  ),
  check_not_grpc: breaks(
    "the authorizer is asked over HTTP; it speaks gRPC",
    "use grpc_service (envoyExtAuthzGrpc in Istio)",
  ),
  failures_allowed: breaks(
    "when the authorizer cannot be asked, requests go through unchecked",
    "set failure_mode_allow: false (failOpen: false)",
  ),
  body_not_sent: breaks(
    "the authorizer does not get the body, in which the model stands",
    "set with_request_body, or request_body_mode: BUFFERED for ext_proc",
  ),
  body_partial: breaks(
    "the authorizer may get the beginning of a body only: a second model after the cut is never seen",
    "set allow_partial_message: false",
  ),
  body_as_text: breaks(
    "Envoy replaces bytes that it cannot show, so the authorizer refuses such bodies",
    "set pack_as_bytes: true; where the gateway's API has no such field use ext_proc",
  ),
  body_mode: breaks(
    "the authorizer must hold the whole body before anything is forwarded; in another mode it refuses",
    "set request_body_mode: BUFFERED",
  ),
  header_mode: breaks(
    "without the request's headers the authorizer cannot decide or name the model",
    "set request_header_mode: SEND",
  ),
  headers_filtered: breaks(
    "headers are withheld from the authorizer: keys are not seen, routing headers not removed",
    "remove allowed_headers, disallowed_headers or forward_rules",
  ),
  mutations_refused: breaks(
    "the authorizer may not set the model header or the path, so requests keep what the caller sent",
    "set mutation_rules: {allow_envoy: true, disallow_is_error: true} and nothing that disallows",
  ),
  mutations_ignored: weakens(
    "a change that Envoy refuses is left out in silence instead of failing the request",
    "set mutation_rules.disallow_is_error: true",
  ),
  route_kept: breaks(
    "the route is not chosen again once the model is known",
    "set clear_route_cache: true (ext_proc: leave route_cache_action at DEFAULT)",
  ),
  splice_missing: breaks(
    "no filter puts the resolved model into the body: every request with an alias ends in a refusal",
    "add splice.lua right after ext_authz, or use ext_proc",
  ),
  splice_before_check: breaks(
    "the filter that edits the body runs before there is a decision",
    "put splice.lua after ext_authz",
  ),
  splice_differs: weakens(
    "the Lua script is not the splice.lua of this version",
    "take deploy/envoy/splice.lua of this version; only MODEL_HEADERS may differ",
  ),
  splice_unseen: advice(
    "the Lua script stands in a file that is not here, so it could not be compared",
    "compare it with deploy/envoy/splice.lua",
  ),
  body_changed_after: breaks(
    "a filter after the check may change the body that was authorized",
    "move it before the check, or take it away",
  ),
  headers_changed_after: breaks(
    "the model header or the path is changed after the check",
    "leave x-model, :path and x-aliasguard-* alone behind the check",
  ),
  route_changed_after: breaks(
    "a filter after the check chooses the route again by things that were not authorized",
    "remove its clear_route_cache, or move it before the check",
  ),
  filter_after_unknown: weakens(
    "a filter after the check can change requests in ways that cannot be seen here",
    "move it before the check",
  ),
  model_header_not_removed: breaks(
    "the caller's own x-model chooses the first route, and stays where the check does not run",
    "remove x-model by early_header_mutation_extensions",
  ),
  identity_headers_not_removed: weakens(
    "the caller's own x-aliasguard-* headers stay where the check does not run",
    "remove the prefix x-aliasguard- by early_header_mutation_extensions",
  ),
  route_without_model: breaks(
    "a route forwards without asking for the model header, so it forwards what nobody authorized",
    "match on x-model (present), or on x-aliasguard-unchecked for unchecked routes",
  ),
  pending_route_missing: weakens(
    "with the splice missing or failing, the request still has a forwarding route",
    "add a first route {prefix: /aliasguard-rewrite-pending} that answers 500",
  ),
  catch_all_missing: weakens(
    "a request without a route is answered by Envoy alone, without the check and its words",
    "end each virtual host in a refusing route: direct_response 503, with ext_proc a cluster without endpoints",
  ),
  catch_all_not_forwarding: weakens(
    "with ext_proc the body limit of a route counts only where the route forwards: larger bodies end in Envoy's own 413",
    "let the catch-all forward to a cluster without endpoints",
  ),
  cluster_by_header: breaks(
    "a header of the request names the cluster",
    "name the cluster in the route",
  ),
  host_by_caller: breaks(
    "the caller's headers choose the host that is reached",
    "use a cluster with fixed endpoints",
  ),
  model_header_overwritten: breaks(
    "the route changes the model header after the check",
    "remove it from request_headers_to_add and request_headers_to_remove",
  ),
  path_rewritten: weakens(
    "the route rewrites the path after the check: the backend reads another path than was decided on",
    "use the authorizer's --path-prefixes, or make sure that the new path means the same to the backend",
  ),
  request_mirrored: weakens(
    "a copy of each request goes to another cluster",
    "remove request_mirror_policies",
  ),
  redirect_followed: breaks(
    "Envoy follows redirects of the backend, to hosts and paths that nobody authorized",
    "remove internal_redirect_policy",
  ),
  retried_elsewhere: weakens(
    "a failed request is sent again to another cluster, which may run another model",
    "retry within one cluster only: no aggregate cluster, no weighted clusters with retries",
  ),
  upgrade_unchecked: breaks(
    "upgraded requests go through filters of their own, without the check",
    "remove the filters of upgrade_configs",
  ),
  connect_allowed: breaks(
    "CONNECT opens a tunnel through which anything can be sent",
    "remove the upgrade type CONNECT and allow_connect",
  ),
  path_not_normalized: weakens(
    "the authorizer and the backend may read two paths",
    "set normalize_path: true",
  ),
  slashes_not_merged: advice(
    "callers with a doubled slash in their base address get 404",
    "set merge_slashes: true",
  ),
  slashes_unescaped: weakens(
    "%2F in a model's name becomes a slash, or is refused before the authorizer can answer",
    "leave path_with_escaped_slashes_action at KEEP_UNCHANGED",
  ),
  underscores_allowed: weakens(
    "a backend that reads headers as CGI variables cannot tell x_model from x-model",
    "set headers_with_underscores_action: REJECT_REQUEST or DROP_HEADER",
  ),
  callers_believed: weakens(
    "x-envoy-* and x-forwarded-for of callers are believed",
    "set use_remote_address: true where this Envoy is the edge",
  ),
  lenient_parsing: weakens(
    "requests with contradicting lengths are accepted, so two readers may see two requests",
    "remove allow_chunked_length and override_stream_error_on_invalid_http_message",
  ),
  expect_proxied: advice(
    "a caller that waits for 100 Continue waits until its own patience ends, for the check needs the body first",
    "set proxy_100_continue: false; Istio's gateways set it: tell callers to send no Expect",
  ),
  buffer_before_check: weakens(
    "a buffer filter delays refusals until the upload is done, and upgrades hang in it",
    "remove it and raise the listener's per_connection_buffer_limit_bytes",
  ),
  decompressor_after: breaks(
    "the backend gets another body than was authorized",
    "put the decompressor before the check",
  ),
  limits_out_of_order: weakens(
    "a body that the authorizer would take, or refuse in the caller's words, ends in Envoy's own 413",
    "authorizer's limit < max_request_bytes (+64 KiB) < the route's request_body_buffer_limit (+64 KiB)",
  ),
  timeout_short: weakens(
    "a check of a large body may not end in time: 503",
    "set timeout (ext_authz) or message_timeout (ext_proc) to some 5s",
  ),
  stream_timeout_short: weakens(
    "an upload that takes longer than the stream's timeout is refused",
    "set grpc_service.timeout: 0s for ext_proc and limit each answer by message_timeout",
  ),
  mode_override_off: advice(
    "realtime upgrades and the reading of responses do not work",
    "set allow_mode_override: true",
  ),
  authorizer_cluster_missing: breaks(
    "the cluster that the check names is not there",
    "define it, or correct the name",
  ),
  authorizer_not_http2: breaks(
    "the authorizer's cluster does not speak HTTP/2, so no check succeeds",
    "set explicit_http_config: {http2_protocol_options: {}}",
  ),
  authorizer_in_clear: advice(
    "virtual keys and the backend's credentials cross the network in clear text",
    "use TLS, a mesh, a Unix socket or the same pod",
  ),
  authorizer_limits_low: advice(
    "Envoy's default of 1024 requests at a time to the authorizer turns a burst into 503",
    "raise the authorizer's circuit_breakers (max_requests, max_pending_requests, max_retries)",
  ),
  routes_unseen: weakens(
    "routes or filters come from a control plane and are not in this file",
    "lint a config_dump of the running Envoy: curl ADMIN/config_dump?include_eds",
  ),
  admin_open: weakens(
    "whoever reaches Envoy's admin port can switch it off and read its configuration",
    "bind it to 127.0.0.1",
  ),
} as const satisfies Record<string, FindingKind>;

export type FindingCode = keyof typeof findingKinds;

export type Finding = {
  readonly code: FindingCode;
  /** Where it stands, from general to detail: `listener main`, `virtual host all`, `route 2`. */
  readonly place: string;
  /** What was found there, where the code alone does not say it. No value of a header or secret. */
  readonly found: string | undefined;
};
