// Every relative link of the documents leads to a file and a heading that there are, every page can be reached from
// README.md, and README.md is short.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { anchorsOf, linksOf } from "./markdown.ts";
import { pages, readme, root } from "./pages.ts";

const isOutside = (target: string): boolean => /^[a-z]+:/.test(target);

/** The page and the anchor that a link leads to. */
function goalOf(page: string, target: string): readonly [string, string] {
  const [path = "", anchor = ""] = target.split("#");
  return [path === "" ? page : normalize(join(dirname(page), path)), anchor];
}

test("every relative link leads somewhere", () => {
  let count = 0;
  const broken: string[] = [];
  for (const [page, text] of pages) {
    for (const target of linksOf(text)) {
      if (isOutside(target)) continue;
      count += 1;
      const [goal, anchor] = goalOf(page, target);
      const isThere = anchor === "" || anchorsOf(pages.get(goal) ?? "").has(anchor);
      if (!existsSync(join(root, goal)) || !isThere) broken.push(`${page}: ${target}`);
    }
  }
  assert.deepEqual(broken, []);
  assert.ok(count > 50);
});

test("every page of docs/ can be reached from README.md, and from docs/README.md in one hop", () => {
  const contents = pages.get("docs/README.md") ?? "";
  const reached = new Set(linksOf(contents).map((each) => goalOf("docs/README.md", each)[0]));
  assert.ok(linksOf(readme).includes("docs/README.md"));
  const unreached = [...pages.keys()].filter(
    (page) => page.startsWith("docs/") && page !== "docs/README.md" && !reached.has(page),
  );
  assert.deepEqual(unreached, []);
});

test("README.md has 200 lines at most", () => {
  assert.ok(readme.split("\n").length - 1 <= 200);
});

const questions = [
  "What is it?",
  "Does it fit Istio?",
  "How do I install it?",
  "How do I write an alias?",
  "How do I rotate a key?",
  "Why was this request refused?",
  "What does it promise, and what not?",
];

for (const question of questions) {
  test(`README.md answers in one hop: ${question}`, () => {
    const line = readme.split("\n").find((each) => each.startsWith(`| ${question} |`)) ?? "";
    const targets = linksOf(line).filter((each) => each.includes("#"));
    assert.ok(targets.length > 0, line);
    for (const target of targets) {
      const [goal, anchor] = goalOf("README.md", target);
      assert.ok(anchorsOf(pages.get(goal) ?? "").has(anchor), target);
    }
  });
}
