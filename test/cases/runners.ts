// The four ways a case is run: the decision itself, a real gRPC client against the real server over ext_authz and over
// ext_proc, and `check`. If they differ, an adapter is wrong.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { runCheck } from "../../src/commands/check/check.ts";
import { createDecider, type Decide, type Decider } from "../../src/core/decide.ts";
import type { Decision } from "../../src/core/decision.ts";
import type { Snapshot } from "../../src/core/permission/snapshot.ts";
import type { AuthzRequest } from "../../src/core/request.ts";
import { createCheckHandler } from "../../src/envoy/ext-authz/handler.ts";
import { createProcessHandler, type ProcessDeps } from "../../src/envoy/ext-proc/handler.ts";
import type { ResponseModel } from "../../src/envoy/ext-proc/response-side.ts";
import type {
  WireProcessingRequest,
  WireProcessingResponse,
} from "../../src/envoy/ext-proc/wire.ts";
import { createHealth } from "../../src/envoy/grpc/health.ts";
import { createEnvoyServer } from "../../src/envoy/server.ts";
import {
  checkPath,
  decodeCheckResponse,
  encodeCheckRequest,
  type WireCheckResponse,
  type WireHttpRequest,
  wireCodec,
} from "../../src/envoy/wire.ts";
import { recordOutput } from "../commands/output-recorder.ts";
import { createProcessClient, messagesOf } from "../support/process-client.ts";
import type { Case, CaseFile } from "./case-files.ts";

export function decideCase(each: Case, snapshot: Snapshot | undefined): Decision {
  const { nowMs, draw } = each;
  return createDecider(each.settings).decide(snapshot, each.request, { nowMs, draw });
}

export type CaseServer = {
  /** The answer to both wire forms of the headers, which must be the same bytes. */
  check(each: Case, snapshot: Snapshot | undefined): Promise<WireCheckResponse>;
  /**
   * The last answer of an ext_proc stream to its request, with and without trailers behind the body, which must be the same; and
   * where responses are read too, but that they are asked for without an encoding.
   */
  process(each: Case, snapshot: Snapshot | undefined): Promise<WireProcessingResponse>;
  /** The answer to a check that holds `http` and nothing else. */
  checkRaw(http: WireHttpRequest | undefined, decide: Decide): Promise<WireCheckResponse>;
  stop(): Promise<void>;
};

type Now = Decider & {
  readonly snapshot: Snapshot | undefined;
  readonly nowMs: number;
  readonly draw: number;
};

/** One server on a free loopback port; what it decides with is changed between the calls. */
export async function startCaseServer(): Promise<CaseServer> {
  let now: Now | undefined;
  const deps: ProcessDeps = {
    decide: (...given) => {
      assert.ok(now !== undefined);
      return now.decide(...given);
    },
    holder: { current: () => now?.snapshot },
    nowMs: () => now?.nowMs ?? 0,
    monotonicUs: () => 0,
    random: () => now?.draw ?? 0,
    observe: () => {},
    reportBug: () => {},
    decideHeaders: (...given) => {
      assert.ok(now !== undefined);
      return now.decideHeaders(...given);
    },
  };
  const handler = createCheckHandler(deps);
  const withResponses = (model: ResponseModel): ProcessDeps => {
    return { ...deps, responses: { model, observe: () => {} } };
  };
  const ignoring = createProcessHandler(deps);
  const reading = (["count", "requested"] as const).map(withResponses).map(createProcessHandler);
  let processes = ignoring;
  const processHandler = { open: () => processes.open() };
  const limits = { bodyBytesMax: 33_554_432, inFlightBytesMax: 268_435_456, waitingChecksMax: 10 };
  const rest = { concurrentStreamsMax: 100, socketMode: 0o600, connectionAgeMs: 0 };
  const server = createEnvoyServer(
    { listen: ["127.0.0.1:0"], ...limits, ...rest },
    {
      codec: wireCodec,
      handler,
      processHandler,
      health: createHealth(() => true),
      nowMs: Date.now,
      onCallEnd: () => {},
    },
  );
  const [address = ""] = await server.listen();
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.max_send_message_length": -1,
  });
  const processClient = createProcessClient(address);
  return {
    async check(each, snapshot) {
      const { nowMs, draw, settings } = each;
      now = { ...createDecider(settings), snapshot, nowMs, draw };
      const asMap = await call(client, toHttp(each.request, "map"));
      const asList = await call(client, toHttp(each.request, "list"));
      assert.deepEqual(asList, asMap, "both wire forms of headers give one answer");
      return decodeCheckResponse(asMap);
    },
    async process(each, snapshot) {
      const { nowMs, draw, settings, request } = each;
      now = { ...createDecider(settings), snapshot, nowMs, draw };
      const plain = await processClient.ask(messagesOf(request));
      const withTrailers = await processClient.ask(messagesOf(request, { hasTrailers: true }));
      assert.deepEqual(withTrailers, plain, "trailers behind the body change nothing");
      assert.equal(plain.code, 0, "the RPC never fails");
      const last = plain.responses.at(-1);
      assert.ok(last !== undefined);
      for (const each of reading) {
        processes = each;
        const read = await processClient.ask([...messagesOf(request), ...responseMessages]);
        assert.equal(read.code, 0, "the RPC never fails");
        const ofRequest = read.responses.filter((one) => !isOfResponse(one)).at(-1);
        assert.deepEqual(
          withEncoding(ofRequest),
          last,
          "that the response is read changes nothing",
        );
      }
      processes = ignoring;
      return last;
    },
    async checkRaw(http, decide) {
      now = { decide, decideHeaders: decide, snapshot: undefined, nowMs: 0, draw: 0 };
      return decodeCheckResponse(await call(client, http));
    },
    async stop() {
      client.close();
      processClient.close();
      await server.stop(1000);
    },
  };
}

