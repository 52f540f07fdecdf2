// What ext_proc costs in memory: a body is held once, edited or not, read slowly or not, and a stream that waits for its body
// holds little more than its headers, one in the middle of its response little at all.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { measureBodies, measureIdle, measureResponses } from "../bench/process-memory.ts";

const mib = 1024 * 1024;
const skip = process.platform !== "linux" && "reads /proc";

/** What the runtime takes more than idle while it works: code it compiles, buffers of HTTP/2, garbage. */
const workingBytes = 64 * mib;

describe("the memory of an authorizer over ext_proc", { skip }, () => {
  it("is each body once, while eight of 31 MiB are edited and their answers not read", async () => {
    const { answered, peakBytes } = await measureBodies(8, 31 * mib, 1500);
    assert.equal(answered, 8);
    assert.ok(peakBytes <= 8 * 32 * mib + workingBytes, `${Math.round(peakBytes / mib)} MiB`);
  });

  it("is at most 24 KiB for each of 1,000 streams that wait for their bodies", async () => {
    const each = await measureIdle(1000);
    assert.ok(each <= 24 * 1024, String(each));
  });

  it("is at most 40 KiB for each of 1,000 streams in the middle of their responses", async () => {
    const each = await measureResponses(1000);
    assert.ok(each <= 40 * 1024, String(each));
  });
});
