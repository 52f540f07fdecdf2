// How many checks may be read at once. grpc-js holds a whole message before it calls the handler, so without this the
// memory in flight would be concurrent checks times the largest body. A check that has no slot is not read: its stream
// holds no more than its HTTP/2 window (64 KiB), and the number of those is bounded too.

export type AdmissionLimits = {
  /** Checks read at the same time, at least 1. */
  readonly slots: number;
  /** Checks that wait for a slot; one more is refused at once. 0: none waits. */
  readonly waitingMax: number;
};

/** `granted` and `refused` are called at most once, and only one of them; neither after `leave`. */
export type Waiter = {
  readonly granted: () => void;
  readonly refused: () => void;
};

export type Ticket = {
  /** Gives the slot or the place in the queue back. Safe to call twice. */
  leave(): void;
};

export type Admission = {
  /** Calls `granted` now or when a slot is free, first come first served, or `refused` now. */
  enter(waiter: Waiter): Ticket;
  /** Checks that hold a slot. */
  active(): number;
  /** Checks that wait for one. */
  waiting(): number;
};

export function createAdmission({ slots, waitingMax }: AdmissionLimits): Admission {
  let active = 0;
  // A Set keeps the order of arrival and forgets a waiter that gave up in constant time.
  const queue = new Set<Place>();
  type Place = { state: "waiting" | "active" | "gone"; readonly waiter: Waiter };

  function leave(place: Place): void {
    const { state } = place;
    place.state = "gone";
    queue.delete(place);
    if (state === "active") {
      active -= 1;
      admitNext();
    }
  }

  function admit(place: Place): void {
    active += 1;
    place.state = "active";
    place.waiter.granted();
  }

  function admitNext(): void {
    // A waiter that leaves while it is being told frees its slot at once: hence the loop's fresh look at the queue.
    for (const place of queue) {
      if (active >= slots) return;
      queue.delete(place);
      admit(place);
    }
  }

  return {
    enter(waiter) {
      const place: Place = { state: "waiting", waiter };
      const ticket: Ticket = { leave: () => leave(place) };
      if (active < slots) admit(place);
      else if (queue.size < waitingMax) queue.add(place);
      else {
        place.state = "gone";
        waiter.refused();
      }
      return ticket;
    },
    active: () => active,
    waiting: () => queue.size,
  };
}