/** What Envoy sends behind an allow whose response is read. */
const responseMessages: readonly WireProcessingRequest[] = [
  {
    response_headers: {
      headers: {
        headers: [
          { key: ":status", raw_value: Buffer.from("200") },
          { key: "content-type", raw_value: Buffer.from("application/json") },
        ],
      },
    },
  },
  { response_body: { body: Buffer.from('{"model":"any"}'), end_of_stream: true } },
];

function isOfResponse(response: WireProcessingResponse): boolean {
  return "response_headers" in response || "response_body" in response;
}

/** The answer without the one header that is removed only where the response is read. */
function withEncoding(response: WireProcessingResponse | undefined): unknown {
  if (response === undefined || !("request_body" in response)) return response;
  const { header_mutation: mutation, ...common } = response.request_body.response;
  const remove_headers = mutation?.remove_headers?.filter((name) => name !== "accept-encoding");
  const header_mutation = { ...mutation, remove_headers };
  return { ...response, request_body: { response: { ...common, header_mutation } } };
}

const asIs = (bytes: Buffer): Buffer => bytes;

function call(client: Client, http: WireHttpRequest | undefined): Promise<Buffer> {
  const bytes = encodeCheckRequest({ attributes: { request: http === undefined ? {} : { http } } });
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(checkPath, asIs, asIs, bytes, (error, value) => {
      if (error === null && value !== undefined) resolve(value);
      else reject(error ?? new Error("no answer"));
    });
  });
}

/** As Envoy sends it: pseudo headers among the others. */
function toHttp({ method, path, headers, body }: AuthzRequest, form: "map" | "list") {
  const all = new Map([
    [":method", method],
    [":path", path],
    [":authority", "gateway"],
    ...headers,
  ]);
  const list = [...all].map(([key, value]) => ({ key, raw_value: Buffer.from(value, "utf8") }));
  return {
    method,
    path,
    ...(form === "map" ? { headers: Object.fromEntries(all) } : { header_map: { headers: list } }),
    ...toWireBody(body),
  };
}

function toWireBody(body: AuthzRequest["body"]): WireHttpRequest {
  if (body.kind === "none") return { size: 0 };
  const size = body.declaredBytes ?? 0;
  if (body.kind === "text") return { body: body.text, size };
  return body.bytes.length === 0 ? { size: 0 } : { raw_body: Buffer.from(body.bytes), size };
}

/** Whether ext_proc can ask: it has no words for a body that Envoy cut or turned into text. */
export function isForProcess({ request: { body, headers } }: Case): boolean {
  if (headers.has("x-envoy-auth-partial-body")) return false;
  return body.kind === "none" || (body.kind === "bytes" && body.declaredBytes === undefined);
}

/** Whether `check` can be asked: it has no flag for a body that Envoy cut or turned into text, nor for no policy. */
export function isForCheck({ policy }: CaseFile, { request }: Case): boolean {
  const { body } = request;
  if (policy === undefined || body.kind === "text") return false;
  return body.kind === "none" || body.declaredBytes === undefined;
}

/** `folder` is for the body. */
export async function runCheckCommand(
  each: Case,
  { policyFile, folder }: { readonly policyFile: string; readonly folder: string },
): Promise<{ readonly decision: Decision; readonly code: number }> {
  const { method, path, headers, body } = each.request;
  const args = ["--policy", policyFile, "--json", "--method", method, `--path=${path}`];
  for (const [name, value] of headers) args.push(`--header=${name}: ${value}`);
  if (!headers.has("content-type")) args.push("--header=content-type:");
  if (body.kind === "bytes") {
    const file = join(folder, "body");
    writeFileSync(file, body.bytes);
    args.push("--body", file);
  }
  const output = recordOutput();
  const { nowMs, draw } = each;
  const code = await runCheck([...args, ...each.flags], { ...output, env: {} }, { nowMs, draw });
  const { stdout, stderr } = output.printed();
  assert.equal(stderr, "");
  const decision: Decision = JSON.parse(stdout);
  return { decision, code };
}
