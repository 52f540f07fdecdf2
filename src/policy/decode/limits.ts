// The size of everything that a policy may hold. The decoder enforces these numbers and the CRD schema repeats them, so
// that a file and a cluster accept the same objects.

export const policyLimits = {
  /** metadata.name, and every reference to one: a DNS-1123 subdomain. */
  objectNameLength: 253,
  /** metadata.namespace: a DNS-1123 label. */
  namespaceLength: 63,
  /** Targets of one ModelAlias. */
  aliasTargets: 16,
  /** Fallbacks of one Model. */
  modelFallbacks: 16,
  /** Teams that one ModelAlias is visible to. */
  aliasTeams: 64,
  /** Largest weight of a target; 0 means that it does not run. */
  targetWeight: 1_000_000,
  /** Entries of each list of a grant, and models of an AccessGroup. */
  grantEntries: 1024,
  /**
   * Characters of all names and patterns of one grant together: with everything else that an object may hold, its record
   * still fits into a ConfigMap of the policy.
   */
  grantCharacters: 512 * 1024,
  /** Aliases of one Team or VirtualKey. */
  scopedAliases: 256,
  /** Characters of a header name in `stickyBy`. */
  headerNameLength: 128,
  /** Characters of the entry of a Secret that `secretRef.key` or `upstreamCredential.name` names. */
  secretKeyLength: 253,
  /** Characters of a timestamp: seconds, nine digits of fraction and an offset. */
  timestampLength: 35,
  /** Entries of `bodyFields` and of `refusedFields` of one Model. */
  fieldEntries: 64,
  /** Characters of one of them. */
  fieldNameLength: 80,
  ownedByLength: 256,
  descriptionLength: 1024,
} as const;

/** Unknown fields of one object that are named one by one; more are only counted. */
export const unknownFieldsNamedMax = 20;
