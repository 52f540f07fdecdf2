// What a test needs that npm does not bring. With CI=true a missing component fails the test file; elsewhere its tests
// are skipped and say what is missing and how to get it.

/** A component that is not on this machine and could not be fetched; the message says what to do. */
export class MissingComponent extends Error {
  override readonly name = "MissingComponent";
}

/** A component: what it is (a path), or why tests that need it are skipped. */
export type Requirement =
  | { readonly value: string; readonly skip: false }
  | { readonly value: undefined; readonly skip: string };

/** Runs `get`; what it misses skips tests, and under CI=true fails them. Other errors always fail. */
export async function requirement(get: () => Promise<string>): Promise<Requirement> {
  try {
    return { value: await get(), skip: false };
  } catch (error) {
    if (!(error instanceof MissingComponent) || process.env["CI"] === "true") throw error;
    return { value: undefined, skip: error.message };
  }
}
