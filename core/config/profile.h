/* profile - what is different about one live model on one backend, as data (schema/models.json, overridable by
 * `models:` of the config). [main] to load, immutable afterwards.
 *
 * An entry: {"provider":"gemini_live","backend":"gemini_api"|"vertex"|"*","match":"gemini-2.5-",  (prefix; longest wins)
 *   "modalities":["AUDIO"]|["TEXT","AUDIO"],     what the model answers with, first is the default
 *   "text":"client_content"|"realtime",          how typed text is sent
 *   "audio":"audio"|"media_chunks",
 *   "history":"client_content"|"initial"|"none", how an earlier talk is given to a fresh connection
 *   "native_tools":["google_search",...],        features a native tool may ask for
 *   "native_with_functions":false,               optional: refuses functions beside native tools; true if absent
 *   "forbid":["generationConfig.thinkingConfig",...],  paths that must not be in setup
 *   "input_transcript":"delta"|"whole", "tools":"blocking"|"non_blocking", "api_version":"v1alpha",
 *   "retired":"sentence",                        optional: why the id is refused nowadays
 *   "history_collapsed":true,                    optional: earlier turns are told as one text
 *   "history_end_user":true,                     optional: a blank turn of the user ends the history
 *   "transparent_resumption":true,               optional: asked for in setup (Vertex AI only)
 *   "behavior":"NON_BLOCKING"}                   optional: written into every function declaration
 */
#ifndef CONFIG_PROFILE_H
#define CONFIG_PROFILE_H
#include "config/report.h"
#include "base/json.h"

struct profiles;
/* overrides: array of entries or NULL; they win over the embedded ones of equal match. */
enum antiphon_status profiles_load(const cJSON *overrides, struct report *report, struct profiles **profiles)
    MUST_CHECK;
void profiles_free(struct profiles *profiles);

struct profile {
    const char *match;    /* "" if only the fallback fits: an unknown model */
    const cJSON *entry;   /* borrowed: the whole merged entry, for the model plugin */
    bool text, audio;     /* modalities */
    bool history;         /* history may be given at all */
};
/* Never fails: the fallback entry (match "") of the provider is used for unknown models. */
void profiles_find(const struct profiles *profiles, const char *provider, const char *backend,
                   const char *model, struct profile *profile);
bool profile_native(const struct profile *profile, const char *feature);
bool profile_mixes(const struct profile *profile); /* native tools and functions in one setup */
#endif
