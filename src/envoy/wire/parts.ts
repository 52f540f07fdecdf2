// What both protocols' answers are made of, written backwards: headers to set, names, and the metadata.

import type { WireHeaderOption, WireStruct, WireValue } from "../wire.ts";
import { entry, fields } from "./fields.ts";
import type { WireWriter } from "./writer.ts";

/** ext_proc reads `raw_value` only, where ext_authz reads `value` only. */
export type AnyHeaderOption = Pick<WireHeaderOption, "append" | "append_action"> & {
  readonly header: {
    readonly key: string;
    readonly value?: string;
    readonly raw_value?: Uint8Array;
  };
};

export function writeHeaderOptions(
  writer: WireWriter,
  field: number,
  options: readonly AnyHeaderOption[],
): void {
  for (let at = options.length - 1; at >= 0; at -= 1) {
    const option = options[at];
    if (option === undefined) continue;
    const mark = writer.mark();
    writer.number(fields.HeaderValueOption.append_action, option.append_action);
    const append = writer.mark();
    writer.number(fields.BoolValue.value, option.append.value ? 1 : 0);
    writer.head(fields.HeaderValueOption.append, append);
    const header = writer.mark();
    const { key, value, raw_value } = option.header;
    if (raw_value !== undefined) writer.raw(fields.HeaderValue.raw_value, raw_value);
    if (value !== undefined) writer.string(fields.HeaderValue.value, value);
    writer.string(fields.HeaderValue.key, key);
    writer.head(fields.HeaderValueOption.header, header);
    writer.head(field, mark);
  }
}

export function writeStrings(writer: WireWriter, field: number, values: readonly string[]): void {
  for (let at = values.length - 1; at >= 0; at -= 1) writer.string(field, values[at] ?? "");
}

/** A message whose only field is a number: a status. */
export function writeCode(writer: WireWriter, field: number, code: number): void {
  const mark = writer.mark();
  writer.number(fields.Status.code, code);
  writer.head(field, mark);
}

export function writeStruct(writer: WireWriter, field: number, struct: WireStruct): void {
  const mark = writer.mark();
  const names = Object.keys(struct.fields);
  for (let at = names.length - 1; at >= 0; at -= 1) {
    const name = names[at] ?? "";
    const value = struct.fields[name];
    if (value === undefined) continue;
    const member = writer.mark();
    writeValue(writer, entry.value, value);
    writer.string(entry.key, name);
    writer.head(fields.Struct.fields, member);
  }
  writer.head(field, mark);
}

function writeValue(writer: WireWriter, field: number, value: WireValue): void {
  const mark = writer.mark();
  if ("stringValue" in value) writer.string(fields.Value.stringValue, value.stringValue);
  else if ("numberValue" in value) writer.double(fields.Value.numberValue, value.numberValue);
  else if ("structValue" in value) {
    writeStruct(writer, fields.Value.structValue, value.structValue);
  } else {
    const { values } = value.listValue;
    const list = writer.mark();
    for (let at = values.length - 1; at >= 0; at -= 1) {
      const each = values[at];
      if (each !== undefined) writeValue(writer, fields.ListValue.values, each);
    }
    writer.head(fields.Value.listValue, list);
  }
  writer.head(field, mark);
}
