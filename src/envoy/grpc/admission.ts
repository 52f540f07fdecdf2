// How many bytes of checks are held at once. A check says its length in its first five bytes; until there is room for
// that many it is not read on, and holds no more than what HTTP/2 has buffered for it (`unreadBytesMax`).

import { wideBytesMax } from "./windows.ts";

/**
 * Most bytes that a check costs while it is not read on and many are open: one frame of 16 KiB, Node's read-ahead of 16 KiB,
 * the window of 32 KiB, and 16 KiB for the stream itself. Measured by test/bench/memory.ts as 76 KiB.
 */
export const unreadBytesMax = 80 * 1024;

export type AdmissionLimits = {
  /** Bytes of messages held at the same time. One message is always let in, however long. */
  readonly bytesMax: number;
  /** Checks that wait for room; one more is refused at once. 0: none waits. */
  readonly waitingMax: number;
};

/** `granted` and `refused` are called at most once, and only one of them; neither after `leave`. */
export type Waiter = {
  readonly granted: () => void;
  readonly refused: () => void;
};

export type Place = {
  /** Asks, once, for room: calls `granted` now or when there is room, or `refused` now. */
  ask(bytes: number, waiter: Waiter): void;
  /** Gives back the room, the place in the queue and this place. Safe to call twice. */
  leave(): void;
};

export type Admission = {
  /** A place for a check whose length is not known yet; undefined when all are taken. */
  enter(): Place | undefined;
  /** Checks that have room. */
  active(): number;
  /** Checks that wait for it. */
  waiting(): number;
  /** Bytes that the active ones have room for. */
  bytes(): number;
};

/** Room for streams that wait for their bodies: counted, never queued. */
export type IdleRoom = {
  /** Takes so many bytes; false, and nothing taken, when there is no room. */
  enter(bytes: number): boolean;
  leave(bytes: number): void;
  bytes(): number;
};

export function createIdleRoom(bytesMax: number): IdleRoom {
  let held = 0;
  return {
    enter(bytes) {
      if (held + bytes > bytesMax) return false;
      held += bytes;
      return true;
    },
    leave(bytes) {
      held -= bytes;
    },
    bytes: () => held,
  };
}

type Entry = {
  state: "open" | "waiting" | "active" | "gone";
  bytes: number;
  arrival: number;
  waiter: Waiter;
};

/**
 * Most bytes that streams of ext_proc hold while their callers upload: some 6,000 of them with the headers that SDKs send.
 */
export const idleBytesMax = 128 * 1024 * 1024;

/**
 * What one bound on the process's memory follows from: all that checks can hold, in bytes, beside the idle process. Streams
 * of ext_proc hold up to `idleBytesMax` more, and each connection up to `wideWindowBytes` that it
 * sent before it knew of narrow windows.
 */
export function heldBytesMax(limits: AdmissionLimits, messageBytesMax: number): number {
  const { bytesMax } = limits;
  const unread = placesMax(limits) * unreadBytesMax + wideBytesMax(bytesMax);
  return Math.max(bytesMax, messageBytesMax) + unread;
}

/** As many as may wait, and as many as could be read at once if none were longer than what HTTP/2 holds of it anyway. */
function placesMax({ bytesMax, waitingMax }: AdmissionLimits): number {
  return waitingMax + Math.max(1, Math.floor(bytesMax / unreadBytesMax));
}

/**
 * Whoever has waited longest and fits goes first, so that a small message never waits behind a large one. Waiting ones
 * are kept by size class, the power of two of their bytes: the next is found by looking at the head of each class.
 */
export function createAdmission(limits: AdmissionLimits): Admission {
  const { bytesMax, waitingMax } = limits;
  const openMax = placesMax(limits);
  const queues = Array.from({ length: 33 }, () => new Set<Entry>());
  let open = 0;
  let active = 0;
  let waiting = 0;
  let bytes = 0;
  let arrivals = 0;

  const queueOf = (size: number): Set<Entry> | undefined => queues[32 - Math.clz32(size)];
  const fits = (size: number): boolean => active === 0 || bytes + size <= bytesMax;

  function admit(entry: Entry): void {
    entry.state = "active";
    active += 1;
    bytes += entry.bytes;
    entry.waiter.granted();
  }

  function nextThatFits(): Entry | undefined {
    let next: Entry | undefined;
    for (const queue of queues) {
      const [head] = queue;
      if (head === undefined || !fits(head.bytes)) continue;
      if (next === undefined || head.arrival < next.arrival) next = head;
    }
    return next;
  }

  function admitWaiting(): void {
    // Whoever is told may leave at once: hence the fresh look each time.
    while (waiting > 0) {
      const entry = nextThatFits();
      if (entry === undefined) return;
      queueOf(entry.bytes)?.delete(entry);
      waiting -= 1;
      admit(entry);
    }
  }

  function leave(entry: Entry): void {
    const { state } = entry;
    if (state === "gone") return;
    entry.state = "gone";
    open -= 1;
    if (state === "waiting") {
      queueOf(entry.bytes)?.delete(entry);
      waiting -= 1;
    }
    if (state !== "active") return;
    active -= 1;
    bytes -= entry.bytes;
    admitWaiting();
  }

  function ask(entry: Entry, size: number, waiter: Waiter): void {
    if (entry.state !== "open") return;
    entry.bytes = size;
    entry.waiter = waiter;
    if (fits(size)) admit(entry);
    else if (waiting < waitingMax) {
      entry.state = "waiting";
      entry.arrival = arrivals++;
      queueOf(size)?.add(entry);
      waiting += 1;
    } else {
      leave(entry);
      waiter.refused();
    }
  }

  return {
    enter() {
      if (open >= openMax) return undefined;
      open += 1;
      const entry: Entry = { state: "open", bytes: 0, arrival: 0, waiter: nobody };
      return {
        ask: (size, waiter) => ask(entry, size, waiter),
        leave: () => leave(entry),
      };
    },
    active: () => active,
    waiting: () => waiting,
    bytes: () => bytes,
  };
}

const nobody: Waiter = { granted: () => {}, refused: () => {} };
