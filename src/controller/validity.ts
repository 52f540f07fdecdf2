// What an object that is in force says of itself: switched off, not begun, over, or without anything to use.

import type { GrantSpec, Resource, VirtualKeyResource } from "../policy/resources.ts";
import type { Reason } from "./reasons.ts";

/**
 * `isReady`: whether the object is as its author wants it. Who disables a key, or lets it begin tomorrow, has got what was
 * asked for, and `helm install --wait` goes on; a key whose time is over has to be renewed or removed.
 */
export type Validity = {
  readonly isReady: boolean;
  readonly reason: Reason;
  readonly message: string;
};

export type TeamStates = { readonly isDisabled: (team: string) => boolean };

/** At `nowMs`; undefined: nothing to say. */
export function validityOf(
  resource: Resource,
  nowMs: number,
  { isDisabled }: TeamStates,
): Validity | undefined {
  switch (resource.kind) {
    case "VirtualKey":
      return keyValidity(resource, nowMs, isDisabled);
    case "Team":
      if (resource.disabled) return asWanted("Disabled", "Switched off by spec.disabled.");
      return isEmpty(resource.grants)
        ? nothing("No key of this Team can use anything.")
        : undefined;
    case "AccessGroup":
      return resource.models.length === 0 ? nothing("It holds no model.") : undefined;
    case "ModelAlias":
    case "Model":
      return undefined;
    default:
      return resource satisfies never;
  }
}

function keyValidity(
  { team, grants, disabled, notBeforeMs, expiresAtMs, previous }: VirtualKeyResource,
  nowMs: number,
  isDisabled: TeamStates["isDisabled"],
): Validity | undefined {
  if (disabled) return asWanted("Disabled", "Switched off by spec.disabled.");
  if (expiresAtMs !== undefined && expiresAtMs <= nowMs) {
    const message = `Its time ended at ${timeText(expiresAtMs)}.`;
    return { isReady: false, reason: "Expired", message };
  }
  if (team !== undefined && isDisabled(team)) {
    return asWanted("TeamDisabled", `Team ${team} is switched off.`);
  }
  if (notBeforeMs !== undefined && nowMs < notBeforeMs) {
    return asWanted("NotYetValid", `Its time begins at ${timeText(notBeforeMs)}.`);
  }
  if (grants === undefined ? team === undefined : isEmpty(grants)) {
    return nothing("Nothing can be used with this key.");
  }
  if (previous !== undefined && previous.untilMs <= nowMs) {
    const message = `The secret before ended at ${timeText(previous.untilMs)}; spec.previous can be removed.`;
    return asWanted("PreviousExpired", message);
  }
  return undefined;
}

function asWanted(reason: Reason, message: string): Validity {
  return { isReady: true, reason, message };
}

function nothing(message: string): Validity {
  return asWanted("GrantsNothing", message);
}

function isEmpty({ models, aliases, groups }: GrantSpec): boolean {
  return models.length + aliases.length + groups.length === 0;
}

/** To the second, as manifests have it. */
function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, "Z");
}
