// Which wheels run on this machine, by the platform tags of their names: PEP 600 for Linux (a lowest glibc), the lowest
// macOS release and the processor's name. Wheels for a Python interpreter of a certain kind are not looked for.

import { release } from "node:os";

export type WheelMachine = {
  readonly platform: string;
  /** Node's name of the processor: x64, arm64. */
  readonly arch: string;
  /** The version of glibc as `2.36`; undefined where there is none (Alpine, macOS). */
  readonly glibc: string | undefined;
  /** The kernel's release: `25.1.0` is macOS 26. */
  readonly kernel: string;
};

export function thisWheelMachine(): WheelMachine {
  const { platform, arch } = process;
  return { platform, arch, glibc: platform === "linux" ? glibc() : undefined, kernel: release() };
}

function glibc(): string | undefined {
  // Without this it looks up a name for each open connection. The types of Node 24 do not have it.
  Object.assign(process.report, { excludeNetwork: true });
  const { header } = process.report.getReport() as unknown as {
    readonly header: { readonly glibcVersionRuntime?: string };
  };
  return header.glibcVersionRuntime;
}

const processors: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  linux: { x64: "x86_64", arm64: "aarch64" },
  darwin: { x64: "x86_64", arm64: "arm64" },
};

/** Whether a wheel of this file name runs here; false for what is not a wheel that needs no interpreter of its own. */
export function runsHere(fileName: string, machine: WheelMachine): boolean {
  const [, tags] = /^[^-]+-[^-]+(?:-\d[^-]*)?-py3[^-]*-none-([^-]+)\.whl$/.exec(fileName) ?? [];
  const processor = processors[machine.platform]?.[machine.arch];
  if (tags === undefined || processor === undefined) return false;
  return tags.split(".").some((tag) => fits(tag, processor, machine));
}

function fits(tag: string, processor: string, machine: WheelMachine): boolean {
  const [, kind, major, minor, of] = /^(manylinux|macosx)_(\d+)_(\d+)_(.+)$/.exec(tag) ?? [];
  if (of !== processor && !(kind === "macosx" && of === "universal2")) return false;
  const wanted = [Number(major), Number(minor)];
  if (kind === "manylinux") {
    if (machine.platform !== "linux" || machine.glibc === undefined) return false;
    return isAtLeast(machine.glibc.split(".").map(Number), wanted);
  }
  // Darwin 20 was macOS 11, 24 was 15, and 25 is 26. The minor release does not bear on it since macOS 11.
  const darwin = Number.parseInt(machine.kernel, 10);
  const macos = darwin >= 25 ? darwin + 1 : darwin - 9;
  return machine.platform === "darwin" && isAtLeast([macos, 0], [wanted[0] ?? 0, 0]);
}

function isAtLeast(found: readonly number[], wanted: readonly number[]): boolean {
  const [major = 0, minor = 0] = found;
  const [wantedMajor = 0, wantedMinor = 0] = wanted;
  return major !== wantedMajor ? major > wantedMajor : minor >= wantedMinor;
}
