// What must not outlive this process: child processes and temporary folders. Tests and the demo leave nothing behind,
// also when they fail or are interrupted.

const actions = new Set<() => void>();
let isArmed = false;

/** Runs `action` when this process ends, by itself or by a signal that can be caught. Returns what takes it back. */
export function onProcessEnd(action: () => void): () => void {
  arm();
  actions.add(action);
  return () => {
    actions.delete(action);
  };
}

function arm(): void {
  if (isArmed) return;
  isArmed = true;
  process.on("exit", () => {
    for (const action of [...actions].reverse()) action();
  });
  const signals = [
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const;
  // Without a listener a signal ends the process at once, and "exit" never comes.
  for (const [signal, code] of signals) process.once(signal, () => process.exit(code));
}
