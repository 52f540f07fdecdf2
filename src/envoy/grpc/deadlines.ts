// The deadlines of all calls, looked at together: a timer of its own for each check costs more than the check's bookkeeping.

/** Milliseconds between two looks: how late a deadline may be seen. */
const lookEveryMs = 10;

/** Something that waits. It may leave, and others may join, while it is told. */
export type Waiting = {
  /** Of `performance.now()`. */
  readonly dueMs: number;
  /** Called once it is due, and at each look while it still is. */
  expire(nowMs: number): void;
};

export type Deadlines = {
  add(waiting: Waiting): void;
  /** Safe to call for one that is not there. */
  remove(waiting: Waiting): void;
};

export function createDeadlines(): Deadlines {
  const all = new Set<Waiting>();
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    if (all.size === 0) {
      clearInterval(timer);
      timer = undefined;
      return;
    }
    const nowMs = performance.now();
    for (const waiting of all) if (waiting.dueMs <= nowMs) waiting.expire(nowMs);
  }

  return {
    add(waiting) {
      all.add(waiting);
      // It ends by itself at the first look at nobody.
      timer ??= setInterval(look, lookEveryMs);
    },
    remove(waiting) {
      all.delete(waiting);
    },
  };
}
