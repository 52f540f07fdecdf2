// The closed list of what a probe can find missing, and of what cannot be seen from outside. docs/reference prints both.

/** `why`: what it means. `fix`: where to look. */
export const probeFindings = {
  no_answer: {
    why: "there was no answer",
    fix: "look whether the URL is the gateway's, and whether a filter before the check holds the request",
  },
  key_refused: {
    why: "the authorizer does not accept the key",
    fix: "make one with aliasguard key new, and see that its status says Ready",
  },
  alias_refused: {
    why: "the authorizer refuses the alias to this key",
    fix: "grant the alias or its model; aliasguard check explains the decision",
  },
  unchecked: {
    why: "something answered a request that the authorizer should have refused: it was not asked",
    fix: "put the check on every route and listener; aliasguard lint --envoy names the place",
  },
  check_missing: {
    why: "nobody asked the authorizer; only the last route, which refuses, stands before the backend",
    fix: "put the check back; a policy on a route of its own may have replaced it",
  },
  forbidden_served: {
    why: "a model that the key should not be allowed went through",
    fix: "see with aliasguard check whether the key may use it; if not, something changes the model after the check",
  },
  header_believed: {
    why: "the answer depends on a model header that the caller sent",
    fix: "remove the model headers early, before the first route, and let the authorizer's header choose the route",
  },
  model_differs: {
    why: "the backend says that it ran another model",
    fix: "see whether the splice runs, and whether the backend maps model names itself",
  },
  splice_missing: {
    why: "the authorized model was not put into the body",
    fix: "put splice.lua after the check, enabled on every route, or use ext_proc",
  },
  route_not_chosen: {
    why: "the authorizer decided, but no route was chosen by its model header",
    fix: "set clear_route_cache (recomputeRoute), see that the splice runs, and give the model a route",
  },
  bodies_not_whole: {
    why: "the authorizer does not get whole bodies as bytes",
    fix: "set with_request_body with pack_as_bytes, or request_body_mode BUFFERED and request_header_mode SEND",
  },
  bodies_cut: {
    why: "a big body was refused for its size: it is cut, or a limit is lower than the authorizer's",
    fix: "set allow_partial_message: false, and lift the limits of buffers and HTTP/2 windows above the authorizer's",
  },
  authorizer_unavailable: {
    why: "the authorizer is down, slow, overloaded or has no policy",
    fix: "look at its readiness, its log, and whether the gateway reaches its Service",
  },
  upgrade_served: {
    why: "an upgrade of a POST was not refused",
    fix: "allow upgrades for the realtime path only, and put the check before them",
  },
  upgrade_hangs: {
    why: "an upgrade is never answered",
    fix: "take away the buffer filter before the check; lift the listener's limits instead",
  },
  path_open: {
    why: "a path that is not served was answered by something other than the authorizer",
    fix: "put the check on every route, and let the last one refuse",
  },
  rate_limited: {
    why: "a rate limit of the gateway or of the backend refused the alias",
    fix: "give the probe's key room, and probe again",
  },
  backend_failing: {
    why: "the backend answers the alias with a failure of its own",
    fix: "look at the backend; what stands behind it could not be probed",
  },
} as const satisfies Record<string, { readonly why: string; readonly fix: string }>;

export type ProbeFinding = keyof typeof probeFindings;

/** What no request of a caller can show, or could not this time. */
export const probeUnseen = {
  failures_allowed:
    "whether requests pass unchecked while the authorizer cannot be asked (failure_mode_allow)",
  early_removal:
    "whether a caller's model header is removed before the first route, as long as the authorizer's own replaces it",
  model: "which model ran: the answers name none, or the alias itself",
  http2: "HTTP/2: it is not spoken here",
} as const;

export type ProbeUnseen = keyof typeof probeUnseen;
