// Records what a command prints, for the tests that run commands in this process.

export type OutputRecorder = {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly printed: () => { readonly stdout: string; readonly stderr: string };
};

export function recordOutput(): OutputRecorder {
  let stdout = "";
  let stderr = "";
  return {
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
    printed: () => ({ stdout, stderr }),
  };
}
