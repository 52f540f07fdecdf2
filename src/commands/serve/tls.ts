// TLS of the authorizer: the files that are watched, the gate that they open, and what is said of both.

import { createTlsGate, type TlsGate } from "../../envoy/grpc/tls.ts";
import type { TlsSettings } from "../../settings/tls.ts";
import { createTlsFiles, type TlsFiles } from "../../sources/tls-files.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";

export type Tls = { readonly gate: TlsGate; readonly files: TlsFiles };

export type TlsParts = {
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "tlsLoaded" | "tlsRefused">;
  readonly nowMs: () => number;
};

/** A client that may not connect tries again and again: the same is said once in this many milliseconds. */
const saidEveryMs = 60_000;
/** Refusals that are told apart meanwhile; what comes beyond them is counted only. */
const saidMax = 100;

/** undefined where the settings name no certificate. */
export function createTls(
  settings: TlsSettings | undefined,
  { logger, metrics, nowMs }: TlsParts,
): Tls | undefined {
  if (settings === undefined) return undefined;
  const said = new Map<string, number>();
  const isNews = (what: string): boolean => {
    for (const [each, atMs] of said) if (nowMs() - atMs >= saidEveryMs) said.delete(each);
    if (said.has(what) || said.size >= saidMax) return false;
    said.set(what, nowMs());
    return true;
  };
  const gate = createTlsGate({
    settings,
    onRefused(reason, detail) {
      metrics.tlsRefused(reason);
      if (isNews(`${reason} ${detail}`)) logger.warn({ reason, detail }, "TLS client refused");
    },
  });
  const files = createTlsFiles({
    paths: { cert: settings.cert, key: settings.key, clientCa: settings.clientCa },
    nowMs,
    reportResult: (result) => metrics.tlsLoaded(result),
    reportProblem: (problem) => logger.error({ problem }, "TLS certificate"),
    reportChange(loaded) {
      gate.replace(loaded);
      const expiresAt = new Date(loaded.expiresAtMs).toISOString();
      logger.info({ expiresAt }, "TLS certificate loaded");
    },
  });
  return { gate, files };
}
