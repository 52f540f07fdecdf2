// What the tests of real clients share: each mode in which Envoy asks the authorizer, and the stack of it.

import assert from "node:assert/strict";
import { type Mode, modes } from "./envoy-config.ts";
import { Stack } from "./start-stack.ts";

export { modes };

export function startClientStack(mode: Mode): Promise<Stack> {
  return Stack.start([], mode);
}

export const alias = "AgentX-LLM";
/** A model that no key may run, and what every dialect's refusal of it says. */
export const forbidden = "vendor/other";
export const forbiddenMessage = /The virtual key may not use this model\./;

/** The model that the backend ran last, as it read it itself. */
export function lastRan(stack: Stack): string | undefined {
  return stack.backend.ran.at(-1);
}

/** The call is refused as the client shows it, and the backend never saw it. */
export async function assertRefused(
  stack: Stack,
  asked: Promise<unknown>,
  check: (error: unknown) => void,
): Promise<void> {
  const before = stack.backend.received.length;
  await assert.rejects(asked, (error: unknown) => {
    check(error);
    return true;
  });
  assert.equal(stack.backend.received.length, before);
}
