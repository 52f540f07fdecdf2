// Which header carries the key, what is malformed, and which keys count when.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import {
  authenticate,
  credentialCarriers,
  keyCarriers,
  presentedKeyId,
  publicKeyId,
  readKeyDigest,
} from "../../../src/core/http/credential.ts";
import { key, secret, snapshot } from "../snapshot-builder.ts";

const digest = hash("sha256", secret, "hex");

function read(headers: Readonly<Record<string, string>>, query = ""): string {
  const result = readKeyDigest(new Map(Object.entries(headers)), query);
  return result.ok ? result.digest : result.reason;
}

test("readKeyDigest takes the key from each carrier", () => {
  for (const carrier of credentialCarriers) {
    const value = carrier === "authorization" ? `Bearer ${secret}` : secret;
    assert.equal(read({ [carrier]: value }), digest, carrier);
  }
  assert.equal(read({ "x-litellm-api-key": `Bearer ${secret}` }), digest);
  assert.equal(read({ authorization: `bearer  ${secret}` }), digest);
});

test("readKeyDigest finds no key where none was sent", () => {
  assert.equal(read({}), "key_missing");
  assert.equal(read({ authorization: "", "x-api-key": " " }), "key_missing");
  assert.equal(read({ cookie: `key=${secret}`, "x-key": secret }), "key_missing");
});

test("readKeyDigest refuses what is no key", () => {
  for (const authorization of [
    secret,
    `Basic ${secret}`,
    "Bearer",
    "Bearer ",
    "Bearer short",
    `Bearer ${secret} ${secret}`,
    `Bearer ${secret}é`,
    `Bearer ${"x".repeat(513)}`,
  ]) {
    assert.equal(read({ authorization }), "key_malformed", authorization.slice(0, 40));
  }
  assert.equal(read({ "x-api-key": `Bearer ${secret}` }), "key_malformed");
});

test("readKeyDigest takes one key in two carriers for one, and two keys for none", () => {
  assert.equal(read({ authorization: `Bearer ${secret}`, "api-key": secret }), digest);
  assert.equal(
    read({ authorization: `Bearer ${secret}`, "api-key": `${secret}x` }),
    "key_ambiguous",
  );
  assert.equal(read({ authorization: `Bearer ${secret},Bearer ${secret}` }), "key_ambiguous");
  assert.equal(read({ "x-api-key": `${secret},${secret}` }), "key_ambiguous");
});

test("readKeyDigest never takes a digest for a credential", () => {
  const presented = read({ authorization: `Bearer ${digest}` });
  assert.notEqual(presented, digest);
  assert.equal(authenticate(snapshot({}), presented, 0).ok, false);
});

test("authenticate knows a key from its notBefore until its expiresAt", () => {
  const snap = snapshot({ key: key({ notBeforeMs: 100, expiresAtMs: 200 }) });
  const at = (nowMs: number): string => {
    const result = authenticate(snap, digest, nowMs);
    return result.ok ? "ok" : result.reason;
  };
  assert.deepEqual([99, 100, 199, 200].map(at), ["key_not_yet_valid", "ok", "ok", "key_expired"]);
});

test("authenticate ends a rotated digest at its moment and a disabled key at once", () => {
  const rotated = snapshot({ record: { key: key(), validUntilMs: 50 } });
  assert.equal(authenticate(rotated, digest, 49).ok, true);
  const late = authenticate(rotated, digest, 50);
  assert.equal(!late.ok && late.reason, "key_previous_expired");
  const disabled = authenticate(snapshot({ key: key({ disabled: true }) }), digest, 0);
  assert.equal(!disabled.ok && disabled.reason, "key_disabled");
});

test("authenticate refuses a key whose team the policy does not hold", () => {
  const orphan = snapshot({ key: key({ team: { name: "gone", team: undefined } }) });
  const result = authenticate(orphan, digest, 0);
  assert.equal(!result.ok && result.reason, "key_team_missing");
});

test("publicKeyId gives what is public of a key of ours, and nothing of any other", () => {
  const body = "A1b2-_".repeat(8).slice(0, 43);
  assert.equal(publicKeyId(`ag_c5cwkz26_${body}`), "c5cwkz26");
  assert.equal(publicKeyId(`Bearer ag_c5cwkz26_${body} more`), "c5cwkz26");
  for (const other of [
    ...["", "sk-1234567890123456789012345", `xag_c5cwkz26_${body}`, "ag_c5cwkz26_short"],
    ...[`ag_c5cwkz2_${body}`, `ag_C5CWKZ26_${body}`, `ag_c5cwkz269_${body}`, `ag-c5cwkz26-${body}`],
  ]) {
    assert.equal(publicKeyId(other), undefined, other);
  }
});

test("presentedKeyId finds the id in any carrier, well-formed or not", () => {
  const own = `ag_c5cwkz26_${"x".repeat(43)}`;
  const of = (headers: Readonly<Record<string, string>>, query = "") =>
    presentedKeyId(new Map(Object.entries(headers)), query, keyCarriers);
  for (const carrier of credentialCarriers) {
    assert.equal(of({ [carrier]: own }), "c5cwkz26");
    assert.equal(of({ [carrier]: `Bearer ${own}` }), "c5cwkz26");
  }
  assert.equal(of({ authorization: `Basic ${own}` }), "c5cwkz26");
  assert.equal(of({}, `key=${own}`), "c5cwkz26");
  assert.equal(
    of({ authorization: "Bearer sk-other-0123456789012345", "x-api-key": own }),
    "c5cwkz26",
  );
  assert.equal(of({ authorization: "Bearer sk-other-0123456789012345", cookie: own }), undefined);
});
