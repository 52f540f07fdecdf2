// What `check` prints: a decision, or a server's answer, step by step.

import type { AllowDecision, Decision, PassDecision } from "../../core/decision.ts";
import { denials } from "../../core/denials.ts";
import { denialEnvelope } from "../../core/envelope.ts";
import { keyParameter } from "../../core/http/query-rules.ts";
import { editTarget, splitTarget } from "../../core/http/target.ts";
import { upstreamCredentialHeaders } from "../../core/permission/snapshot.ts";
import type { AuthzRequest } from "../../core/request.ts";
import type { WireCheckResponse, WireStruct } from "../../envoy/wire.ts";

type Lines = [name: string, text: string][];

function print(lines: Lines): string {
  return lines.map(([name, text]) => `${name.padEnd(10)} ${text}\n`).join("");
}

const hidden: ReadonlySet<string> = new Set(upstreamCredentialHeaders);

/** A key may stand in the query, and is not repeated. */
function shownTarget(path: string): string {
  return editTarget(splitTarget(path), { replace: new Map([[keyParameter, "(hidden)"]]) });
}

/** The answer without the credential that the server puts there for the backend. */
export function withoutCredential(answer: WireCheckResponse): WireCheckResponse {
  if (!("ok_response" in answer)) return answer;
  const headers = answer.ok_response.headers.map((each) =>
    hidden.has(each.header.key) ? { ...each, header: { ...each.header, value: "(hidden)" } } : each,
  );
  return { ...answer, ok_response: { ...answer.ok_response, headers } };
}

/** The answer of a running authorizer, as far as it tells: reasons are in its log. */
export function explainAnswer(request: AuthzRequest, answer: WireCheckResponse): string {
  const lines: Lines = [["request", `${request.method} ${shownTarget(request.path)}`]];
  const metadata = answer.dynamic_metadata as WireStruct | undefined;
  for (const [name, value] of Object.entries(metadata?.fields ?? {})) {
    if ("stringValue" in value) lines.push([name.replaceAll("_", " "), value.stringValue]);
  }
  if ("ok_response" in answer) {
    for (const { header } of answer.ok_response.headers) {
      lines.push(["sets", `${header.key}: ${header.value}`]);
    }
    for (const name of answer.ok_response.headers_to_remove ?? []) {
      if (request.headers.has(name)) lines.push(["removes", name]);
    }
  } else if ("denied_response" in answer) {
    const { status, body } = answer.denied_response;
    lines.push(["answer", `${status.code} ${body}`]);
  }
  return print(lines);
}

/** Each header that the backend does not get, and why. The key's own carriers are not said. */
function droppedLines({ droppedHeaders = [] }: AllowDecision | PassDecision): Lines {
  return droppedHeaders.map(({ name, kind, row }) => {
    const setting = {
      credential: "keep-credentials",
      unknown: "forward-headers",
      routing: undefined,
    };
    const why = row === undefined ? "a header that nobody knows" : `${kind}: ${row}`;
    const how = setting[kind] === undefined ? "" : `; --${setting[kind]} lets it through`;
    return ["drops", `${name} (${why}${how})`];
  });
}

/** A decision made here, with what only the operator may know. */
export function explain(request: AuthzRequest, decision: Decision): string {
  const lines: Lines = [["request", `${request.method} ${shownTarget(request.path)}`]];
  if (decision.operation !== undefined) {
    lines.push(["operation", `${decision.operation} (${decision.dialect})`]);
  }
  if (decision.key !== undefined) {
    lines.push([
      "key",
      decision.key + (decision.team === undefined ? "" : `, team ${decision.team}`),
    ]);
  }
  if (decision.requestedModel !== undefined) lines.push(["requested", decision.requestedModel]);
  switch (decision.kind) {
    case "allow":
      lines.push(
        ["resolved", [...decision.hops, decision.model].join(" -> ")],
        ["decision", "allow"],
      );
      for (const [name, value] of decision.setHeaders) lines.push(["sets", `${name}: ${value}`]);
      if (decision.path !== undefined) lines.push(["sets", `:path: ${shownTarget(decision.path)}`]);
      if (decision.upstreamCredential !== undefined) {
        const { name, header } = decision.upstreamCredential;
        lines.push(["credential", `${name}, in ${header}`]);
      }
      lines.push(...droppedLines(decision));
      for (const { offset, old, new: put } of decision.bodyEdits) {
        lines.push(["edits", `byte ${offset}: ${old} becomes ${put}`]);
      }
      break;
    case "pass":
      lines.push(["decision", "let through unchecked, for the setting unchecked-routes says so"]);
      for (const [name, value] of decision.setHeaders) lines.push(["sets", `${name}: ${value}`]);
      if (decision.path !== undefined) lines.push(["sets", `:path: ${shownTarget(decision.path)}`]);
      lines.push(...droppedLines(decision));
      break;
    case "answer":
      lines.push(["decision", "answered by the gateway"], ["body", decision.body]);
      break;
    case "deny": {
      const { reason, trace } = decision;
      if (trace !== undefined) {
        const whose =
          trace.refusedBy === undefined
            ? "leads nowhere"
            : `not allowed by the ${trace.refusedBy}'s grants`;
        lines.push(["refused", `${[...trace.hops, trace.model].join(" -> ")}: ${whose}`]);
      }
      lines.push(["decision", `deny: ${reason}`]);
      lines.push(["answer", `${denials[reason].status} ${denialEnvelope(decision).body}`]);
      break;
    }
    default:
      return decision satisfies never;
  }
  if (decision.revision !== undefined) lines.push(["revision", decision.revision]);
  return print(lines);
}
