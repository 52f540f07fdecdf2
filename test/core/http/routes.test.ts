// Exact paths and nothing near them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultDecisionSettings } from "../../../src/core/decision-settings.ts";
import { bodyOperations } from "../../../src/core/http/operations.ts";
import { createRouteTable } from "../../../src/core/http/routes.ts";

const routes = createRouteTable(defaultDecisionSettings);

function route(method: string, path: string): string {
  const match = routes.match(method, path);
  if (match.kind === "none") return "none";
  if (match.kind === "method_not_allowed") return `405 ${match.allow.join(",")}`;
  const id = match.pathModel === undefined ? "" : ` ${match.pathModel.name}`;
  return `${match.operation.name} ${match.operation.dialect}${id}`;
}

test("routes match every body operation with and without /v1", () => {
  for (const { name, dialect, path, exact } of bodyOperations) {
    assert.equal(route("POST", path), `${name} ${dialect}`, path);
    if (exact !== true) assert.equal(route("POST", `/v1${path}`), `${name} ${dialect}`, path);
    assert.match(route("GET", path), /^405 POST$/, path);
  }
  assert.equal(route("POST", "/openai/v1/chat/completions"), "chat.completions openai");
  assert.equal(route("POST", "/openai/responses"), "responses openai");
});

test("routes match nothing near a path", () => {
  for (const path of [
    "/v1/chat/completions/",
    "/v1/chat/completions/x",
    "/V1/chat/completions",
    "/v1/Chat/completions",
    "//v1/chat/completions",
    "/v1//chat/completions",
    "/v1/./chat/completions",
    "/v1/../v1/chat/completions",
    "/v1/ch%61t/completions",
    "/v1%2Fchat/completions",
    "/v1/chat/completions;a=1",
    "/v1/chat/completions%3Fx",
    "/v1/chat/completions#x",
    "/v1\\chat\\completions",
    "v1/chat/completions",
    "/v2/chat/completions",
    "/v1/v1/chat/completions",
    "/aliasguard-rewrite-pending/v1/chat/completions",
    "/v1/files",
    "/v1/batches",
    "/engines/gpt-4/chat/completions",
    "",
    "*",
    "/__proto__",
    "/constructor",
  ]) {
    assert.equal(route("POST", path), "none", path);
  }
});

test("routes answer the lists of models and one model by its id", () => {
  assert.equal(route("GET", "/v1/models"), "models.list openai");
  assert.equal(route("GET", "/models?limit=5"), "models.list openai");
  assert.equal(route("GET", "/api/tags"), "models.list ollama");
  assert.equal(route("GET", "/v1/models/a/b:c"), "models.get openai a/b:c");
  assert.equal(route("GET", "/v1/models/a%2Fb"), "models.get openai a/b");
  assert.equal(route("POST", "/v1/models"), "405 GET");
  for (const id of [
    "",
    "a%252Fb",
    "a%2F..%2Fb",
    "..",
    "a%00",
    "%zz",
    "a//b",
    "a%2f%2fb",
    "é",
    "a%C3%A9",
  ]) {
    assert.equal(route("GET", `/v1/models/${id}`), "none", id);
  }
});

test("routes say what the backend gets, of each prefix and of Vertex' segments", () => {
  const backend = (path: string): string => {
    const match = routes.match("POST", path);
    return match.kind === "operation" ? match.backendPath : match.kind;
  };
  const vertex =
    "/projects/google.com:my-1/locations/us-east5/publishers/google/models/a%2Fb:predict";
  for (const [path, wanted] of [
    ["/v1/embeddings", "/v1/embeddings"],
    ["/embeddings", "/v1/embeddings"],
    ["/openai/v1/embeddings", "/v1/embeddings"],
    ["/anthropic/v1/messages", "/v1/messages"],
    ["/api/v1/embeddings", "/api/v1/embeddings"],
    ["/openai/responses", "/v1/responses"],
    ["/models/a/b:countTokens", "/v1beta/models/a/b:countTokens"],
    [vertex, `/v1${vertex}`],
    [`/v1${vertex}`, `/v1${vertex}`],
    [`/openai/v1${vertex}`, `/v1${vertex}`],
    [`/v1beta1${vertex}`, `/v1beta1${vertex}`],
    ["/anthropic/messages", "none"],
    ["/vertex_ai/v1/publishers/google/models/a:predict", "none"],
    ["/v1/publishers/-x/models/a:predict", "none"],
    ["/v1/publishers/./models/a:predict", "none"],
    ["/v1/publishers/a/b/models/a:predict", "none"],
  ] as const) {
    assert.equal(backend(path), wanted, path);
  }
});

test("routes answer probes of the root and take no other method there", () => {
  assert.equal(route("GET", "/"), "probe openai");
  assert.equal(route("HEAD", "/"), "probe openai");
  assert.equal(route("POST", "/"), "405 GET,HEAD");
});
