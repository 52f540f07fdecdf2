// Windows that follow the number of open calls, as told to sessions, and as a real peer sees them.

import assert from "node:assert/strict";
import { type ClientHttp2Session, connect } from "node:http2";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import {
  createWindows,
  narrowWindowBytes,
  wideStreamsMax,
  wideWindowBytes,
} from "../../../src/envoy/grpc/windows.ts";
import { checkPath } from "../../../src/envoy/wire.ts";
import { handlerDeps, probe, startServer } from "../grpc-peer.ts";

function createSession() {
  const told: (readonly [window: number | undefined, connection: number])[] = [];
  let window: number | undefined;
  return {
    told,
    destroyed: false,
    settings: ({ initialWindowSize }: { readonly initialWindowSize?: number }) => {
      window = initialWindowSize;
    },
    setLocalWindowSize: (bytes: number) => told.push([window, bytes]),
  };
}

const wide = [wideWindowBytes, wideWindowBytes];
const narrow = [narrowWindowBytes, 65_535];

test("createWindows tells every session once more streams are open than wide ones may be, and again at half", () => {
  const windows = createWindows(4);
  assert.equal(windows.initialBytes, wideWindowBytes);
  const [session, gone] = [createSession(), createSession()];
  windows.sessionOpened(session);
  windows.sessionOpened(gone);
  windows.sessionClosed(gone);
  for (let count = 0; count < 4; count += 1) windows.streamOpened();
  assert.deepEqual(session.told, [[undefined, wideWindowBytes]]);
  windows.streamOpened();
  assert.deepEqual(session.told.slice(1), [narrow]);
  const late = createSession();
  windows.sessionOpened(late);
  assert.deepEqual(late.told, [narrow]);
  windows.streamClosed();
  windows.streamClosed();
  assert.deepEqual(session.told.slice(2), []);
  windows.streamClosed();
  assert.deepEqual(session.told.slice(2), [wide]);
  assert.deepEqual([late.told.slice(1), gone.told.slice(1)], [[wide], []]);
});

test("createWindows leaves windows narrow where there is no room for a wide one", () => {
  const windows = createWindows(wideStreamsMax(wideWindowBytes));
  assert.equal(windows.initialBytes, narrowWindowBytes);
  const session = createSession();
  windows.sessionOpened(session);
  for (let count = 0; count < 9; count += 1) windows.streamOpened();
  for (let count = 0; count < 9; count += 1) windows.streamClosed();
  assert.deepEqual(session.told, []);
});

async function until(isSo: () => boolean): Promise<void> {
  for (let looks = 0; !isSo() && looks < 1000; looks += 1) await delay(2);
  assert.ok(isSo());
}

const remoteWindow = (session: ClientHttp2Session): number | undefined =>
  session.remoteSettings.initialWindowSize;

test("createEnvoyServer shows a peer wide windows, narrow ones while many calls are open, and wide ones again", async (t) => {
  const streams = 3;
  const settings = { inFlightBytesMax: 4 * streams * wideWindowBytes };
  const { url } = await startServer(t, { deps: handlerDeps(() => probe), settings });
  const session = connect(url);
  session.on("error", () => {});
  t.after(() => session.destroy());
  await until(() => remoteWindow(session) === wideWindowBytes);
  const open = Array.from({ length: streams + 1 }, () => {
    const stream = session.request({
      ...{ ":method": "POST", ":path": checkPath, "content-type": "application/grpc" },
    });
    stream.on("error", () => {});
    stream.write(Buffer.alloc(3));
    return stream;
  });
  await until(() => remoteWindow(session) === narrowWindowBytes);
  for (const stream of open) stream.destroy(new Error("gone"));
  await until(() => remoteWindow(session) === wideWindowBytes);
});
