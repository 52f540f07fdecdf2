// Where log lines go when they cannot be written: dropped, counted, told of, and never more held than the bound.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createLogOutput,
  fileSink,
  type LogSink,
  waitingCharactersMax,
} from "../../src/telemetry/log-output.ts";

type Fake = {
  readonly sink: LogSink;
  readonly written: string[];
  readonly turn: () => void;
  readonly later: (run: () => void) => void;
  state: "good" | "throwing" | "failing" | "full";
};

function createFake(): Fake {
  const written: string[] = [];
  const waiting: (() => void)[] = [];
  const fake: Fake = {
    state: "good",
    written,
    later: (run) => waiting.push(run),
    turn: () => {
      for (const run of waiting.splice(0)) run();
    },
    sink: {
      write(text, failed) {
        if (fake.state === "throwing") throw new Error("ENOSPC");
        if (fake.state === "failing") failed();
        else written.push(text);
      },
      waiting: () => (fake.state === "full" ? waitingCharactersMax : 0),
    },
  };
  return fake;
}

test("createLogOutput writes the lines of a turn in their order and at once", () => {
  const fake = createFake();
  const output = createLogOutput(fake.sink, fake.later);
  output.write("one\n");
  output.write("two\n");
  assert.deepEqual(fake.written, []);
  fake.turn();
  assert.deepEqual(fake.written, ["one\ntwo\n"]);
  assert.equal(output.dropped(), 0);
});

for (const state of ["throwing", "failing", "full"] as const) {
  test(`createLogOutput drops and counts the lines of a ${state} output, and says so once it is good again`, () => {
    const fake = createFake();
    const output = createLogOutput(fake.sink, fake.later);
    fake.state = state;
    output.write("one\n");
    output.write("two\n");
    fake.turn();
    assert.deepEqual([output.dropped(), fake.written], [2, []]);
    fake.state = "good";
    output.write("three\n");
    fake.turn();
    const [first = "", second, ...others] = (fake.written[0] ?? "").split("\n");
    assert.deepEqual(others, [""]);
    const told = JSON.parse(first) as Record<string, unknown>;
    assert.deepEqual(
      { ...told, time: "" },
      {
        ...{ level: "warn", time: "", count: 2, msg: "log lines dropped" },
      },
    );
    assert.equal(second, "three");
    assert.equal(output.dropped(), 2);
  });
}

test("createLogOutput holds no more than the bound while nobody reads", () => {
  let held = 0;
  const sink: LogSink = {
    write(text) {
      held += text.length;
    },
    waiting: () => held,
  };
  const output = createLogOutput(sink, (run) => run());
  const line = `${"x".repeat(999)}\n`;
  for (let count = 0; count < 5000; count += 1) output.write(line);
  assert.ok(held <= waitingCharactersMax, String(held));
  assert.ok(held > waitingCharactersMax / 2, String(held));
  assert.ok(output.dropped() > 3000, String(output.dropped()));
});

test("fileSink begins a new line behind one that a full disk has torn", () => {
  let room = 10;
  let file = "";
  const sink = fileSink(1, ((_fd: number, bytes: Buffer, at: number) => {
    const part = bytes.subarray(at, at + room).toString();
    if (part === "") throw new Error("ENOSPC");
    file += part;
    room -= part.length;
    return part.length;
  }) as typeof import("node:fs").writeSync);
  const failed = (): void => assert.fail("it throws");
  assert.throws(() => sink.write("first line\nsecond line\n", failed));
  assert.throws(() => sink.write("lost\n", failed));
  room = 1000;
  sink.write("third line\n", failed);
  sink.write("fourth line\n", failed);
  assert.equal(file, "first line\nthird line\nfourth line\n");
});
