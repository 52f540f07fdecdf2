// A snapshot as a row of small parts, and back. A snapshot cannot cross from one thread to another without stopping the
// receiver while all of it is copied; of parts it copies one at a time, and answers checks in between.

import { aliasesIn, createAliasScope } from "../../core/permission/alias-scope.ts";
import type {
  Alias,
  AliasScope,
  Catalogue,
  CatalogueModel,
  Grant,
  KeyRecord,
  PatternSet,
  Snapshot,
  Team,
  TeamReference,
  VirtualKey,
} from "../../core/permission/snapshot.ts";

/**
 * What is shared in a snapshot (sets, grants, aliases, scopes, teams) goes into a table of its kind, once, and later parts
 * name it by its place there. Every part only refers to earlier ones.
 */
export type SnapshotPart =
  | {
      readonly kind: "catalogue";
      readonly closed: boolean;
      readonly models: readonly CatalogueModel[];
    }
  | { readonly kind: "patternSet"; readonly set: PatternSet }
  | { readonly kind: "grant"; readonly grant: GrantPart }
  | { readonly kind: "alias"; readonly alias: Alias }
  | { readonly kind: "scope" /** Places of aliases. */; readonly aliases: readonly number[] }
  | (Pick<Team, "name" | "disabled"> & {
      readonly kind: "team";
      readonly grant: number;
      readonly scope: number;
    })
  | { readonly kind: "key"; readonly key: KeyPart }
  | { readonly kind: "end"; readonly revision: string; readonly scope: number };

type GrantPart = {
  readonly models: readonly number[];
  readonly aliases: ReadonlySet<string>;
  readonly deny: number;
};

type KeyPart = Omit<VirtualKey, "team" | "grant" | "aliases"> & {
  /** undefined: without a team. `team` in it is undefined where there is no such team. */
  readonly team: { readonly name: string; readonly team: number | undefined } | undefined;
  readonly grant: number | undefined;
  readonly scope: number;
  readonly digests: readonly (readonly [digest: string, validUntilMs: number | undefined])[];
};

/** A snapshot whose keys can be listed, as the compiler makes it. */
export type ListedSnapshot = Snapshot & { readonly keys: ReadonlyMap<string, KeyRecord> };

/** Places of what has been sent, by kind. Calls `send` the first time. */
type Table<T> = { readonly placeOf: (value: T) => number };

function createTable<T>(send: (value: T) => void): Table<T> {
  const places = new Map<T, number>();
  return {
    placeOf(value) {
      const known = places.get(value);
      if (known !== undefined) return known;
      // `send` may send what the value refers to, but nothing of its own kind.
      send(value);
      places.set(value, places.size);
      return places.size - 1;
    },
  };
}

/** Calls `send` with every part, in order. */
export function sendSnapshot(snapshot: ListedSnapshot, send: (part: SnapshotPart) => void): void {
  const { catalogue, keys, revision } = snapshot;
  const { closed, models } = catalogue;
  send({ kind: "catalogue", closed, models: [...models.values()] });
  const sets = createTable<PatternSet>((set) => send({ kind: "patternSet", set }));
  const grants = createTable<Grant>(({ models, aliases, deny }) => {
    const grant = { models: models.map(sets.placeOf), aliases, deny: sets.placeOf(deny) };
    send({ kind: "grant", grant });
  });
  const aliases = createTable<Alias>((alias) => send({ kind: "alias", alias }));
  const scopes = createTable<AliasScope>((scope) => {
    send({ kind: "scope", aliases: [...aliasesIn(scope)].map(aliases.placeOf) });
  });
  const teams = createTable<Team>(({ name, disabled, grant, aliases: scope }) => {
    send({
      kind: "team",
      name,
      disabled,
      grant: grants.placeOf(grant),
      scope: scopes.placeOf(scope),
    });
  });
  const digests = new Map<VirtualKey, [string, number | undefined][]>();
  for (const [digest, { key, validUntilMs }] of keys) {
    const known = digests.get(key) ?? [];
    digests.set(key, known);
    known.push([digest, validUntilMs]);
  }
  for (const [{ team, grant, aliases: scope, ...key }, ofKey] of digests) {
    const teamPlace = team?.team === undefined ? undefined : teams.placeOf(team.team);
    send({
      kind: "key",
      key: {
        ...key,
        team: team === undefined ? undefined : { name: team.name, team: teamPlace },
        grant: grant === undefined ? undefined : grants.placeOf(grant),
        scope: scopes.placeOf(scope),
        digests: ofKey,
      },
    });
  }
  send({ kind: "end", revision, scope: scopes.placeOf(snapshot.aliases) });
}

