// The plain manifests of deploy/ are what the chart renders, and what their READMEs say of them.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { renderManifests } from "../../deploy/manifests.ts";
import { fencesOf } from "../docs/markdown.ts";
import { getHelm } from "../support/get-helm.ts";
import { requirement } from "../support/requirements.ts";
import { createHelm, readObjects } from "./run-helm.ts";

const helmPath = await requirement(() => getHelm());
const folder = join(import.meta.dirname, "../../deploy");
const folders = ["kubernetes", "istio", "envoy-gateway"] as const;
const readText = (file: string): string => readFileSync(join(folder, file), "utf8");

describe("the manifests of deploy/", { skip: helmPath.skip }, () => {
  it("are those of the chart (npm run manifests), and no others", async () => {
    const rendered = await renderManifests();
    const there = folders.flatMap((each) => globSync(`${each}/*.yaml`, { cwd: folder }));
    assert.deepEqual(there.sort(), [...rendered.keys()].sort());
    for (const [file, text] of rendered) assert.equal(readText(file), text, file);
  });

  it("name nothing of Helm's, and every object once", async () => {
    for (const [file, text] of await renderManifests()) {
      assert.doesNotMatch(text, /helm\.sh\/|: Helm$/m, file);
      const names = readObjects(text).map(
        ({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`,
      );
      assert.equal(new Set(names).size, names.length, file);
    }
  });

  it("have the MeshConfig that Helm's notes print, in istio/README.md", async () => {
    const shown = fencesOf(readText("istio/README.md"))
      .filter(({ info }) => info === "yaml meshconfig")
      .map(({ text }) => parse(text) as unknown);
    const helm = createHelm(helmPath.value ?? "");
    try {
      const gateway = { type: "istio", mode: "extAuthz", target: { gatewayName: "llm" } };
      const args = ["install", "aliasguard", "helm/aliasguard", "--dry-run=client"];
      const at = ["--namespace", "aliasguard"];
      const { code, stdout, stderr } = await helm.run([...args, ...at], { gateway });
      assert.equal(code, 0, stderr);
      const [provider = ""] = /^extensionProviders:\n(?:[- ].*\n)+/m.exec(stdout) ?? [];
      assert.deepEqual(shown, [parse(provider)]);
    } finally {
      helm.remove();
    }
  });
});

describe("the READMEs of deploy/", () => {
  for (const each of folders) {
    it(`say of ${each} in one screen which files there are, and what is and is not guaranteed`, () => {
      const text = readText(`${each}/README.md`);
      assert.ok(text.split("\n").length <= 60);
      for (const heading of ["What it guarantees", "What it cannot"]) {
        assert.match(text, new RegExp(`^## ${heading}$`, "m"));
      }
      for (const file of globSync(`${each}/*.yaml`, { cwd: folder })) {
        assert.ok(text.includes(file.slice(each.length + 1)), file);
      }
      const commands = fencesOf(text).find(({ info }) => info === "sh")?.text ?? "";
      assert.ok(commands.trim().split("\n").length >= 3);
    });
  }
});
