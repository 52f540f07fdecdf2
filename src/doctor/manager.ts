// One HTTP connection manager: how it reads requests, what it removes first, its filters and its routes.

import {
  bufferWanted,
  type CheckFilter,
  type Expected,
  examineCheck,
  examineOverride,
  findCheck,
  overrideClusters,
  type Report,
} from "./check-filter.ts";
import { examineFiltersAfter, examineFiltersBefore } from "./filters-after.ts";
import type { HttpListener } from "./listeners.ts";
import { examineRoutes } from "./route-rules.ts";
import { mutated } from "./routes.ts";
import { findSplice } from "./splice.ts";
import { at, enumOf, field, flag, list, type Node, numberOf, text, typed, typeOf } from "./tree.ts";

export type Deps = {
  readonly expected: Expected;
  readonly clusters: ReadonlyMap<string, Node>;
  readonly report: Report;
};

/** The check of a connection manager; undefined where it has none. */
export function checkOf({ manager }: HttpListener, expected: Expected): CheckFilter | undefined {
  return findCheck(list(manager, "http_filters"), expected);
}

/** Everything of a listener that has the check. */
export function examineManager(listener: HttpListener, check: CheckFilter, deps: Deps): void {
  const { expected, report } = deps;
  const place = `listener ${listener.name}`;
  const filters = list(listener.manager, "http_filters");
  const filter = filters[check.index];
  const checkPlace = `${place}, filter ${check.names[0] ?? check.mode}`;
  if (filter !== undefined) examineCheck(filter, check, { place: checkPlace, expected, report });
  examineReading(listener, place, report);
  examineEarlyRemoval(listener.manager, place, { expected, report });
  examineUpgrades(listener.manager, place, report);
  examineFiltersBefore(filters, check, { place, report });
  examineFiltersAfter(filters, check, { place, expected, report });
  if (check.mode === "ext_authz" && expected.editsBodies) {
    examineSplice(filters, check, { place, report });
  } else if (check.mode === "ext_authz" && !flag(check.config, "clear_route_cache")) {
    report("route_kept", place);
  }
  if (listener.routes === undefined) {
    report("routes_unseen", place);
    return;
  }
  const wanted = bufferWanted(check.mode, expected);
  const listenerLimit = numberOf(listener.listener, "per_connection_buffer_limit_bytes");
  examineRoutes(listener.routes, place, {
    ...deps,
    check,
    bufferWanted: wanted,
    hasListenerLimit: (listenerLimit ?? 0) >= wanted,
    onOverride: (override) => {
      examineOverride(override, check.mode, { expected, report });
      const other = overrideClusters(override.config).find((name) => name !== check.cluster);
      if (other !== undefined) report("check_disabled", override.place, `asks ${other} instead`);
    },
  });
}

const underscores = ["ALLOW", "REJECT_REQUEST", "DROP_HEADER"];
const slashes = [
  "IMPLEMENTATION_SPECIFIC_DEFAULT",
  "KEEP_UNCHANGED",
  "REJECT_REQUEST",
  "UNESCAPE_AND_REDIRECT",
  "UNESCAPE_AND_FORWARD",
];

function examineReading({ manager }: HttpListener, place: string, report: Report): void {
  if (!flag(manager, "normalize_path")) report("path_not_normalized", place);
  if (!flag(manager, "merge_slashes")) report("slashes_not_merged", place);
  if (!flag(manager, "use_remote_address")) report("callers_believed", place);
  const escaped = enumOf(manager, "path_with_escaped_slashes_action", slashes) ?? slashes[0];
  if (escaped !== slashes[0] && escaped !== slashes[1]) report("slashes_unescaped", place, escaped);
  const common = at(manager, "common_http_protocol_options");
  const action = enumOf(common, "headers_with_underscores_action", underscores) ?? "ALLOW";
  if (action === "ALLOW") report("underscores_allowed", place);
  if (flag(manager, "proxy_100_continue")) report("expect_proxied", place);
  const http1 = at(manager, "http_protocol_options");
  if (flag(http1, "allow_chunked_length")) report("lenient_parsing", place, "allow_chunked_length");
  if (flag(at(manager, "http2_protocol_options"), "allow_connect")) {
    // Extended CONNECT is how HTTP/2 asks for a websocket; it is governed by upgrade_configs.
    const takesConnect = list(manager, "upgrade_configs").some(isConnect);
    if (takesConnect) report("connect_allowed", place, "allow_connect");
  }
}

function isConnect(upgrade: Node): boolean {
  return /^connect/i.test(text(upgrade, "upgrade_type") ?? "");
}

function examineUpgrades(manager: Node, place: string, report: Report): void {
  for (const upgrade of list(manager, "upgrade_configs")) {
    const type = text(upgrade, "upgrade_type") ?? "";
    if (isConnect(upgrade)) report("connect_allowed", place, type);
    if (list(upgrade, "filters").length > 0) report("upgrade_unchecked", place, type);
  }
}

/** What is taken off a request before its first route is chosen. */
function examineEarlyRemoval(
  manager: Node,
  place: string,
  { expected, report }: { expected: Expected; report: Report },
): void {
  const mutations = list(manager, "early_header_mutation_extensions")
    .map((extension) => typed(extension))
    .filter((config) => typeOf(config) === "HeaderMutation")
    .flatMap((config) => list(config, "mutations"));
  const removes = (name: string): boolean =>
    mutations.some((mutation) => text(mutation, "remove")?.toLowerCase() === name) ||
    mutations.some((mutation) => matchesName(at(mutation, "remove_on_match", "key_matcher"), name));
  for (const name of expected.modelHeaders) {
    if (!removes(name)) report("model_header_not_removed", place, name);
  }
  if (!removes("x-aliasguard-key")) report("identity_headers_not_removed", place);
  const set = mutations.filter((each) => field(each, "append") !== undefined).flatMap(mutated);
  for (const name of set) {
    if (expected.modelHeaders.includes(name)) report("model_header_overwritten", place, name);
  }
}

function matchesName(matcher: Node | undefined, name: string): boolean {
  const prefix = text(matcher, "prefix");
  const exact = text(matcher, "exact");
  if (exact?.toLowerCase() === name) return true;
  return prefix !== undefined && prefix !== "" && name.startsWith(prefix.toLowerCase());
}

function examineSplice(
  filters: readonly Node[],
  check: CheckFilter,
  { place, report }: { place: string; report: Report },
): void {
  const clears = flag(check.config, "clear_route_cache");
  const splice = findSplice(filters);
  if (splice === undefined) {
    report("splice_missing", place);
    if (!clears) report("route_kept", place);
    return;
  }
  if (splice.index < check.index) report("splice_before_check", place);
  if (splice.state === "differs") report("splice_differs", place);
  if (splice.state === "unseen") report("splice_unseen", place);
  const filter = filters[splice.index];
  if (flag(filter, "disabled")) report("splice_missing", place, "disabled: true");
  // The script chooses the route again by itself; one that nobody has seen may not.
  if (!clears && splice.state !== "same") report("route_kept", place);
}
