// Every way in which an ext_proc stream can end early, late or out of order, through the real Envoy with envoy-ext-proc.yaml:
// nothing reaches the backend that was not decided on, also where failures are allowed.

import assert from "node:assert/strict";
import { constants } from "node:http2";
import { after, before, describe, it } from "node:test";
import type { WireProcessingResponse } from "../../src/envoy/ext-proc/wire.ts";
import { type EchoBackend, startEchoBackend } from "../support/echo-backend.ts";
import { envoyConfig, messageTimeout, places, procChanges } from "../support/envoy-config.ts";
import {
  type FakeProcessor,
  type FakeStream,
  startFakeProcessor,
} from "../support/fake-processor.ts";
import { call, type HttpAnswer } from "../support/http-client.ts";
import { type Envoy, startEnvoy } from "../support/start-envoy.ts";
import { alice, binary, chat, path, skip, target } from "../support/start-stack.ts";

const goOn: WireProcessingResponse = { request_headers: { response: {} } };
const bodyDone: WireProcessingResponse = { request_body: { response: {} } };
const nothing = Buffer.alloc(0);
/** An immediate_response without a status. */
const statusless = Buffer.from([0x3a, 0]);
const responseHeaders = Buffer.from([0x12, 2, 0x0a, 0]);
const responseBody = Buffer.from([0x22, 2, 0x0a, 0]);
const trailers = Buffer.from([0x2a, 0]);
/** A header that Envoy cannot send: `x-model` with a line end in it. */
const badHeader: WireProcessingResponse = {
  request_body: {
    response: {
      header_mutation: {
        set_headers: [
          {
            header: { key: "x-model", raw_value: Buffer.from(`${target}\r\nx: y`) },
            append: { value: false },
            append_action: 2,
          },
        ],
      },
    },
  },
};
const shortBody: WireProcessingResponse = {
  request_body: {
    response: { header_mutation: { set_headers: [] }, body_mutation: { body: Buffer.from("{}") } },
  },
};

/** What is done with the first message, and then with the second. */
type Script = readonly ((stream: FakeStream) => void)[];
const answer =
  (response: WireProcessingResponse | Buffer) =>
  (stream: FakeStream): void =>
    stream.answer(response);
const thenEnd = (response: WireProcessingResponse | Buffer) => (stream: FakeStream) => {
  stream.answer(response);
  stream.end();
};
const silence = (): void => {};

const atHeaders: readonly (readonly [string, (stream: FakeStream) => void])[] = [
  ["resets the stream", (stream) => stream.reset()],
  [
    "resets it when it has begun to answer",
    (stream) => {
      stream.begin();
      stream.reset();
    },
  ],
  ["resets it with NO_ERROR", (stream) => stream.reset(constants.NGHTTP2_NO_ERROR)],
  ["resets it with CANCEL", (stream) => stream.reset(constants.NGHTTP2_CANCEL)],
  ["ends it cleanly", (stream) => stream.end()],
  ["ends it with UNAVAILABLE", (stream) => stream.end(14)],
  ["ends it with RESOURCE_EXHAUSTED", (stream) => stream.end(8)],
  ["hangs up", (stream) => stream.hangUp()],
  ["says nothing", silence],
  ["answers nothing in particular", answer(nothing)],
  ["answers without a status", answer(statusless)],
  ["answers garbage", answer(Buffer.alloc(20, 0xff))],
  ["answers response headers", answer(responseHeaders)],
  ["answers a response body", answer(responseBody)],
  ["answers trailers", answer(trailers)],
  ["answers half a message", (stream) => stream.sendRaw(Buffer.from([0x0a, 2, 0x0a]), 4)],
  [
    "answers half a message and ends cleanly",
    (stream) => {
      stream.sendRaw(Buffer.from([0x0a, 2, 0x0a]), 4);
      stream.end();
    },
  ],
  ["answers a compressed message", (stream) => stream.sendRaw(Buffer.from([1, 2]), 2, 1)],
];

const onlyAtHeaders: readonly (readonly [string, (stream: FakeStream) => void])[] = [
  ["answers a body that was not sent", answer(bodyDone)],
  ["goes on and ends cleanly", thenEnd(goOn)],
  [
    "goes on twice",
    (stream) => {
      for (const each of [goOn, goOn]) stream.answer(each);
    },
  ],
];

const onlyAtBody: readonly (readonly [string, (stream: FakeStream) => void])[] = [
  ["answers the headers once more", answer(goOn)],
  ["answers the body without a model", answer(bodyDone)],
  ["answers it without a model and ends cleanly", thenEnd(bodyDone)],
  ["answers a header that cannot be sent", answer(badHeader)],
  ["answers a body of another length than the header's", answer(shortBody)],
];

const scripts: readonly (readonly [string, Script])[] = [
  ...[...atHeaders, ...onlyAtHeaders].map(
    ([name, act]) => [`at the headers ${name}`, [act]] as const,
  ),
  ...[...atHeaders, ...onlyAtBody].map(
    ([name, act]) => [`at the body ${name}`, [answer(goOn), act]] as const,
  ),
];

for (const [failures, changes] of [
  ["failures refused", []],
  ["failures allowed", [procChanges.failureModeAllow]],
] as const) {
  describe(`Envoy with ${failures} and a processor that`, { skip }, () => {
    let script: Script = [];
    let backend: EchoBackend;
    let processor: FakeProcessor;
    let envoy: Envoy;
    before(async () => {
      backend = await startEchoBackend();
      processor = await startFakeProcessor((stream) => script[stream.messages - 1]?.(stream));
      const where = places({ authorizers: [processor.port], backendPort: backend.port });
      const quick = messageTimeout("0.2s");
      const config = [where, procChanges.healthChecksLeftOut, quick, ...changes];
      envoy = await startEnvoy(binary, envoyConfig(config, "ext_proc"));
    });
    after(async () => {
      await envoy.stop();
      await processor.stop();
      await backend.stop();
    });

    function ask(): Promise<HttpAnswer> {
      const headers = [
        ["content-type", "application/json"],
        ["authorization", `Bearer ${alice.value}`],
        ["x-model", target],
      ] as const;
      return call({ port: envoy.port, path, headers, body: chat("AgentX-LLM") });
    }

    for (const [name, acts] of scripts) {
      it(`${name}: the request never reaches the backend`, async () => {
        script = acts;
        const before = processor.streams();
        const given = await ask();
        assert.ok(processor.streams() > before, "it was asked");
        assert.equal(backend.received.length, 0);
        // Envoy makes 200 of an answer without a status; the backend has not seen it all the same.
        const wanted = name.endsWith("without a status") ? 200 : 500;
        assert.ok(given.status >= wanted, `${given.status} ${given.body}`);
      });
    }
  });
}
