// Last step: what all pods have said by now.

import assert from "node:assert/strict";
import { secrets } from "./install.ts";
import { kubectl } from "./kube.ts";
import { keptLogs } from "./logs.ts";
import { namespace } from "./manifests.ts";
import { say, step } from "./step.ts";

step(
  "every pod said that it was ready, and no key stands in a log, an event or a ConfigMap",
  async () => {
    const logs = keptLogs();
    const ours = logs.filter(({ pod }) => pod.startsWith(`${namespace}_`));
    const served = ours.filter(({ pod }) => !pod.includes("-test_"));
    assert.ok(served.length >= 4);
    for (const { pod, text } of served) assert.match(text, /"msg":"ready"/, pod);
    const said = [
      ...logs.map(({ text }) => text),
      await kubectl("get", "events", "-A", "-o", "json"),
      await kubectl("get", "configmaps,aliasguard", "-A", "-o", "json"),
    ].join("\n");
    assert.equal(secrets.size, 3);
    for (const secret of secrets) assert.ok(!said.includes(secret), `${secret} was written down`);
    // It would have been found: requests and the key's name are there.
    assert.match(said, /"key":"alice"/);
    say(`${ours.length} logs of aliasguard and ${logs.length - ours.length} others hold no key`);
  },
);
