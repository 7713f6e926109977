/* Any text as an expression and as a unit. The first byte is the number of digits. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "expr.h"
#include "units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* The library's parser loses the word it stopped at, see units.h. */
const char *__lsan_default_suppressions(void)
{
    return "leak:utlex\n";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct units *units;
    char result[EXPR_TEXT_BYTES] = "", why[300] = "";
    double converted = 0;

    if (!units && units_new(&units, why, sizeof(why)) != ANTIPHON_OK)
        abort();
    if (size < 1)
        return 0;
    char *text = calloc(1, size);
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    enum antiphon_status status =
        expr_evaluate(text, size - 1, 1 + data[0] % EXPR_MAX_DIGITS, result, why, sizeof(why));
    if ((status == ANTIPHON_OK && (!result[0] || strlen(result) >= sizeof(result))) ||
        (status != ANTIPHON_OK && !why[0]))
        abort();
    (void)units_convert(units, 2, text, "m", &converted, why, sizeof(why));
    free(text);
    return 0;
}
