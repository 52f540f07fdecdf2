// Advice: what works, but perhaps not as meant. One closed list with stable codes, printed in docs/reference; lint prints
// the sentences, the controller puts them into statuses.

export const adviceRows = [
  ["grants_nothing", "A grant is empty, or there is none: nothing can be used."],
  ["grants_everything", "`*` is granted while the catalogue is open."],
  ["alias_granted_as_model", "A model is granted that an alias takes: use grants.aliases."],
  ["granted_alias_missing", "grants.aliases names an alias that is not there."],
  ["stand_in_reached", "A grant reaches a model behind which the backend picks others."],
  ["litellm_sentinel", "A grant names a word of LiteLLM's configuration, which is no model."],
  ["alias_named_like_model", "An alias has the name of a model that others grant or lead to."],
  ["alias_overridden", "A Team has an alias of the same name, which wins for its keys."],
  ["team_missing", "An alias names one Team among others that is not there."],
  ["fallback_is_alias", "A fallback has the name of an alias: fallbacks are models."],
  [
    "too_much_work",
    "Its patterns or targets can take a decision beyond its steps, which refuses it.",
  ],
  ["key_expired", "The key has expired."],
  ["previous_expired", "The previous secret has expired and can go."],
  ["previous_is_current", "The previous secret is the current one."],
] as const;

export type AdviceCode = (typeof adviceRows)[number][0];
