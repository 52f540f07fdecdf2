// Keeps the objects of one collection as the API server has them: a paged list, then a watch, again and again. Whatever
// fails is waited out and made good; the set given out is always one that the server had.

import { backoffMs } from "./backoff.ts";
import type {
  Reflector,
  ReflectorHealth,
  ReflectorLimits,
  ReflectorOptions,
} from "./reflector-contract.ts";
import { nameOf, sameVersions } from "./reflector-items.ts";
import {
  errorOfStatus,
  KubeError,
  type KubeObject,
  messageOf,
  recordOf,
  tooLongReason,
  type WatchEvent,
} from "./transport.ts";

export type { Reflector, ReflectorHealth, ReflectorLimits, ReflectorOptions };

const defaultLimits: ReflectorLimits = {
  pageSize: 500,
  pagesMax: 2000,
  listMsMax: 60_000,
  idleMsMax: 150_000,
  healthyMs: 5000,
  relistMs: 600_000,
};

/** So many failed watches in a row, and the version they begin from is no longer trusted. */
const watchFailuresMax = 3;

export function createReflector<T extends KubeObject>(options: ReflectorOptions<T>): Reflector<T> {
  return new LoopingReflector(options);
}

class LoopingReflector<T extends KubeObject> implements Reflector<T> {
  readonly #options: ReflectorOptions<T>;
  readonly #limits: ReflectorLimits;
  readonly #ending = new AbortController();
  #loop: Promise<void> | undefined;
  #items = new Map<string, T>();
  #givenOut = false;
  #synced = false;
  /** Where the next watch begins; undefined when only a list can tell. */
  #version: string | undefined;
  #relistAtMs = 0;
  /** Objects in a page: fewer once one was too long. */
  #pageSize: number;
  #failures = 0;
  #watchFailures = 0;
  #confirmedAtMs: number | undefined;
  #lastError: string | undefined;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#pageSize = this.#limits.pageSize;
  }

  start(): void {
    if (this.#ending.signal.aborted) return;
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#loop;
  }

  synced(): boolean {
    return this.#synced;
  }

  items(): ReadonlyMap<string, T> {
    this.#givenOut = true;
    return this.#items;
  }

  health(): ReflectorHealth {
    return {
      synced: this.#synced,
      confirmedAtMs: this.#confirmedAtMs,
      lastError: this.#lastError,
    };
  }

  async #run(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const wait = await this.#round();
      if (wait > 0 && !this.#ending.signal.aborted) await this.#sleep(wait, this.#ending.signal);
    }
  }

  /** One list if it is time for one, and one watch. Gives the ms to wait before the next round. */
  async #round(): Promise<number> {
    const { nowMs } = this.#options;
    let watchedFromMs: number | undefined;
    let failure: unknown;
    try {
      if (this.#version === undefined || nowMs() >= this.#relistAtMs) await this.#list();
      if (this.#ending.signal.aborted) return 0;
      watchedFromMs = nowMs();
      await this.#watch(this.#version ?? "");
    } catch (error) {
      failure = error;
      if (error instanceof KubeError && error.reason === tooLongReason) {
        this.#pageSize = Math.max(1, Math.floor(this.#pageSize / 4));
      }
    }
    if (this.#ending.signal.aborted) return 0;
    const watchedMs = watchedFromMs === undefined ? undefined : nowMs() - watchedFromMs;
    return this.#judge(failure, watchedMs);
  }

  #judge(failure: unknown, watchedMs: number | undefined): number {
    const healthy = watchedMs !== undefined && watchedMs >= this.#limits.healthyMs;
    if (healthy) {
      this.#failures = 0;
      this.#watchFailures = 0;
    }
    if (failure === undefined) {
      this.#lastError = undefined;
      this.#watchFailures = 0;
    } else {
      this.#report(messageOf(failure));
      // A list that was only a safety net may fail: the watch goes on from where it was.
      if (watchedMs === undefined) this.#planRelist(0.1);
      else this.#watchFailures += 1;
    }
    const { status, retryAfterMs } = failure instanceof KubeError ? failure : {};
    if (status === 410 || this.#watchFailures >= watchFailuresMax) {
      this.#version = undefined;
      this.#watchFailures = 0;
    }
    if (healthy && retryAfterMs === undefined) return 0;
    this.#failures += 1;
    return backoffMs(this.#failures, this.#options.random(), retryAfterMs);
  }

  async #list(): Promise<void> {
    const found = new Map<string, T>();
    let version = "";
    let continueToken: string | undefined;
    for (let page = 0; page === 0 || continueToken !== undefined; page += 1) {
      if (page >= this.#limits.pagesMax) throw new KubeError("a list has too many pages");
      const request = { limit: this.#pageSize, ...(continueToken && { continueToken }) };
      const answer = await this.#within(
        this.#limits.listMsMax,
        () => new KubeError("a list did not come in time"),
        (signal) => this.#options.transport.list(request, signal),
      );
      for (const item of answer.items) found.set(nameOf(item), item);
      version = answer.resourceVersion;
      continueToken = answer.continueToken === "" ? undefined : answer.continueToken;
    }
    if (this.#ending.signal.aborted) return;
    if (version === "") throw new KubeError("a list has no resourceVersion");
    const changed = !this.#synced || !sameVersions(this.#items, found);
    this.#items = found;
    this.#givenOut = false;
    this.#synced = true;
    this.#version = version;
    this.#planRelist(1);
    this.#confirm();
    if (changed) this.#callBack();
  }

  #planRelist(share: number): void {
    const { nowMs, random } = this.#options;
    this.#relistAtMs = nowMs() + this.#limits.relistMs * share * (1 + random() / 10);
  }

  /** Fulfils when the watch ended in order, when it was idle for too long, or when it is time for a list. */
  async #watch(resourceVersion: string): Promise<void> {
    const { transport, random, nowMs } = this.#options;
    const watching = new AbortController();
    const signal = AbortSignal.any([watching.signal, this.#ending.signal]);
    let failure: unknown;
    let heardMs = nowMs();
    const onEvent = (event: WatchEvent): void => {
      if (signal.aborted) return;
      heardMs = nowMs();
      try {
        this.#take(event);
      } catch (error) {
        failure = error;
        watching.abort();
      }
    };
    const timeoutSeconds = 300 + Math.floor(random() * 300);
    const endMs = Math.min(nowMs() + (timeoutSeconds + 15) * 1000, this.#relistAtMs);
    const guard = async (): Promise<void> => {
      while (!signal.aborted) {
        const dueMs = Math.min(heardMs + this.#limits.idleMsMax, endMs);
        if (nowMs() >= dueMs) break;
        await this.#sleep(dueMs - nowMs(), signal);
      }
    };
    const watched = transport.watch({ resourceVersion, timeoutSeconds }, onEvent, signal);
    try {
      // A transport that ignores its signal must not hold the loop.
      await Promise.race([watched, guard()]);
      if (failure === undefined && !signal.aborted && nowMs() < heardMs + this.#limits.idleMsMax) {
        this.#confirm();
      }
    } catch (error) {
      failure ??= error;
    } finally {
      watching.abort();
      watched.catch(() => undefined);
    }
    if (failure !== undefined) throw failure;
  }

  #take({ type, object }: WatchEvent): void {
    if (type === "ERROR") throw errorOfStatus(object);
    const version = recordOf(recordOf(object)["metadata"])["resourceVersion"];
    if (typeof version !== "string" || version === "") {
      this.#version = undefined;
      throw new KubeError("an event of a watch has no resourceVersion");
    }
    if (type !== "BOOKMARK") this.#change(type, object as T);
    this.#version = version;
    this.#confirm();
    if (type !== "BOOKMARK") this.#callBack();
  }

  #change(type: string, object: T): void {
    if (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED") {
      this.#version = undefined;
      throw new KubeError("a watch has an event of an unknown type");
    }
    const name = nameOf(object);
    if (this.#givenOut) {
      this.#items = new Map(this.#items);
      this.#givenOut = false;
    }
    if (type === "DELETED") this.#items.delete(name);
    else this.#items.set(name, object);
  }

  #confirm(): void {
    this.#confirmedAtMs = this.#options.nowMs();
    this.#lastError = undefined;
  }

  #callBack(): void {
    try {
      this.#options.onChange();
    } catch (error) {
      this.#report(`a change could not be taken: ${messageOf(error)}`);
    }
  }

  #report(message: string): void {
    this.#lastError = message;
    try {
      this.#options.onProblem?.(message);
    } catch {
      // Who cannot hear of a failure cannot hear of this one either.
    }
  }

  async #within<V>(
    ms: number,
    late: () => KubeError,
    work: (signal: AbortSignal) => Promise<V>,
  ): Promise<V> {
    const done = new AbortController();
    const signal = AbortSignal.any([done.signal, this.#ending.signal]);
    const working = work(signal);
    working.catch(() => undefined);
    const tooLate = this.#sleep(ms, signal).then(() => {
      throw late();
    });
    tooLate.catch(() => undefined);
    try {
      return await Promise.race([working, tooLate]);
    } finally {
      done.abort();
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.delay(ms, signal);
    } catch {
      // An aborted wait is over; the loops look at the signal themselves.
    }
  }
}
