// How much a peer may send ahead of what is read. Large windows while few calls are open: a small one costs a round trip, and
// frames, for each 32 KiB of a body. Small ones while many are: then each may hold no more than that unread.

import type { ServerHttp2Session } from "node:http2";

/** Of a stream while few are open, and of the connection then. Bytes. */
export const wideWindowBytes = 1024 * 1024;

/** Of a stream while many are open: half of Node's own, and of the connection then: HTTP/2's least. */
export const narrowWindowBytes = 32 * 1024;
const narrowConnectionBytes = 65_535;

/** Share of the room for messages that streams with wide windows may hold unread. */
const wideShare = 0.25;

/** Streams up to which windows are wide. */
export function wideStreamsMax(bytesMax: number): number {
  return Math.floor((bytesMax * wideShare) / wideWindowBytes);
}

/** What streams can hold unread beside their narrow windows, of one connection besides what has been counted. */
export function wideBytesMax(bytesMax: number): number {
  return wideStreamsMax(bytesMax) * wideWindowBytes;
}

type Session = Pick<ServerHttp2Session, "settings" | "setLocalWindowSize" | "destroyed">;

export type Windows = {
  /** Windows of a session's streams when it is opened, before it has been told of any other. */
  readonly initialBytes: number;
  sessionOpened(session: Session): void;
  sessionClosed(session: Session): void;
  streamOpened(): void;
  streamClosed(): void;
};

/** Narrow beyond `wideStreams` open streams, wide again at half of them. */
export function createWindows(wideStreams: number): Windows {
  const sessions = new Set<Session>();
  let open = 0;
  let isWide = wideStreams > 0;

  function tell(session: Session): void {
    if (session.destroyed) return;
    session.settings({ initialWindowSize: isWide ? wideWindowBytes : narrowWindowBytes });
    session.setLocalWindowSize(isWide ? wideWindowBytes : narrowConnectionBytes);
  }

  function change(wide: boolean): void {
    isWide = wide;
    for (const session of sessions) tell(session);
  }

  return {
    initialBytes: isWide ? wideWindowBytes : narrowWindowBytes,
    sessionOpened(session) {
      sessions.add(session);
      if (isWide) session.setLocalWindowSize(wideWindowBytes);
      else if (wideStreams > 0) tell(session);
    },
    sessionClosed(session) {
      sessions.delete(session);
    },
    streamOpened() {
      open += 1;
      if (isWide && open > wideStreams) change(false);
    },
    streamClosed() {
      open -= 1;
      if (!isWide && wideStreams > 0 && open <= wideStreams / 2) change(true);
    },
  };
}