export type SnapshotBuilder = {
  /** The snapshot once the last part is there; undefined before. */
  add(part: SnapshotPart): Snapshot | undefined;
};

export function createSnapshotBuilder(): SnapshotBuilder {
  const sets: PatternSet[] = [];
  const grants: Grant[] = [];
  const aliases: Alias[] = [];
  const scopes: AliasScope[] = [];
  const teams: Team[] = [];
  const keys = new Map<string, KeyRecord>();
  let catalogue: Catalogue | undefined;
  const toKey = ({ digests: _, team, grant, scope, ...key }: KeyPart): VirtualKey => ({
    ...key,
    team: team === undefined ? undefined : toTeamReference(team, teams),
    grant: grant === undefined ? undefined : at(grants, grant),
    aliases: at(scopes, scope),
  });
  return {
    add(part) {
      switch (part.kind) {
        case "catalogue":
          catalogue = { closed: part.closed, models: byName(part.models) };
          return undefined;
        case "patternSet":
          sets.push(part.set);
          return undefined;
        case "grant": {
          const { models, deny } = part.grant;
          const ofModels = models.map((place) => at(sets, place));
          grants.push({ ...part.grant, models: ofModels, deny: at(sets, deny) });
          return undefined;
        }
        case "alias":
          aliases.push(part.alias);
          return undefined;
        case "scope": {
          const inScope = part.aliases.map((place) => at(aliases, place));
          scopes.push(createAliasScope(inScope));
          return undefined;
        }
        case "team": {
          const { name, disabled, grant, scope } = part;
          teams.push({ name, disabled, grant: at(grants, grant), aliases: at(scopes, scope) });
          return undefined;
        }
        case "key": {
          const key = toKey(part.key);
          for (const [digest, validUntilMs] of part.key.digests) {
            keys.set(digest, { key, validUntilMs });
          }
          return undefined;
        }
        case "end":
          return finish(part, { catalogue, scopes, keys });
        default:
          return part satisfies never;
      }
    },
  };
}

function byName(models: readonly CatalogueModel[]): ReadonlyMap<string, CatalogueModel> {
  return new Map(models.map((model) => [model.name, model]));
}

type Built = Pick<Snapshot, "keys"> & {
  readonly catalogue: Catalogue | undefined;
  readonly scopes: readonly AliasScope[];
};

function finish(
  { revision, scope }: Extract<SnapshotPart, { kind: "end" }>,
  { catalogue, scopes, keys }: Built,
): Snapshot {
  // Without it nobody could tell which models may run.
  if (catalogue === undefined) throw new Error("the catalogue is not there yet");
  return { revision, catalogue, aliases: at(scopes, scope), keys };
}

function toTeamReference(
  { name, team }: { readonly name: string; readonly team: number | undefined },
  teams: readonly Team[],
): TeamReference {
  return team === undefined ? { name, team } : { name, team: at(teams, team) };
}

/** A part that refers to a later one is a bug of sendSnapshot: half a policy must not come into force. */
function at<T>(table: readonly T[], place: number): T {
  const value = table[place];
  if (value === undefined) throw new Error(`part ${place} of ${table.length} is not there yet`);
  return value;
}
