// What Envoy answers by itself, in the words of each API: the rules of local_reply_config in both bootstraps.

import type { Mode } from "./modes.ts";

type Reply = {
  readonly about: Readonly<Record<Mode, string>>;
  /** CEL, true of this kind of reply. */
  readonly expression: Readonly<Record<Mode, string | undefined>>;
  /** Over several lines in the file. */
  readonly needsBrackets?: true;
  readonly message: string;
  readonly code: string;
  readonly httpStatus: 413 | 429 | 500 | 503;
  readonly openaiType: string;
  readonly anthropicType: string;
  /** With retry-after: the caller may try again. */
  readonly isTransient?: true;
  /** The status to answer with, where Envoy's own is another one. */
  readonly status?: Readonly<Partial<Record<Mode, number>>>;
};

const replies: readonly Reply[] = [
  {
    about: {
      ext_authz: "The body is larger than max_request_bytes.",
      ext_proc: "The body is larger than request_body_buffer_limit.",
    },
    expression: same('response.code_details == "request_payload_too_large"'),
    message: "The request body is larger than this gateway accepts.",
    code: "request_too_large",
    httpStatus: 413,
    openaiType: "invalid_request_error",
    anthropicType: "request_too_large",
  },
  {
    about: same("The authorizer is down, slow or overloaded: never let the request through."),
    expression: {
      ext_authz: 'response.code_details == "ext_authz_error"',
      // The last four would be a processor's that does not speak the protocol.
      ext_proc:
        'response.code_details.matches("^(ext_proc_error|spurious_message|unhandled_message|header_mutation_|mismatch_between_content_length)")',
    },
    message: "Authorization is unavailable. Try again.",
    code: "authorization_unavailable",
    httpStatus: 503,
    openaiType: "api_error",
    anthropicType: "overloaded_error",
    isTransient: true,
    // Envoy's own is 504 after message_timeout.
    status: { ext_proc: 503 },
  },
  {
    about: same("The splice did not run: the path still waits for it (the first route below)."),
    expression: {
      ext_authz: `response.code_details == "direct_response"
                      && request.url_path.startsWith("/aliasguard-rewrite-pending")`,
      ext_proc: undefined,
    },
    message: "The gateway could not put the authorized model into the request body.",
    code: "rewrite_failed",
    httpStatus: 500,
    openaiType: "api_error",
    anthropicType: "api_error",
  },
  {
    about: same("Nobody named a model for this request (the last route below)."),
    // Gateway API answers 500 where a rule has no backend.
    expression:
      same(`((response.code_details == "direct_response" && (response.code == 503 || response.code == 500))
                      || (response.code_details == "no_healthy_upstream" && xds.route_name == "not-authorized"))`),
    status: { ext_authz: 503, ext_proc: 503 },
    message: "No model was authorized.",
    code: "not_authorized",
    httpStatus: 503,
    openaiType: "api_error",
    anthropicType: "overloaded_error",
  },
  {
    about: same("A rate limit of Envoy's own filters (rate-limits.yaml), local or global."),
    expression: same(
      'response.code_details == "local_rate_limited" || response.code_details == "request_rate_limited"',
    ),
    needsBrackets: true,
    message: "The rate limit of this key and model is reached. Try again later.",
    code: "rate_limit_exceeded",
    httpStatus: 429,
    openaiType: "rate_limit_error",
    anthropicType: "rate_limit_error",
  },
  {
    about: same("The backend cannot be reached."),
    expression: same(`response.code == 503
                      && (response.code_details == "no_healthy_upstream" || response.code_details == "cluster_not_found" || response.code_details.startsWith("upstream_reset_before_response_started"))`),
    needsBrackets: true,
    message: "The model backend is unavailable. Try again.",
    code: "backend_unavailable",
    httpStatus: 503,
    openaiType: "api_error",
    anthropicType: "overloaded_error",
    isTransient: true,
  },
];

const googleStatuses = {
  413: "INVALID_ARGUMENT",
  429: "RESOURCE_EXHAUSTED",
  500: "INTERNAL",
  503: "UNAVAILABLE",
} as const;

function same(text: string): Readonly<Record<Mode, string>> {
  return { ext_authz: text, ext_proc: text };
}

/**
 * Whose paths they are, as a pattern or by a part that no other has, and what a refusal looks like there; the last one is
 * for all the rest. Envoy takes patterns of 100 steps: one for each letter, some 15 for each dot.
 */
const dialects: readonly {
  readonly paths: string | undefined;
  readonly part?: string;
  readonly json: (reply: Reply) => string;
}[] = [
  {
    paths: "(/v1|/openai/v1|/anthropic/v1|/api/v1)?/messages(/|$)",
    part: "/publishers/anthropic/models/",
    json: ({ anthropicType, message, code }) =>
      `{type: error, error: {type: ${anthropicType}, message: "${message}", code: ${code}}}`,
  },
  {
    paths: "/api/(chat|generate|embed|embeddings|show|tags|version|ps)$",
    json: ({ message, code }) => `{error: "${message}", code: ${code}}`,
  },
  {
    paths: "(/v1(alpha|beta)?)?/models/.+:[A-Za-z]+$",
    part: "/publishers/",
    json: ({ message, code, httpStatus }) =>
      `{error: {code: ${httpStatus}, message: "${message}", status: ${googleStatuses[httpStatus]}, details: [{reason: ${code}}]}}`,
  },
  {
    paths: undefined,
    json: ({ openaiType, message, code }) =>
      `{error: {message: "${message}", type: ${openaiType}, param: null, code: ${code}}}`,
  },
];

/** The list under `mappers:`, without a newline at its end. */
export function errorMappers(mode: Mode): string {
  const rules = replies.flatMap((reply) => {
    const expression = reply.expression[mode];
    if (expression === undefined) return [];
    return [
      `            # ${reply.about[mode]}`,
      ...dialects.map((each) => mapper(mode, reply, each)),
    ];
  });
  return rules.join("\n");
}

function mapper(mode: Mode, reply: Reply, dialect: (typeof dialects)[number]): string {
  const { paths, part, json } = dialect;
  const expression = reply.expression[mode] ?? "false";
  const isBracketed = reply.needsBrackets === true && paths !== undefined;
  // While a body waits for its edits, its path has another beginning.
  const pending = mode === "ext_authz" ? "(/aliasguard-rewrite-pending)?" : "";
  const lines = [
    "            - filter:",
    "                extension_filter:",
    "                  name: envoy.access_loggers.extension_filters.cel",
    "                  typed_config:",
    '                    "@type": type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter',
    "                    expression: >-",
    `                      ${isBracketed ? `(${expression})` : expression}`,
  ];
  if (paths !== undefined) {
    const matches = `request.url_path.matches("^${pending}${paths}")`;
    const either = `(${matches} || request.url_path.contains("${part}"))`;
    lines.push(`                      && ${part === undefined ? matches : either}`);
  }
  const status = reply.status?.[mode];
  if (status !== undefined) lines.push(`              status_code: ${status}`);
  if (reply.isTransient === true) {
    lines.push('              headers_to_add: [{header: {key: retry-after, value: "1"}}]');
  }
  lines.push("              body_format_override:", `                json_format: ${json(reply)}`);
  return lines.join("\n");
}
