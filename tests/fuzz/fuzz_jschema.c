/* Schema, a line feed, value. A value that was repaired with both flags is valid ever after,
 * but with anyOf: there what an alternative demands may be unknown to the schema around it. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/jschema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_report(void *ctx, const char *path, const char *message)
{
    ++*(unsigned *)ctx;
    assert(json_is_utf8(path, strlen(path)) && message[0]);
    assert(json_is_utf8(message, strlen(message)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *line = size ? memchr(text, '\n', size) : NULL;
    const unsigned repair = JSCHEMA_DROP_UNKNOWN | JSCHEMA_FILL_DEFAULTS;
    struct jschema *schema = NULL;
    struct err err = {0};
    cJSON *value = NULL;
    unsigned reports = 0;

    if (!line)
        return 0;
    char *schema_text = strndup(text, (size_t)(line - text));
    assert(schema_text);
    enum antiphon_status status = jschema_new("fuzz", schema_text, &schema, &err);
    if (status) {
        assert(err.text[0] && !schema);
        free(schema_text);
        return 0;
    }
    line++;
    if (json_parse(line, size - (size_t)(line - text), NULL, &value, &err) == ANTIPHON_OK) {
        status = jschema_check(schema, value, repair, on_report, &reports);
        assert((status == ANTIPHON_OK) == (reports == 0) && reports <= JSCHEMA_MAX_REPORTS);
        if (!status && !strstr(schema_text, "\"anyOf\"")) {
            status = jschema_check(schema, value, repair, on_report, &reports);
            assert(status == ANTIPHON_OK && reports == 0);
        }
    }
    cJSON_Delete(value);
    jschema_free(schema);
    free(schema_text);
    return 0;
}
