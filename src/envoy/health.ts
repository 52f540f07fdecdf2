// grpc.health.v1: SERVING while a policy is loaded and the process is not stopping. Kubernetes' probes and Envoy's
// grpc_health_check read it.

import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import { status as grpcStatus } from "@grpc/grpc-js";
import { authorizationService, type WireHealth } from "./wire.ts";

type Question = { readonly service?: string };
type HealthList = { readonly statuses: Readonly<Record<string, WireHealth>> };

export type Health = {
  /** For the server; the three methods of grpc.health.v1. */
  readonly implementation: {
    Check(call: ServerUnaryCall<Question, WireHealth>, callback: sendUnaryData<WireHealth>): void;
    List(call: ServerUnaryCall<unknown, HealthList>, callback: sendUnaryData<HealthList>): void;
    Watch(call: ServerWritableStream<Question, WireHealth>): void;
  };
  /** Tells the watchers when the answer is another than before. */
  changed(): void;
  /** Ends the watchers' streams, so that a drain does not wait for them. */
  endWatches(): void;
};

const names: ReadonlySet<string> = new Set(["", authorizationService]);

export function createHealth(isServing: () => boolean): Health {
  const watchers = new Map<ServerWritableStream<Question, WireHealth>, WireHealth["status"]>();
  const answer = (service: string): WireHealth["status"] => {
    if (!names.has(service)) return 3;
    return isServing() ? 1 : 2;
  };
  return {
    implementation: {
      Check(call, callback) {
        const status = answer(call.request.service ?? "");
        if (status === 3) callback({ code: grpcStatus.NOT_FOUND, details: "unknown service" });
        else callback(null, { status });
      },
      List(_call, callback) {
        const entries = [...names].map((name) => [name, { status: answer(name) }] as const);
        callback(null, { statuses: Object.fromEntries(entries) });
      },
      Watch(call) {
        const forget = (): void => {
          watchers.delete(call);
        };
        call.on("cancelled", forget);
        call.on("close", forget);
        call.on("error", forget);
        const status = answer(call.request.service ?? "");
        watchers.set(call, status);
        call.write({ status });
      },
    },
    changed() {
      for (const [call, before] of watchers) {
        const status = answer(call.request.service ?? "");
        if (status === before) continue;
        watchers.set(call, status);
        call.write({ status });
      }
    },
    endWatches() {
      for (const call of watchers.keys()) call.end();
      watchers.clear();
    },
  };
}
