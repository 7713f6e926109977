/* Any text, sound, image or tool results as messages to the service: what is taken is one JSON
 * object. */
#include <stdlib.h>
#include <string.h>

#include "b64.h"
#include "encode.h"
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const enum antiphon_event_type types[] = {ANTIPHON_EV_TEXT, ANTIPHON_EV_AUDIO,
                                                     ANTIPHON_EV_IMAGE, ANTIPHON_EV_TOOL_RESULTS};
    struct encode_message message;
    struct text whole = {0};
    struct value value;
    size_t where;
    if (len == 0)
        return 0;
    const struct encode_style style = {data[0] & 1, data[0] & 2, data[0] & 4};
    const struct antiphon_event event = {.struct_size = sizeof event,
                                         .type = types[data[0] >> 3 & 3],
                                         .data = data + 1,
                                         .len = len - 1};
    enum antiphon_status status = encode_event(&style, &event, &message);
    for (size_t i = 0; i < message.n; i++)
        text_add(&whole, message.parts[i].data, message.parts[i].len);
    if (status == ANTIPHON_OK &&
        (!reader_check(whole.data, whole.len, &value, &where) || !reader_is(value, '{')))
        abort();
    if (status != ANTIPHON_OK && event.type != ANTIPHON_EV_TOOL_RESULTS)
        abort();
    text_free(&whole);
    encode_free(&message);
    return 0;
}
