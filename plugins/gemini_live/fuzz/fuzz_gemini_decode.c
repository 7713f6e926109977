/* Any bytes as messages of the server: three in a row (cut at 0xff, which JSON has not), because
 * sound is carried from one to the next. What is emitted must be readable to its last byte and keep
 * its promises. */
#include <stdlib.h>
#include <string.h>

#include "b64.h"
#include "decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static volatile unsigned sink;

static void check(void *ctx, const struct antiphon_event *event)
{
    const unsigned char *p = event->data;
    size_t decoded;
    (void)ctx;
    for (size_t i = 0; i < event->len; i++)
        sink += p[i];
    sink += (unsigned)(event->id ? strlen(event->id) : 0);
    sink += (unsigned)(event->name ? strlen(event->name) : 0);
    switch (event->type) {
    case ANTIPHON_EV_AUDIO:
        if (event->sample_rate < 1000 || event->sample_rate > 192000 || event->len == 0)
            abort();
        if (event->encoding == ANTIPHON_RAW && event->len % 2)
            abort();
        if (event->encoding == ANTIPHON_BASE64 &&
            (b64_check(event->data, event->len, &decoded) != B64_STANDARD || decoded % 2))
            abort();
        break;
    case ANTIPHON_EV_TOOL_CALL:
        if (!event->name || event->index >= event->count || p[0] != '{')
            abort();
        break;
    case ANTIPHON_EV_TOOL_CANCEL:
        if (!event->id)
            abort();
        break;
    case ANTIPHON_EV_USAGE:
    case ANTIPHON_EV_GROUNDING: {
        struct value value;
        size_t where;
        if (!reader_check(event->data, event->len, &value, &where) || value.p[0] != '{')
            abort();
        break;
    }
    case ANTIPHON_EV_TEXT:
    case ANTIPHON_EV_INPUT_TRANSCRIPT:
    case ANTIPHON_EV_OUTPUT_TRANSCRIPT:
        for (size_t i = 0; i < event->len;) {
            size_t n = text_utf8(p + i, event->len - i);
            if (n == 0 || p[i] == 0)
                abort();
            i += n;
        }
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct decode decode = {.whole_input = len % 2};
    for (int i = 0; i < 3; i++) {
        const uint8_t *cut = len ? memchr(data, 0xff, len) : NULL;
        size_t n = cut ? (size_t)(cut - data) : len;
        char *exact = malloc(n ? n : 1);
        struct decode_error error;
        size_t where;
        if (n)
            memcpy(exact, data, n);
        if (decode_message(&decode, exact, n, check, NULL, &error, &where) != ANTIPHON_OK &&
            where > n)
            abort();
        free(exact);
        if (!cut)
            break;
        len -= n + 1;
        data = cut + 1;
    }
    return 0;
}
