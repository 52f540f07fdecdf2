// The wire: hand-written types of the protobuf fields that are read or written, and the loaded definitions. What each check
// needs is read and written by hand in `wire/`; health and clients use the library, and tests compare all of it.

import { fileURLToPath } from "node:url";
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

export type WireHeader = {
  readonly key?: string;
  readonly value?: string;
  readonly raw_value?: Buffer;
};

/** `size` is an int64 read as a number: -1 is "unknown", 0 or absent is "not stated". */
export type WireHttpRequest = {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
  readonly size?: number;
  readonly body?: string;
  readonly raw_body?: Buffer;
  readonly header_map?: { readonly headers?: readonly WireHeader[] };
};

export type WireCheckRequest = {
  readonly attributes?: { readonly request?: { readonly http?: WireHttpRequest } };
};

/** Both ways of saying "overwrite": which one is read depends on the release of Envoy. */
export type WireHeaderOption = {
  readonly header: { readonly key: string; readonly value: string };
  readonly append: { readonly value: false };
  /** OVERWRITE_IF_EXISTS_OR_ADD. */
  readonly append_action: 2;
};

/** A google.protobuf.Value; exactly one kind, camelCase even with keepCase. Without a kind it aborts Envoy. */
export type WireValue =
  | { readonly stringValue: string }
  | { readonly numberValue: number }
  | { readonly structValue: WireStruct }
  | { readonly listValue: { readonly values: readonly WireValue[] } };

export type WireStruct = { readonly fields: Readonly<Record<string, WireValue>> };

export type WireCheckResponse = {
  readonly status: { readonly code: number };
  readonly dynamic_metadata: WireStruct;
} & (
  | {
      readonly ok_response: {
        readonly headers: readonly WireHeaderOption[];
        readonly headers_to_remove: readonly string[];
      };
    }
  | {
      readonly denied_response: {
        readonly status: { readonly code: number };
        readonly headers: readonly WireHeaderOption[];
        readonly body: string;
      };
    }
);

/** SERVING 1, NOT_SERVING 2, SERVICE_UNKNOWN 3. */
export type WireHealth = { readonly status: 1 | 2 | 3 };

export const authorizationService = "envoy.service.auth.v3.Authorization";
export const processorService = "envoy.service.ext_proc.v3.ExternalProcessor";
export const healthService = "grpc.health.v1.Health";

const protoRoot = fileURLToPath(new URL("../../proto", import.meta.url));

const definitions = loadSync(
  [
    "envoy/service/auth/v3/external_auth.proto",
    "envoy/service/ext_proc/v3/external_processor.proto",
    "grpc/health/v1/health.proto",
  ],
  { includeDirs: [protoRoot], keepCase: true, longs: Number, defaults: false, oneofs: false },
);

/** The service by its full name. Throws when the proto files do not hold it: a broken installation. */
export function wireService(name: string): ServiceDefinition {
  const definition = definitions[name];
  if (definition === undefined || "format" in definition) {
    throw new Error(`proto holds no service ${name}`);
  }
  return definition as ServiceDefinition;
}

type Described = {
  readonly name: string;
  readonly field: readonly { readonly name: string; readonly number: number }[];
  readonly nestedType: readonly Described[];
};

/** Names and numbers of a message's fields as loaded, for tests. A message within another is named behind it, with a dot. */
export function wireFields(name: string): ReadonlyMap<string, number> {
  const { field } = described(name);
  return new Map(field.map((one) => [one.name, one.number]));
}

function described(name: string): Described {
  const definition = definitions[name];
  if (definition !== undefined && "format" in definition) return definition.type as Described;
  const dot = name.lastIndexOf(".");
  const outer = dot === -1 ? undefined : described(name.slice(0, dot));
  const found = outer?.nestedType.find((each) => each.name === name.slice(dot + 1));
  if (found === undefined) throw new Error(`proto holds no message ${name}`);
  return found;
}

const checkMethod = wireService(authorizationService)["Check"] as MethodDefinition<
  WireCheckRequest,
  WireCheckResponse
>;

/**
 * By the protobuf library, as the three below: what the hand-written ways in `wire/` are held against, and what clients use.
 */
export function decodeCheckRequest(bytes: Buffer): WireCheckRequest {
  return checkMethod.requestDeserialize(bytes);
}

export function encodeCheckResponse(response: WireCheckResponse): Buffer {
  return checkMethod.responseSerialize(response);
}

export function encodeCheckRequest(request: WireCheckRequest): Buffer {
  return checkMethod.requestSerialize(request);
}

export function decodeCheckResponse(bytes: Buffer): WireCheckResponse {
  return checkMethod.responseDeserialize(bytes);
}

/** Where Envoy sends checks; registered with bytes in and bytes out. */
export const checkPath = checkMethod.path;

/** What the server needs of the loaded definitions. */
export type WireCodec = { readonly health: ServiceDefinition };

export const wireCodec: WireCodec = { health: wireService(healthService) };
