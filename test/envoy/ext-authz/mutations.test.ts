// Messages that no Envoy sends: repeated fields and 20,000 seeded mutations for each protocol. None fails, none crashes, and
// none is allowed another model than its own body says once the edits are made. test/bench/mutations.ts runs a million.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathInPrefix, readCheckRequest } from "../../../src/envoy/ext-authz/request.ts";
import {
  attributes,
  chat,
  clean,
  cleanStream,
  createAsker,
  createStreamAsker,
  field,
  header,
  headFields,
  http,
  model,
  other,
  otherStream,
  path,
  runMutatedChecks,
  runMutatedStreams,
} from "../mutated-messages.ts";

for (const [name, run] of [
  ["checks", runMutatedChecks],
  ["ext_proc streams", runMutatedStreams],
] as const) {
  test(`handle and take answer 20,000 mutated ${name}, and what they allow runs the model they authorized`, () => {
    const { count, allowed, allows, bugs } = run(20_000, 20_261_124);
    assert.deepEqual(bugs, []);
    assert.equal(count, 20_000);
    assert.ok(allows > 100, "some are harmless");
    // A model authorized and another one sent would be a second entry.
    assert.deepEqual([...allowed], [model]);
  });
}

test("take allows the clean stream and refuses its twin with another model", () => {
  const { ask } = createStreamAsker();
  assert.deepEqual([ask(cleanStream)[0].kind, ask(cleanStream)[1]], ["allow", model]);
  assert.equal(ask(otherStream)[0].kind, "deny");
});

test("handle allows the clean check and refuses its twin with another model", () => {
  const { ask } = createAsker();
  assert.equal(ask(attributes(http(...clean))).kind, "allow");
  assert.equal(ask(attributes(http(...other))).kind, "deny");
});

/** Each pair: what stands twice, and the message that it must count as: the last one, alone. */
const repeated: readonly (readonly [string, Buffer, Buffer])[] = [
  ["two raw bodies", attributes(http(...other, field(12, chat))), attributes(http(...clean))],
  [
    "two raw bodies, the good one first",
    attributes(http(...clean, field(12, "{}"))),
    attributes(http(...headFields, field(12, "{}"))),
  ],
  ["two http messages", attributes(http(...other), http(...clean)), attributes(http(...clean))],
  [
    "two http messages, the last a part",
    attributes(http(...clean), http(path)),
    attributes(http(path)),
  ],
  [
    "two attributes",
    Buffer.concat([attributes(http(...other)), attributes(http(...clean))]),
    attributes(http(...clean)),
  ],
  [
    "two attributes, the last a part",
    Buffer.concat([attributes(http(...clean)), attributes(http(path))]),
    attributes(http(path)),
  ],
  [
    "one header twice in the map",
    attributes(http(header("authorization", "Bearer x"), ...clean)),
    attributes(http(...clean)),
  ],
];

for (const [name, bytes, last] of repeated) {
  test(`readCheckRequest takes ${name} as the last of them alone`, () => {
    const read = readCheckRequest(bytes);
    assert.deepEqual(read, readCheckRequest(last));
    assert.equal(createAsker().ask(bytes).kind, createAsker().ask(last).kind);
  });
}

test("readCheckRequest keeps headers of the map that are named like an object's property", () => {
  const names = ["__proto__", "constructor", "hasOwnProperty", "toString"];
  const message = attributes(http(path, ...names.map((name) => header(name, `of ${name}`))));
  const read = readCheckRequest(message);
  assert.notEqual(read, "unreadable");
  const headers = read === "unreadable" ? [] : [...read.headers];
  assert.deepEqual(
    new Map(headers),
    new Map(names.map((name) => [name.toLowerCase(), `of ${name}`])),
  );
});

test("pathInPrefix finds the path in a check that is cut behind it, and nothing in other bytes", () => {
  const message = attributes(http(...clean));
  assert.equal(pathInPrefix(message.subarray(0, message.length - 20)), "/v1/chat/completions");
  assert.equal(pathInPrefix(message), "/v1/chat/completions");
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.alloc(99, 0xff),
    Buffer.from([0x0a]),
    message.subarray(0, 9),
  ]) {
    assert.equal(pathInPrefix(bytes), undefined);
  }
});
