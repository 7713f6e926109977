/* Any JSON as a run: the setup and history made of it are JSON, and a forbidden field never gets
 * through. */
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "reader.h"
#include "setup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const char *message, const char *key)
{
    struct value value;
    size_t where;
    if (!reader_check(message, strlen(message), &value, &where) ||
        !reader_is(reader_get(value, key, NULL), '{'))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct value value;
    size_t where;
    char why[128], *message = NULL;
    if (!reader_check((const char *)data, len, &value, &where) || !reader_is(value, '{'))
        return 0;
    cJSON *run = cJSON_ParseWithLength(value.p, value.n);
    if (!run)
        return 0;
    cJSON_DeleteItemFromObject(run, "profile");
    cJSON_AddItemToObject(
        run, "profile",
        cJSON_Parse("{\"history\":\"initial\",\"forbid\":[\"generationConfig.temperature\","
                    "\"proactivity\"]}"));
    enum antiphon_status status = setup_message(run, "models/m", &message, why, sizeof why);
    if (status == ANTIPHON_OK) {
        check(message, "setup");
        if (reader_check(message, strlen(message), &value, &where)) {
            struct value setup = reader_get(value, "setup", NULL);
            if (reader_get(setup, "proactivity", NULL).p ||
                reader_get(reader_get(setup, "generationConfig", NULL), "temperature", NULL).p)
                abort();
        }
        free(message);
    } else if (status != ANTIPHON_EINVAL) {
        abort();
    }
    if (history_message(run, &message) != ANTIPHON_OK)
        abort();
    if (message)
        check(message, "clientContent");
    free(message);
    cJSON_Delete(run);
    return 0;
}
