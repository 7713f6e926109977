/* Any text as the JSON of a tool: what is not JSON is told, and what comes out of it is as valid as
 * what went in. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "json_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum antiphon_status visit(void *ctx, const char *text, size_t len, bool is_text,
                                  char **made, size_t *made_len)
{
    (void)ctx;
    if (is_text && len > 0 && text[0] == 'r') {
        *made = strdup("re\"placed\\");
        *made_len = *made ? strlen(*made) : 0;
    }
    return ANTIPHON_ENOTFOUND;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *json = malloc(size + 1), *made = NULL;
    size_t len = 0;

    if (!json)
        return 0;
    memcpy(json, data, size);
    json[size] = '\0';
    cJSON *before = cJSON_ParseWithOpts(json, NULL, 1);
    (void)json_walk(json, size, size % 2 ? "r" : NULL, visit, NULL, &made, &len);
    if (made) {
        cJSON *after = cJSON_ParseWithOpts(made, NULL, 1);
        if (strlen(json) == size && before && (!after || strlen(made) != len))
            abort();
        cJSON_Delete(after);
    }
    cJSON_Delete(before);
    free(made);
    free(json);
    return 0;
}
