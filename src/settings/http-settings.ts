// The settings of headers, paths and the key's carriers: texts -> values, each checked against the others.

import type { DecisionSettings } from "../core/decision-settings.ts";
import { type KeyCarrier, keyCarriers } from "../core/http/credential.ts";
import { isForwardableHeader } from "../core/http/header-rules.ts";
import type { RouteSettings } from "../core/http/routes.ts";
import { hasTwoMeanings, isModelRoute, isPathPrefixPair, isUncheckedRoute } from "./grammar.ts";
import type { SettingReader, SettingText } from "./input.ts";

type HttpFlag =
  | "key-carriers"
  | "forward-headers"
  | "path-prefixes"
  | "realtime"
  | "unchecked-routes"
  | "model-routes";

export type HttpSettings = RouteSettings & Pick<DecisionSettings, "keyCarriers" | "forwardHeaders">;

export function readHttpSettings(
  read: (flag: HttpFlag) => SettingText,
  reader: SettingReader,
  modelHeaders: readonly string[],
): HttpSettings {
  const routes = {
    pathPrefixes: readPathPrefixes(read("path-prefixes"), reader),
    realtime: reader.choice(read("realtime"), ["true", "false"] as const) === "true",
    uncheckedRoutes: readRoutes(read("unchecked-routes"), reader),
    modelRoutes: [],
  };
  return {
    ...routes,
    modelRoutes: readModelRoutes(read("model-routes"), reader, routes),
    keyCarriers: readKeyCarriers(read("key-carriers"), reader),
    forwardHeaders: reader.optional(
      read("forward-headers"),
      (name) => isForwardableHeader(name, modelHeaders),
      "a lower-case header name or prefix-*, of nothing that carries the model, the key or x-aliasguard-*",
    ),
  };
}

function readPathPrefixes(given: SettingText, reader: SettingReader): readonly string[] {
  const wanted = "a path like /v1, or nothing, and perhaps = and what the backend gets";
  const pairs = reader.list(given, isPathPrefixPair, wanted);
  if (hasTwoMeanings(pairs)) reader.wrong(given, "prefixes that differ");
  return pairs;
}

function readKeyCarriers(given: SettingText, reader: SettingReader): readonly KeyCarrier[] {
  const wanted = `one or more of ${keyCarriers.join(", ")}`;
  const isCarrier = (text: string): text is KeyCarrier => keyCarriers.some((each) => each === text);
  return reader.list(given, isCarrier, wanted).filter(isCarrier);
}

export function readRoutes(given: SettingText, reader: SettingReader): readonly string[] {
  const wanted = "METHOD /path that is not checked otherwise; {id} stands for one segment";
  return reader.optional(given, isUncheckedRoute, wanted);
}

function readModelRoutes(
  given: SettingText,
  reader: SettingReader,
  routes: RouteSettings,
): readonly string[] {
  const wanted = "POST /path and perhaps a dialect, a path that is not served otherwise";
  const list = reader.optional(given, (route) => isModelRoute(route, routes), wanted);
  const paths = new Set(list.map((route) => route.split(" ")[1]));
  if (paths.size < list.length) reader.wrong(given, "paths that differ");
  return list;
}
