// The field numbers written by hand against the loaded protobuf definitions.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fields } from "../../../src/envoy/wire/fields.ts";
import { wireFields } from "../../../src/envoy/wire.ts";

/** Packages in the order in which a message's name is looked for. */
const places = [
  ...["envoy.service.auth.v3", "envoy.service.auth.v3.AttributeContext"],
  ...["envoy.service.ext_proc.v3", "envoy.extensions.filters.http.ext_proc.v3"],
  ...["envoy.config.core.v3", "envoy.type.v3", "google.rpc", "google.protobuf"],
];

function loaded(message: string): ReadonlyMap<string, number> {
  for (const place of places) {
    try {
      return wireFields(`${place}.${message}`);
    } catch {
      // It stands in another package.
    }
  }
  return assert.fail(`no message ${message}`);
}

test("fields has upstream's number of every field that it names", () => {
  let count = 0;
  for (const [message, numbers] of Object.entries(fields)) {
    const wanted = loaded(message);
    for (const [name, number] of Object.entries(numbers)) {
      assert.equal(wanted.get(name) ?? wanted.get(snakeCase(name)), number, `${message}.${name}`);
      count += 1;
    }
  }
  assert.ok(count > 60, String(count));
});

/** Google's own messages are written in camelCase even where names are kept. */
function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
