// Sends attempts, several at a time, and holds what the provider saw against what the key was granted.

import { Agent, request } from "node:http";
import { type Attempt, type Dressed, dressed } from "./attempts.ts";
import type { ProviderStub, Sighting } from "./provider-stub.ts";
import { isGranted, type World } from "./world.ts";

/** A call that nobody was granted, and the request that caused it; undefined when no marker came with it. */
export type Hole = { readonly attempt: Attempt | undefined; readonly sighting: Sighting };

export type Figures = {
  requests: number;
  /** Answers by status; `0`: no answer. */
  readonly statuses: Map<number, number>;
  /** Refused by the authorizer or by Envoy; the rest reached the backend. */
  refused: number;
  calls: number;
  readonly models: Set<string>;
  readonly hosts: Set<string>;
  readonly accounts: Set<string>;
  readonly names: Set<string>;
  readonly holes: Hole[];
  /** Attempts that were answered with 200 although the provider saw nothing. */
  readonly unseen: Attempt[];
};

const inFlightMax = 8;
const answerMsMax = 15_000;

export type Hunt = {
  readonly world: World;
  readonly port: number;
  readonly key: string;
  readonly stub: ProviderStub;
  readonly attempts: Iterator<Attempt>;
  /** Ends at this time of `performance.now()`, or after this many requests. */
  readonly until: number;
  readonly requestsMax?: number;
};

export async function hunt(options: Hunt): Promise<Figures> {
  const agent = new Agent({ keepAlive: true, maxSockets: inFlightMax });
  const figures = emptyFigures();
  const tried: Attempt[] = [];
  const ok: number[] = [];
  const { requestsMax = Number.POSITIVE_INFINITY } = options;
  const worker = async (): Promise<void> => {
    while (performance.now() < options.until && tried.length < requestsMax) {
      const next = options.attempts.next();
      if (next.done === true) return;
      const index = tried.push(next.value) - 1;
      const status = await send(agent, options, dressed(next.value, index));
      count(figures, next.value, status);
      if (status.code === 200) ok.push(index);
    }
  };
  await Promise.all(Array.from({ length: inFlightMax }, worker));
  // A call that a refused or timed-out request began may still arrive.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  agent.destroy();
  const seen = options.stub.take();
  judge(figures, options.world, seen, tried);
  const marked = new Set(seen.map(({ marker }) => marker));
  for (const index of ok) {
    const attempt = tried[index];
    if (!marked.has(index) && attempt !== undefined) figures.unseen.push(attempt);
  }
  return figures;
}

function emptyFigures(): Figures {
  return {
    requests: 0,
    statuses: new Map(),
    refused: 0,
    calls: 0,
    models: new Set(),
    hosts: new Set(),
    accounts: new Set(),
    names: new Set(),
    holes: [],
    unseen: [],
  };
}

function count(figures: Figures, attempt: Attempt, { code, isOurs }: Answer): void {
  figures.requests += 1;
  figures.statuses.set(code, (figures.statuses.get(code) ?? 0) + 1);
  if (isOurs) figures.refused += 1;
  for (const { name } of attempt.extras) figures.names.add(name);
}

function judge(
  figures: Figures,
  world: World,
  seen: readonly Sighting[],
  tried: readonly Attempt[],
): void {
  figures.calls = seen.length;
  for (const sighting of seen) {
    figures.models.add(sighting.model);
    figures.hosts.add(sighting.host);
    figures.accounts.add(sighting.account);
    const attempt = sighting.marker === undefined ? undefined : tried[sighting.marker];
    if (isGranted(world, attempt?.model, sighting)) continue;
    figures.holes.push({ attempt, sighting });
  }
}

type Answer = { readonly code: number; readonly isOurs: boolean };

/** Never rejects: a request that Node itself will not send, or whose answer does not come, has the status 0. */
function send(agent: Agent, { port, key }: Hunt, wanted: Dressed): Promise<Answer> {
  return new Promise((resolve) => {
    const lost = (): void => resolve({ code: 0, isOurs: false });
    const body = Buffer.from(wanted.body);
    const headers: Record<string, string> = {
      ...Object.fromEntries(wanted.headers),
      authorization: `Bearer ${key}`,
      "content-length": String(body.length),
    };
    delete headers["transfer-encoding"];
    try {
      const outgoing = request(
        { host: "127.0.0.1", port, path: wanted.path, method: "POST", headers, agent },
        (incoming) => {
          const code = incoming.statusCode ?? 0;
          const isOurs = incoming.headers["x-should-retry"] !== undefined;
          incoming.resume();
          incoming.on("end", () => resolve({ code, isOurs }));
          incoming.on("error", lost);
        },
      );
      outgoing.setTimeout(answerMsMax, () => outgoing.destroy());
      outgoing.on("error", lost);
      outgoing.end(body);
    } catch {
      lost();
    }
  });
}

/** Each way once, by its smallest request: one without extras stands for all of its path, one extra for its pairs. */
export function smallestHoles(holes: readonly Hole[]): readonly Hole[] {
  const found = new Map<string, Hole>();
  const bySize = [...holes].sort((a, b) => sizeOf(a) - sizeOf(b));
  for (const hole of bySize) {
    const { attempt, sighting } = hole;
    if (attempt === undefined) {
      found.set(`unmarked ${sighting.path}`, hole);
      continue;
    }
    const path = `path ${attempt.path}`;
    const ways = attempt.extras.map(({ name, where }) => `${where} ${name}`);
    if ([path, ...ways].some((way) => found.has(way))) continue;
    found.set(ways.length === 0 ? path : ways.join(" and "), hole);
  }
  return [...found.values()];
}

function sizeOf({ attempt }: Hole): number {
  return attempt?.extras.length ?? 0;
}

function extrasText({ extras }: Attempt): string {
  const texts = extras.map(({ name, where, value }) => `${where} ${name}=${JSON.stringify(value)}`);
  return `[${texts.join(", ")}]`;
}

export function holeLine({ attempt, sighting }: Hole): string {
  const { path, account, model, injected, beside } = sighting;
  const from = attempt === undefined ? "unmarked" : `${attempt.path} ${attempt.model}`;
  const named = beside.length === 0 ? "" : ` beside ${beside.join(" ")}`;
  const note = `${named}${injected ? " with the caller's header" : ""}`;
  return `${from} ${attempt === undefined ? "" : extrasText(attempt)} -> ${path} ${account} ${model}${note}`;
}

/** The figures as lines for people; at most `holesMax` holes. */
export function figureLines(figures: Figures, holesMax = 60): readonly string[] {
  const statuses = [...figures.statuses].sort(([a], [b]) => a - b);
  const shown = smallestHoles(figures.holes)
    .slice(0, holesMax)
    .map((hole) => `  HOLE ${holeLine(hole)}`);
  return [
    `names tried      ${figures.names.size}`,
    `requests sent    ${figures.requests} (${statuses.map((pair) => pair.join(": ")).join(", ")})`,
    `refused here     ${figures.refused}`,
    `provider's calls ${figures.calls}`,
    `models seen      ${[...figures.models].sort().join(" ")}`,
    `hosts seen       ${[...figures.hosts].sort().join(" ")}`,
    `accounts seen    ${[...figures.accounts].sort().join(" ")}`,
    `answered unseen  ${figures.unseen.length} ${figures.unseen.slice(0, 5).map(extrasText).join(" ")}`,
    `not granted      ${figures.holes.length}`,
    ...shown,
  ];
}
