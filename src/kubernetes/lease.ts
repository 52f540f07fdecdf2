// Leader election by a Lease, for at most one controller may write. What counts is the local clock from when a change of
// the Lease was seen, never the times in it; who cannot renew in time stops before another may begin.

import { type Delay, KubeError, type KubeObject, messageOf, recordOf } from "./transport.ts";

/** The calls of a KubeClient that an election makes. */
export type LeaseCalls = {
  get(path: string): Promise<KubeObject>;
  create(path: string, object: unknown): Promise<KubeObject>;
  update(path: string, object: unknown): Promise<KubeObject>;
};

export type LeaderElectionOptions = {
  readonly client: LeaseCalls;
  readonly namespace: string;
  readonly name: string;
  /** Of this candidate alone: the pod's name and something random. */
  readonly identity: string;
  readonly onElected: () => void;
  /** At once when the lease is lost, given back or could not be renewed in time. */
  readonly onLost: () => void;
  readonly onProblem?: (message: string) => void;
  /** Monotonic. */
  readonly nowMs: () => number;
  /** The wall clock, for the times that people read in the Lease. */
  readonly wallMs: () => number;
  readonly random: () => number;
  readonly delay: Delay;
  /** How long an unchanged Lease binds the others. Whole seconds; default 15. */
  readonly leaseSeconds?: number;
  /** A leader that could not renew for so long is none; less than leaseSeconds. Default 10. */
  readonly renewSeconds?: number;
  /** Between two tries, plus up to a fifth. Default 2. */
  readonly retrySeconds?: number;
};

export type LeaderElection = {
  start(): void;
  /** Gives the lease back, so that another need not wait for its end. */
  stop(): Promise<void>;
  leads(): boolean;
};

export function createLeaderElection(options: LeaderElectionOptions): LeaderElection {
  return new LeaseElection(options);
}

