// What this process wrote last to objects that it also watches: a watch brings what was written only after a while, and
// what it shows until then is no news.

type OwnWrite<T> = {
  /** resourceVersion that the write left. */
  readonly version: string;
  readonly value: T;
  /** Versions that this write, and own ones before it, took the place of. */
  readonly older: readonly string[];
};

/** A watch that is further behind than this many own writes is taken to show something new; it is then looked at. */
const olderMax = 16;

export class OwnWrites<T> {
  readonly #writes = new Map<string, OwnWrite<T>>();

  /** What was written, while the watch that shows this version has yet to bring it. */
  get(key: string, watched: string): T | undefined {
    const own = this.#writes.get(key);
    if (own === undefined) return undefined;
    if (own.older.includes(watched)) return own.value;
    this.#writes.delete(key);
    return undefined;
  }

  /** The newest version that is known, to be written over. */
  base(key: string, watched: string): string {
    const own = this.#writes.get(key);
    return own?.older.includes(watched) === true ? own.version : watched;
  }

  /** `base` is the version that was written over, which the API server has checked. */
  set(key: string, base: string, { version, value }: { version: string; value: T }): void {
    const before = this.#writes.get(key);
    const older = before === undefined ? [base] : [...before.older, before.version, base];
    // A write that changes nothing leaves the version as it was.
    const others = [...new Set(older)].filter((each) => each !== version);
    this.#writes.set(key, { version, value, older: others.slice(-olderMax) });
  }

  /** Forgets the others, if there are more than `count`. */
  keepOnly(keys: () => Iterable<string>, count: number): void {
    if (this.#writes.size <= count) return;
    const kept = new Set(keys());
    for (const key of this.#writes.keys()) if (!kept.has(key)) this.#writes.delete(key);
  }

  clear(): void {
    this.#writes.clear();
  }
}
