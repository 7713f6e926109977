#include "config/profile.h"

#include <stdlib.h>
#include <string.h>

#include "config/check.h"
#include "base/banned.h"

#define PROFILE_MAX_ENTRIES 1024 /* as written, embedded and overriding ones together */
#define ANY_BACKEND         "*"

struct source {                             /* one entry as written */
    const char *provider, *backend, *match; /* borrowed: entry */
    const cJSON *entry;                     /* borrowed: embedded tree or the caller's overrides */
    bool override;
};
struct merged {
    const char *provider, *backend, *match; /* borrowed: entry */
    cJSON *entry;                           /* owned */
};
struct profiles {
    struct merged *items; /* owned */
    size_t n;
    cJSON *unknown; /* owned; for a provider that no entry names */
};

/* ---- what an entry may hold
 * --------------------------------------------------------------------------- */

static const struct field {
    const char *name;
    const char *choices; /* words with a space before and behind each; NULL: any text */
    bool list;           /* of texts */
    bool required;
} fields[] = {
    {"provider", NULL, false, true},
    {"backend", NULL, false, true},
    {"match", NULL, false, true},
    {"modalities", " TEXT AUDIO ", true, false},
    {"text", " client_content realtime ", false, false},
    {"audio", " audio media_chunks ", false, false},
    {"history", " client_content initial none ", false, false},
    {"native_tools", NULL, true, false},
    {"forbid", NULL, true, false},
    {"input_transcript", " delta whole ", false, false},
    {"tools", " blocking non_blocking ", false, false},
    {"api_version", NULL, false, false},
    {"retired", NULL, false, false},
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static bool is_choice(const struct field *field, const cJSON *value)
{
    if (!cJSON_IsString(value))
        return false;
    if (!field->choices)
        return true;
    const char *found = strstr(field->choices, value->valuestring);
    size_t len = strlen(value->valuestring);
    return len > 0 && !strchr(value->valuestring, ' ') && found && found[-1] == ' ' &&
           found[len] == ' ';
}

static bool is_valid(const struct field *field, const cJSON *value)
{
    const cJSON *item;

    if (!value)
        return !field->required;
    if (cJSON_IsNull(value)) /* takes back what a shorter match says */
        return !field->required;
    if (!field->list)
        return is_choice(field, value);
    if (!cJSON_IsArray(value))
        return false;
    cJSON_ArrayForEach (item, value) {
        if (!is_choice(field, item))
            return false;
    }
    return true;
}

/* Unknown members are allowed: an entry is the model plugin's too. */
static bool check_entry(const cJSON *entry, const char *where, int index, struct report *report)
{
    unsigned before = report->faults;

    if (!cJSON_IsObject(entry)) {
        report_fault(report, NULL, 0, 0, "", "%s[%d]: must be an object", where, index);
        return false;
    }
    for (size_t i = 0; i < FIELDS; i++) {
        const struct field *field = &fields[i];
        if (is_valid(field, json_get(entry, field->name)))
            continue;
        report_fault(report, NULL, 0, 0, "", "%s[%d].%s: must be %s%s%s%s", where, index,
                     field->name, field->list ? "a list of texts" : "a text",
                     field->choices ? ", of:" : "", field->choices ? field->choices : "",
                     field->required ? "; it is required" : "");
    }
    return report->faults == before;
}

static size_t collect(const cJSON *entries, const char *where, bool override,
                      struct source *sources, size_t n, struct report *report)
{
    const cJSON *entry;
    int index = 0;

    cJSON_ArrayForEach (entry, entries) {
        if (n == PROFILE_MAX_ENTRIES) {
            report_fault(report, NULL, 0, 0, where, "more than %d entries", PROFILE_MAX_ENTRIES);
            break;
        }
        if (check_entry(entry, where, index++, report))
            sources[n++] = (struct source){json_get_string(entry, "provider"),
                                           json_get_string(entry, "backend"),
                                           json_get_string(entry, "match"), entry, override};
    }
    return n;
}

/* ---- merging
 * ------------------------------------------------------------------------------------------ */

static bool overlay(cJSON *target, const cJSON *entry)
{
    const cJSON *member;

    cJSON_ArrayForEach (member, entry) {
        cJSON_DeleteItemFromObjectCaseSensitive(target, member->string);
        if (cJSON_IsNull(member))
            continue;
        cJSON *copy = cJSON_Duplicate(member, true);
        if (!copy || !cJSON_AddItemToObject(target, member->string, copy)) {
            cJSON_Delete(copy);
            return false;
        }
    }
    return true;
}

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Rising precedence: longer match, then the named backend, then overrides, then later entries. */
static int by_precedence(const void *a, const void *b)
{
    const struct source *one = *(const struct source *const *)a,
                        *two = *(const struct source *const *)b;
    size_t one_len = strlen(one->match), two_len = strlen(two->match);
    bool one_any = strcmp(one->backend, ANY_BACKEND) == 0,
         two_any = strcmp(two->backend, ANY_BACKEND) == 0;

    if (one_len != two_len)
        return one_len < two_len ? -1 : 1;
    if (one->override != two->override)
        return one->override ? 1 : -1;
    if (one_any != two_any)
        return one_any ? -1 : 1;
    return one < two ? -1 : one > two;
}

/* Everything that is said about models that start with match on that backend. */
static cJSON *merge(const struct source *sources, size_t n, const char *provider,
                    const char *backend, const char *match)
{
    const struct source **chain = calloc(n, sizeof(*chain));
    cJSON *entry = cJSON_CreateObject();
    size_t used = 0;
    bool ok = chain && entry;

    for (size_t i = 0; ok && i < n; i++) {
        const struct source *source = &sources[i];
        bool fits =
            strcmp(source->backend, ANY_BACKEND) == 0 || strcmp(source->backend, backend) == 0;
        if (fits && strcmp(source->provider, provider) == 0 && starts(match, source->match))
            chain[used++] = source;
    }
    if (ok)
        qsort(chain, used, sizeof(*chain), by_precedence);
    for (size_t i = 0; ok && i < used; i++)
        ok = overlay(entry, chain[i]->entry);
    cJSON_DeleteItemFromObjectCaseSensitive(entry, "backend");
    cJSON_DeleteItemFromObjectCaseSensitive(entry, "match");
    cJSON_DeleteItemFromObjectCaseSensitive(entry, "provider");
    ok = ok && cJSON_AddStringToObject(entry, "provider", provider) &&
         cJSON_AddStringToObject(entry, "backend", backend) &&
         cJSON_AddStringToObject(entry, "match", match);
    free(chain);
    if (ok)
        return entry;
    cJSON_Delete(entry);
    return NULL;
}

static const struct merged *find(const struct profiles *profiles, const char *provider,
                                 const char *backend, const char *match)
{
    for (size_t i = 0; i < profiles->n; i++) {
        const struct merged *item = &profiles->items[i];
        if (strcmp(item->provider, provider) == 0 && strcmp(item->backend, backend) == 0 &&
            strcmp(item->match, match) == 0)
            return item;
    }
    return NULL;
}

static enum antiphon_status add(struct profiles *profiles, const struct source *sources, size_t n,
                                const char *provider, const char *backend, const char *match)
{
    if (find(profiles, provider, backend, match))
        return ANTIPHON_OK;
    struct merged *items = realloc(profiles->items, (profiles->n + 1) * sizeof(*items));
    if (!items)
        return ANTIPHON_ENOMEM;
    profiles->items = items;
    cJSON *entry = merge(sources, n, provider, backend, match);
    if (!entry)
        return ANTIPHON_ENOMEM;
    items[profiles->n++] =
        (struct merged){json_get_string(entry, "provider"), json_get_string(entry, "backend"),
                        json_get_string(entry, "match"), entry};
    return ANTIPHON_OK;
}

/* One merged entry for every match and every backend that its provider knows. */
static enum antiphon_status merge_all(struct profiles *profiles, const struct source *sources,
                                      size_t n)
{
    enum antiphon_status status = ANTIPHON_OK;

    for (size_t i = 0; i < n; i++) {
        const char *provider = sources[i].provider;
        for (size_t j = 0; status == ANTIPHON_OK && j < n; j++) {
            bool same = strcmp(sources[j].provider, provider) == 0;
            /* A match of another backend is nothing to this one. */
            bool fits = strcmp(sources[i].backend, ANY_BACKEND) == 0 ||
                        strcmp(sources[i].backend, sources[j].backend) == 0;
            if (same && fits)
                status = add(profiles, sources, n, provider, sources[j].backend, sources[i].match);
        }
        if (status == ANTIPHON_OK && strcmp(sources[i].backend, ANY_BACKEND) == 0)
            status = add(profiles, sources, n, provider, ANY_BACKEND, sources[i].match);
    }
    return status;
}

enum antiphon_status profiles_load(const cJSON *overrides, struct report *report,
                                   struct profiles **profiles)
{
    struct source *sources = calloc(PROFILE_MAX_ENTRIES, sizeof(*sources));
    struct profiles *made = calloc(1, sizeof(*made));
    cJSON *embedded = NULL;
    struct err err = {ANTIPHON_ENOMEM, "out of memory"};
    unsigned before = report->faults;
    size_t n = 0;
    enum antiphon_status status = ANTIPHON_ENOMEM;

    if (!sources || !made)
        goto out;
    made->unknown = cJSON_Parse("{\"modalities\":[\"AUDIO\",\"TEXT\"],\"text\":\"client_content\","
                                "\"audio\":\"audio\",\"history\":\"client_content\"}");
    status = made->unknown ? check_embedded("models.json", &embedded, &err) : ANTIPHON_ENOMEM;
    if (status != ANTIPHON_OK)
        goto out;
    n = collect(embedded, "schema/models.json", false, sources, n, report);
    n = collect(overrides, "models", true, sources, n, report);
    status = report->faults == before ? merge_all(made, sources, n) : ANTIPHON_EINVAL;
out:
    if (status != ANTIPHON_OK && report->faults == before)
        report_fault(report, NULL, 0, 0, "", "model profiles: %s", err.text);
    free(sources);
    cJSON_Delete(embedded);
    if (status == ANTIPHON_OK)
        *profiles = made;
    else
        profiles_free(made);
    return status;
}

void profiles_free(struct profiles *profiles)
{
    if (!profiles)
        return;
    for (size_t i = 0; i < profiles->n; i++)
        cJSON_Delete(profiles->items[i].entry);
    free(profiles->items);
    cJSON_Delete(profiles->unknown);
    free(profiles);
}

/* ---- finding
 * ------------------------------------------------------------------------------------------ */

static bool has_word(const cJSON *list, const char *word)
{
    const cJSON *item;

    cJSON_ArrayForEach (item, list) {
        if (cJSON_IsString(item) && strcmp(item->valuestring, word) == 0)
            return true;
    }
    return false;
}

void profiles_find(const struct profiles *profiles, const char *provider, const char *backend,
                   const char *model, struct profile *profile)
{
    const struct merged *best = NULL;

    for (size_t i = 0; i < profiles->n; i++) {
        const struct merged *item = &profiles->items[i];
        bool named = strcmp(item->backend, backend) == 0;
        if (strcmp(item->provider, provider) != 0 || !starts(model, item->match) ||
            (!named && strcmp(item->backend, ANY_BACKEND) != 0))
            continue;
        size_t len = strlen(item->match), best_len = best ? strlen(best->match) : 0;
        if (!best || len > best_len || (len == best_len && named))
            best = item;
    }
    const cJSON *entry = best ? best->entry : profiles->unknown;
    const cJSON *modalities = json_get(entry, "modalities");
    const char *history = json_get_string(entry, "history");
    *profile = (struct profile){
        .match = best ? best->match : "",
        .entry = entry,
        .text = has_word(modalities, "TEXT"),
        .audio = has_word(modalities, "AUDIO"),
        .history = history && strcmp(history, "none") != 0,
    };
}

bool profile_native(const struct profile *profile, const char *feature)
{
    return has_word(json_get(profile->entry, "native_tools"), feature);
}

bool profile_mixes(const struct profile *profile)
{
    return json_get_bool(profile->entry, "native_with_functions", true);
}