class LeaseElection implements LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #collection: string;
  readonly #ending = new AbortController();
  readonly #leaseMs: number;
  readonly #renewMs: number;
  readonly #retryMs: number;
  #loop: Promise<void> | undefined;
  #seen: { readonly version: string | undefined; readonly atMs: number } | undefined;
  /** When the last renewal that succeeded was begun; undefined while another leads. */
  #renewedMs: number | undefined;

  constructor(options: LeaderElectionOptions) {
    const { namespace, leaseSeconds = 15, renewSeconds = 10, retrySeconds = 2 } = options;
    if (!(retrySeconds < renewSeconds && renewSeconds < leaseSeconds)) {
      throw new RangeError("wanted retrySeconds < renewSeconds < leaseSeconds");
    }
    this.#options = options;
    this.#leaseMs = leaseSeconds * 1000;
    this.#renewMs = renewSeconds * 1000;
    this.#retryMs = retrySeconds * 1000;
    this.#collection = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
  }

  start(): void {
    if (this.#ending.signal.aborted) return;
    this.#loop ??= this.#run();
  }

  leads(): boolean {
    return this.#renewedMs !== undefined && this.#options.nowMs() < this.#renewedMs + this.#renewMs;
  }

  async stop(): Promise<void> {
    const led = this.leads();
    this.#lose();
    this.#ending.abort();
    await this.#loop;
    if (led) await this.#tell(() => this.#giveBack());
  }

  async #run(): Promise<void> {
    const { random } = this.#options;
    while (!this.#ending.signal.aborted) {
      const leftMs =
        this.#renewedMs === undefined
          ? this.#renewMs
          : this.#renewedMs + this.#renewMs - this.#options.nowMs();
      if (leftMs <= 0) {
        this.#lose();
        continue;
      }
      await this.#inTime(leftMs, () => this.#tell(() => this.#try()));
      // Near the end of the time to renew, the wait is no longer than what is left of it.
      const wait = this.#retryMs * (1 + random() / 5);
      const until =
        this.#renewedMs === undefined
          ? wait
          : Math.min(wait, this.#renewedMs + this.#renewMs - this.#options.nowMs());
      if (until > 0) await this.#sleep(until, this.#ending.signal);
    }
  }

  /** Waits for `work`, but not longer than `ms`; a result that comes later is looked at when it comes. */
  async #inTime(ms: number, work: () => Promise<void>): Promise<void> {
    const done = new AbortController();
    const signal = AbortSignal.any([done.signal, this.#ending.signal]);
    await Promise.race([work(), this.#sleep(ms, signal)]);
    done.abort();
  }

  async #try(): Promise<void> {
    const begunMs = this.#options.nowMs();
    let lease: KubeObject;
    try {
      lease = await this.#options.client.get(`${this.#collection}/${this.#options.name}`);
    } catch (error) {
      if (!(error instanceof KubeError) || error.status !== 404) throw error;
      if (this.#ending.signal.aborted) return;
      this.#lose();
      await this.#options.client.create(this.#collection, this.#leaseOf(undefined));
      this.#win(begunMs);
      return;
    }
    if (this.#ending.signal.aborted) return;
    const version = lease.metadata.resourceVersion;
    if (this.#seen?.version !== version) this.#seen = { version, atMs: this.#options.nowMs() };
    const spec = specOf(lease);
    const holder = spec["holderIdentity"];
    if (holder !== this.#options.identity) {
      this.#lose();
      const theirs = Number(spec["leaseDurationSeconds"]);
      const bindsMs = Math.max(this.#leaseMs, Number.isFinite(theirs) ? theirs * 1000 : 0);
      const free = holder === undefined || holder === "";
      const seenMs = this.#seen?.atMs ?? this.#options.nowMs();
      if (!free && this.#options.nowMs() < seenMs + bindsMs) return;
    }
    await this.#options.client.update(
      `${this.#collection}/${this.#options.name}`,
      this.#leaseOf(lease),
    );
    this.#win(begunMs);
  }

  /** An answer that came after its time says nothing about now. */
  #win(begunMs: number): void {
    if (this.#ending.signal.aborted) return;
    const { nowMs, onElected } = this.#options;
    if (nowMs() >= begunMs + this.#renewMs) return;
    const led = this.#renewedMs !== undefined;
    this.#renewedMs = Math.max(begunMs, this.#renewedMs ?? 0);
    if (!led) this.#call(onElected);
  }

  #lose(): void {
    if (this.#renewedMs === undefined) return;
    this.#renewedMs = undefined;
    this.#call(this.#options.onLost);
  }

  async #giveBack(): Promise<void> {
    const path = `${this.#collection}/${this.#options.name}`;
    const lease = await this.#options.client.get(path);
    if (specOf(lease)["holderIdentity"] !== this.#options.identity) return;
    const spec = { ...specOf(lease), holderIdentity: "", leaseDurationSeconds: 1 };
    await this.#options.client.update(path, { ...lease, spec });
  }

  #leaseOf(old: KubeObject | undefined): unknown {
    const { name, namespace, identity, wallMs } = this.#options;
    const spec = old === undefined ? {} : specOf(old);
    const time = microTime(wallMs());
    const mine = spec["holderIdentity"] === identity;
    const transitions = spec["leaseTransitions"];
    const before = typeof transitions === "number" ? transitions : 0;
    return {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: old?.metadata ?? { name, namespace },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: this.#leaseMs / 1000,
        acquireTime: mine ? spec["acquireTime"] : time,
        renewTime: time,
        leaseTransitions: old === undefined || mine ? before : before + 1,
      },
    };
  }

  async #tell(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      // Another was faster: the next look at the Lease tells who.
      if (error instanceof KubeError && error.status === 409) return;
      this.#call(() => this.#options.onProblem?.(messageOf(error)));
    }
  }

  #call(callback: () => void): void {
    try {
      callback();
    } catch {
      // The election goes on: an owner that fails on a callback must still lose the lease in time.
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.delay(ms, signal);
    } catch {
      // An aborted wait is over.
    }
  }
}

function specOf(lease: KubeObject): Readonly<Record<string, unknown>> {
  return recordOf(recordOf(lease)["spec"]);
}

/** RFC 3339 with the six digits that the API's MicroTime wants. */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}
