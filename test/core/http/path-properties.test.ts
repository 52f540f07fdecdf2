// Any path or query that is let through is read by an independent reader of URLs as the model that was authorized, however
// it was put together; and it holds no key.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createDecider } from "../../../src/core/decide.ts";
import { defaultDecisionSettings } from "../../../src/core/decision-settings.ts";
import { grant, key, model, scope, secret, snapshot } from "../snapshot-builder.ts";

const granted = ["gold", "v/flash", "a+b", "b/chat", "x:y"];
const policy = snapshot({
  key: key({ grant: grant({ models: granted }) }),
  aliases: scope({ fast: "v/flash", "team/fast": "gold", leak: "secret", chat: "b/chat" }),
  models: [
    ...granted.map((name) => model(name, name === "gold" ? { upstreamName: "llama3:8b" } : {})),
    model("secret"),
  ],
});
const { decide } = createDecider({ ...defaultDecisionSettings, realtime: true });

const names = [...granted, "fast", "team/fast", "gold/chat", "chat", "secret", "leak", "llama3:8b"];
const fragment = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...names, ...names.map(encodeURIComponent)) },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...[
        "/openai/deployments/",
        "/v1beta/models/",
        "/v1/models/",
        "/v1/realtime",
        "/openai/realtime",
      ],
      ...["/chat/completions", "/completions", "/embeddings", ":generateContent", ":countTokens"],
      ...["?model=", "&model=", "?deployment=", "&api-version=1", "?alt=sse", `&key=${secret}`],
      ...["?key=", "&", "?", "#", "/", "//", "/../", "/./", "%2F", "%252F", "%2e%2e", ";", "\\"],
      ...["+", "%20", "%2B", "%3A", ":", "%00", "mod%65l=", "Model=", "models/", "@", "~"],
    ),
  },
);
const honest = fc
  .tuple(
    fc.constantFrom(
      "/openai/deployments/@/chat/completions?api-version=1",
      "/openai/deployments/@/completions",
      "/v1beta/models/@:generateContent?alt=sse",
      "/v1/models/@:countTokens",
      "/v1/realtime?model=@",
      "/openai/realtime?api-version=1&deployment=@",
    ),
    fc.constantFrom(...names, ...names.map(encodeURIComponent)),
  )
  .map(([path, name]) => path.replace("@", name));
/** An honest target, perhaps with something pushed in or a character gone. */
const damaged = fc
  .tuple(honest, fc.nat(80), fc.option(fragment), fc.nat(2))
  .map(([path, at, more, gone]) => path.slice(0, at) + (more ?? "") + path.slice(at + gone));
const assembled = fc.array(fragment, { minLength: 2, maxLength: 8 }).map((all) => all.join(""));

/** What a backend reads: by WHATWG URLs, decoding once, the template's ending taken off the end. */
function modelRead(target: string): string | undefined {
  const url = new URL(`http://backend${target}`);
  const query = url.searchParams.get("model") ?? url.searchParams.get("deployment");
  if (url.pathname.endsWith("/realtime")) return query ?? undefined;
  const path = decodeURIComponent(url.pathname);
  const azure = /^\/openai\/deployments\/(.*?)\/(?:chat\/)?[a-z]+$/.exec(path)?.[1];
  const gemini = /^\/v1(?:beta|alpha)?\/models\/(.*):[A-Za-z]+$/.exec(path)?.[1];
  return azure ?? gemini;
}

test("decide lets no target through that a reader of URLs takes for another model", () => {
  let allowed = 0;
  fc.assert(
    fc.property(fc.oneof(damaged, assembled), fc.boolean(), (path, isUpgrade) => {
      const body = Buffer.from('{"tools":[]}');
      const headers = new Map([["authorization", `Bearer ${secret}`]]);
      if (isUpgrade) headers.set("upgrade", "websocket");
      const request = {
        method: isUpgrade ? "GET" : "POST",
        path,
        headers,
        body: isUpgrade
          ? ({ kind: "none" } as const)
          : ({ kind: "bytes", bytes: body, declaredBytes: body.length } as const),
      };
      const decision = decide(policy, request, { nowMs: 0, draw: 0 });
      if (decision.kind !== "allow") return;
      allowed += 1;
      const target = decision.path ?? path;
      assert.ok(granted.includes(decision.model), path);
      assert.equal(modelRead(target), decision.upstreamModel, `${path} -> ${target}`);
      assert.ok(!target.includes(secret), target);
    }),
    { numRuns: 60_000, seed: 11 },
  );
  assert.ok(allowed > 1500, String(allowed));
});
