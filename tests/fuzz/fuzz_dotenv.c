/* .env files: nothing may crash or leak; every name is one that setenv() takes, and a refusal has a
 * message. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/dotenv.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static void on_set(void *ctx, const char *name, const char *value)
{
    size_t *total = ctx;

    MUST(name[0] && !strchr(name, '='));
    *total += strlen(name) + strlen(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    size_t total = 0;
    char *text = malloc(size ? size : 1);

    MUST(text);
    if (size)
        memcpy(text, data, size);
    if (dotenv_parse(text, size, on_set, &total, &err) != ANTIPHON_OK)
        MUST(err.text[0]);
    MUST(total <= size);
    free(text);
    return 0;
}
