// Which operations are worth reading a response for: a closed list that names nothing that is not served.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bodyOperations,
  listOperations,
  pathOperations,
} from "../../../src/core/http/operations.ts";
import { canNameModel } from "../../../src/core/response/operations.ts";

test("canNameModel knows every operation with a body, and says no to these alone", () => {
  const names = new Set([...bodyOperations, ...pathOperations].map(({ name }) => name));
  const silent = [...names].filter((name) => !canNameModel(name)).sort();
  assert.deepEqual(silent, [
    ...["audio.speech", "audio.transcriptions", "audio.translations"],
    ...["cohere.chat", "cohere.embed", "cohere.rerank"],
    ...["gemini.batchEmbedContents", "gemini.countTokens", "gemini.embedContent", "gemini.predict"],
    ...["images.edits", "images.generations", "images.variations", "messages.count_tokens"],
    ...["ollama.embeddings", "ollama.show", "responses.compact", "responses.input_tokens"],
  ]);
  assert.equal(names.size - silent.length, 14);
});

test("canNameModel says no to lists, which are answered here, and to other names", () => {
  const others = [
    ...listOperations.map(({ name }) => name),
    "",
    "__proto__",
    "unchecked GET /v1/x",
  ];
  assert.deepEqual(others.filter(canNameModel), []);
});
