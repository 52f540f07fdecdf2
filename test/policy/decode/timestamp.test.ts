// RFC 3339: what Kubernetes accepts, and nothing that Date.parse would repair.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTimestamp } from "../../../src/policy/decode/timestamp.ts";

test("parseTimestamp reads times with a zone", () => {
  const times: readonly (readonly [string, string])[] = [
    ["2026-12-01T00:00:00Z", "2026-12-01T00:00:00.000Z"],
    ["2026-12-01T02:30:00+02:30", "2026-12-01T00:00:00.000Z"],
    ["2026-11-30T23:00:00-01:00", "2026-12-01T00:00:00.000Z"],
    ["2026-12-01T00:00:00.123456789Z", "2026-12-01T00:00:00.123Z"],
    ["2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000Z"],
    ["2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z"],
    ["0099-01-01T00:00:00Z", "0099-01-01T00:00:00.000Z"],
  ];
  for (const [text, wanted] of times) {
    assert.equal(new Date(parseTimestamp(text) ?? Number.NaN).toISOString(), wanted, text);
  }
});

test("parseTimestamp refuses what is no RFC 3339 time with a zone", () => {
  const texts = [
    ...["", "2026-12-01", "2026-12-01T00:00:00", "2026-12-01 00:00:00Z", "2026-12-01t00:00:00z"],
    ...["2026-02-29T00:00:00Z", "2026-02-30T00:00:00Z", "1900-02-29T00:00:00Z"],
    ...["2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-04-31T00:00:00Z"],
    ...["2026-12-01T24:00:00Z", "2026-12-01T00:60:00Z", "2026-12-01T00:00:60Z"],
    ...["2026-12-01T00:00:00+24:00", "2026-12-01T00:00:00+0100", "2026-12-01T00:00:00.Z"],
    ...["2026-12-01T00:00:00Z\n", " 2026-12-01T00:00:00Z", "2026-12-01T00:00:00.0123456789Z"],
  ];
  for (const text of texts) assert.equal(parseTimestamp(text), undefined, JSON.stringify(text));
});
