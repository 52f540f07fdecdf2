// What a command may touch of the outside: two streams and the environment. Tests hand in their own.

export type CommandIo = {
  stdout(text: string): void;
  stderr(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
};

/** 0: done. 1: the answer is no (a refusal, a bad policy, a failed start). 2: the command was not understood. */
export type ExitCode = 0 | 1 | 2;
