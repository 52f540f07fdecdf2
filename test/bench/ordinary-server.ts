// The server that one would write in an afternoon, as a base of the bench: grpc-js, proto-loader, JSON.parse, Maps and
// prom-client, with the answer of ours.

import { createHash } from "node:crypto";
import { Server, ServerCredentials, type ServiceDefinition } from "@grpc/grpc-js";
import { Counter, Histogram, Registry } from "prom-client";
import {
  authorizationService,
  decodeCheckResponse,
  type WireCheckRequest,
  type WireCheckResponse,
  wireService,
} from "../../src/envoy/wire.ts";
import { benchSecret } from "./agent-body.ts";

const refused: WireCheckResponse = {
  status: { code: 7 },
  denied_response: { status: { code: 403 }, headers: [], body: "" },
  dynamic_metadata: { fields: {} },
};

/** Gives the bound address. `answer` is the message that an allowed check gets. */
export function startOrdinary(keyCount: number, answer: Buffer): Promise<string> {
  const allowed = decodeCheckResponse(answer);
  const registers = [new Registry()];
  const checks = new Counter({
    ...{ name: "checks", help: "Checks.", labelNames: ["decision", "operation"], registers },
  });
  const seconds = new Histogram({ name: "seconds", help: "Seconds.", registers });
  const keys = new Map(
    Array.from({ length: keyCount }, (_, at) => {
      const digest = createHash("sha256").update(benchSecret(at)).digest("hex");
      return [digest, { models: new Set(["vendor/model"]) }] as const;
    }),
  );
  const aliases = new Map([["alias", "vendor/model"]]);

  function check(request: WireCheckRequest): WireCheckResponse {
    const http = request.attributes?.request?.http;
    const token = http?.headers?.["authorization"]?.replace(/^Bearer /, "") ?? "";
    const key = keys.get(createHash("sha256").update(token).digest("hex"));
    const body: unknown = JSON.parse(http?.raw_body?.toString() ?? "null");
    if (typeof body !== "object" || body === null || !("model" in body)) return refused;
    const model = aliases.get(String(body.model)) ?? "";
    return key?.models.has(model) === true ? allowed : refused;
  }

  const server = new Server({ "grpc.max_receive_message_length": -1 });
  server.addService(wireService(authorizationService) as ServiceDefinition, {
    Check(call: { request: WireCheckRequest }, callback: (error: null, value: unknown) => void) {
      const end = seconds.startTimer();
      const response = check(call.request);
      checks.inc({ decision: "ok_response" in response ? "allow" : "deny", operation: "chat" });
      end();
      callback(null, response);
    },
  });
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
      if (error !== null) reject(error);
      else resolve(`127.0.0.1:${port}`);
    });
  });
}
