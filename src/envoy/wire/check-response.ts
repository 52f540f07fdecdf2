// A CheckResponse to its bytes, the same that the protobuf library writes.

import type { WireCheckResponse } from "../wire.ts";
import { fields } from "./fields.ts";
import { writeCode, writeHeaderOptions, writeStrings, writeStruct } from "./parts.ts";
import { WireWriter } from "./writer.ts";

const writer = new WireWriter();

/** Throws on nothing that its type allows. */
export function writeCheckResponse(response: WireCheckResponse): Buffer {
  writer.reset();
  writeStruct(writer, fields.CheckResponse.dynamic_metadata, response.dynamic_metadata);
  const mark = writer.mark();
  if ("ok_response" in response) {
    const { headers, headers_to_remove } = response.ok_response;
    writeStrings(writer, fields.OkHttpResponse.headers_to_remove, headers_to_remove);
    writeHeaderOptions(writer, fields.OkHttpResponse.headers, headers);
    writer.head(fields.CheckResponse.ok_response, mark);
  } else {
    const { status, headers, body } = response.denied_response;
    writer.string(fields.DeniedHttpResponse.body, body);
    writeHeaderOptions(writer, fields.DeniedHttpResponse.headers, headers);
    writeCode(writer, fields.DeniedHttpResponse.status, status.code);
    writer.head(fields.CheckResponse.denied_response, mark);
  }
  writeCode(writer, fields.CheckResponse.status, response.status.code);
  return writer.take();
}
