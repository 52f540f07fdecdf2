// The requests of `aliasguard probe`, and what a whole chain answers to each. Pure: a list made from what was asked for.

import { denials } from "../../core/denials.ts";

/** What is probed, in the order of sending. */
export const probeSteps = {
  alias: "an alias is served",
  no_key: "a request without a key is refused",
  no_key_spoofed: "and so it is with a model header of the caller's",
  forbidden: "a model that the key may not use is refused",
  forbidden_spoofed: "and so it is with a header that names an allowed one",
  alias_spoofed: "a caller's own model header changes nothing",
  big_first: "an alias at the beginning of a big body is served",
  big_last: "an alias at the end of a big body is served",
  big_forbidden: "a forbidden model at the end of a big body is refused",
  http2: "an alias is served over HTTP/2",
  http2_big: "an alias at the end of a big body is served over HTTP/2",
  http2_forbidden: "a forbidden model is refused over HTTP/2",
  http2_no_key: "a request without a key is refused over HTTP/2",
  upgrade: "an upgrade of a POST is refused",
  unknown_path: "a path that no API has is refused",
  pending_path: "the path of pending edits is closed to callers",
} as const;

export type ProbeStep = keyof typeof probeSteps;

/** What a whole chain answers: the backend's answer, a refusal of the authorizer's, or any refusal of an upgrade. */
export type Wanted =
  | { readonly kind: "served" }
  | { readonly kind: "refused"; readonly status: number; readonly code: string }
  | { readonly kind: "no_upgrade" };

export type ProbeRequest = {
  readonly step: ProbeStep;
  readonly protocol: "http1" | "http2";
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  readonly wanted: Wanted;
};

export type ProbeOptions = {
  readonly key: string;
  readonly alias: string;
  /** A model that the key may not use. */
  readonly forbidden: string;
  /** Headers that backends are chosen by. */
  readonly modelHeaders: readonly string[];
  /** Size of the big bodies, in bytes. */
  readonly bodyBytes: number;
};

const chatPath = "/v1/chat/completions";
const served: Wanted = { kind: "served" };
const refused = (reason: keyof typeof denials): Wanted => ({ kind: "refused", ...denials[reason] });

export function probeRequests(options: ProbeOptions): readonly ProbeRequest[] {
  const { key, alias, forbidden, modelHeaders, bodyBytes } = options;
  const authorization = ["authorization", `Bearer ${key}`] as const;
  const spoof = (model: string) => modelHeaders.map((name) => [name, model] as const);
  const request = (step: ProbeStep, model: string, wanted: Wanted): ProbeRequest => ({
    step,
    protocol: "http1",
    path: chatPath,
    headers: [authorization],
    body: chat(model),
    wanted,
  });
  const without = refused("key_missing");
  const no = refused("model_not_granted");
  const unknown = refused("route_not_allowed");
  const upgrade = [
    ["connection", "Upgrade"],
    ["upgrade", "websocket"],
  ] as const;
  return [
    request("alias", alias, served),
    { ...request("no_key", alias, without), headers: [] },
    { ...request("no_key_spoofed", alias, without), headers: spoof(forbidden) },
    request("forbidden", forbidden, no),
    { ...request("forbidden_spoofed", forbidden, no), headers: [authorization, ...spoof(alias)] },
    { ...request("alias_spoofed", alias, served), headers: [authorization, ...spoof(forbidden)] },
    { ...request("big_first", alias, served), body: bigChat(alias, bodyBytes, "first") },
    { ...request("big_last", alias, served), body: bigChat(alias, bodyBytes, "last") },
    { ...request("big_forbidden", forbidden, no), body: bigChat(forbidden, bodyBytes, "last") },
    { ...request("http2", alias, served), protocol: "http2" },
    {
      ...request("http2_big", alias, served),
      protocol: "http2",
      body: bigChat(alias, bodyBytes, "last"),
    },
    { ...request("http2_forbidden", forbidden, no), protocol: "http2" },
    { ...request("http2_no_key", alias, without), protocol: "http2", headers: [] },
    {
      ...request("upgrade", alias, { kind: "no_upgrade" }),
      headers: [authorization, ...upgrade],
    },
    { ...request("unknown_path", alias, unknown), path: "/v1/aliasguard-probe" },
    { ...request("pending_path", alias, unknown), path: `/aliasguard-rewrite-pending${chatPath}` },
  ];
}

const messages = '"messages":[{"role":"user","content":"Say hi."}]';

function chat(model: string): string {
  return `{"model":${JSON.stringify(model)},${messages}}`;
}

/** Filled with white space, which costs no tokens. */
function bigChat(model: string, bytes: number, place: "first" | "last"): string {
  const named = `"model":${JSON.stringify(model)}`;
  const filler = " ".repeat(Math.max(0, bytes - Buffer.byteLength(chat(model))));
  return place === "first" ? `{${named},${filler}${messages}}` : `{${messages},${filler}${named}}`;
}
