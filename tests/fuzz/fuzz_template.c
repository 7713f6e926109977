/* Instruction templates: nothing may crash or leak; a text without braces comes out as it went in,
 * and a refusal has a message. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/template.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static cJSON *state;
    struct err err = {0};
    struct buf out;
    char *text = malloc(size + 1);

    MUST(text);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    if (!state)
        state = cJSON_Parse(
            "{\"a\":\"{b}\",\"b\":[1],\"user:c\":null,\"app:d\":true,\"temp:e\":\"x\"}");
    MUST(state);
    buf_init(&out, 1u << 16);
    enum antiphon_status status = template_expand(text, state, &out, &err);
    if (status != ANTIPHON_OK)
        MUST(err.text[0]);
    else if (!strchr(text, '{'))
        MUST(strcmp(buf_text(&out), text) == 0);
    buf_deinit(&out);
    free(text);
    return 0;
}
