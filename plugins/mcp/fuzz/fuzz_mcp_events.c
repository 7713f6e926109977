/* A stream of events in two pieces; the first byte says where it is cut. In one piece it must say
 * the same. */
#include <stdint.h>
#include <stdlib.h>

#include "events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *ctx, const char *text, size_t len)
{
    size_t *sum = ctx;

    for (size_t i = 0; i < len; i++)
        *sum = *sum * 31 + (unsigned char)text[i] + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct events whole = {0}, cut = {0};
    size_t a = 1, b = 1, at;

    if (size == 0)
        return 0;
    at = data[0] < size - 1 ? data[0] : size - 1;
    const char *text = (const char *)data + 1;
    (void)events_feed(&whole, text, size - 1, count, &a);
    events_end(&whole, count, &a);
    (void)events_feed(&cut, text, at, count, &b);
    (void)events_feed(&cut, text + at, size - 1 - at, count, &b);
    events_end(&cut, count, &b);
    if (a != b)
        abort();
    events_free(&whole);
    events_free(&cut);
    return 0;
}
