#include "store/store_unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

/* The texts of a record, in a fixed order, so that measuring and copying cannot disagree. */
enum { TEXTS = 15 };

static void list_texts(struct store_record *record, const char **texts[TEXTS], size_t lens[TEXTS])
{
    const char **all[TEXTS] = {&record->key.app,     &record->key.user,      &record->key.session,
                               &record->id,          &record->invocation_id, &record->json,
                               &record->state_delta, &record->model,     &record->call.state,
                               &record->call.call_id, &record->call.agent, &record->call.tool,
                               &record->call.args,   &record->call.receipt, &record->call.reason};
    for (int i = 0; i < TEXTS; i++) {
        texts[i] = all[i];
        lens[i] = *all[i] ? strlen(*all[i]) : 0;
    }
    /* Only json has a length of its own. */
    lens[5] = record->json ? record->json_len : 0;
}

static bool is_new_call(const struct store_record *record)
{
    return record->call.state && strcmp(record->call.state, "requested") == 0;
}

static bool is_complete(const struct store_record *record)
{
    if (!record->key.app || !record->key.user || !record->key.session ||
        !isfinite(record->timestamp))
        return false;
    switch (record->kind) {
    case STORE_SESSION:
        return true;
    case STORE_EVENT:
        return record->id && record->invocation_id && record->json;
    case STORE_HANDLE:
        return record->model || record->json_len == 0;
    case STORE_DATA:
        return true;
    case STORE_NOTICE:
        return record->id && record->model && record->json;
    case STORE_NOTICE_OVER:
        return record->id != NULL;
    case STORE_TOOL_CALL:
        return record->id && (!is_new_call(record) || (record->invocation_id && record->call.call_id &&
                                                       record->call.agent && record->call.tool));
    }
    return false;
}

static enum antiphon_status measure(const struct store_record *records, size_t n, size_t max,
                                    size_t *bytes)
{
    size_t sum = sizeof(struct store_unit);
    if (n > (max - sum) / sizeof(*records))
        return ANTIPHON_ETOOBIG;
    sum += n * sizeof(*records);
    for (size_t i = 0; i < n; i++) {
        struct store_record record = records[i];
        const char **texts[TEXTS];
        size_t lens[TEXTS];
        if (!is_complete(&record))
            return ANTIPHON_EINVAL;
        list_texts(&record, texts, lens);
        for (int t = 0; t < TEXTS; t++) {
            if (lens[t] >= max - sum)
                return ANTIPHON_ETOOBIG;
            sum += lens[t] + 1;
        }
    }
    *bytes = sum;
    return ANTIPHON_OK;
}

enum antiphon_status store_unit_new(const struct store_record *records, size_t n, size_t max_bytes,
                                    struct store_unit **unit)
{
    size_t bytes;
    if (n == 0)
        return ANTIPHON_EINVAL;
    if (max_bytes < sizeof(struct store_unit))
        return ANTIPHON_ETOOBIG;
    enum antiphon_status status = measure(records, n, max_bytes, &bytes);
    if (status != ANTIPHON_OK)
        return status;
    struct store_unit *made = malloc(bytes);
    if (!made)
        return ANTIPHON_ENOMEM;
    *made = (struct store_unit){.bytes = bytes, .n = n};
    char *at = (char *)&made->records[n];
    for (size_t i = 0; i < n; i++) {
        const char **texts[TEXTS];
        size_t lens[TEXTS];
        made->records[i] = records[i];
        list_texts(&made->records[i], texts, lens);
        for (int t = 0; t < TEXTS; t++) {
            if (!*texts[t])
                continue;
            memcpy(at, *texts[t], lens[t]);
            at[lens[t]] = '\0';
            *texts[t] = at;
            at += lens[t] + 1;
        }
    }
    *unit = made;
    return ANTIPHON_OK;
}

void store_unit_answer_all(struct store_unit *units)
{
    while (units) {
        struct store_unit *unit = units;
        units = unit->next;
        if (unit->done)
            unit->done(unit->ctx, unit->status);
        free(unit);
    }
}
