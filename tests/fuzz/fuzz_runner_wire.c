/* Packets of any content: nothing is read outside them, and a message that is understood is written again as the same
 * bytes. The first byte says who reads; a packet is two bytes of size and as many more. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/runner_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_message(const char *data, size_t len, bool to_server)
{
    char *exact = malloc(len ? len : 1); /* so that one byte too far is seen */
    struct runner_message message;
    struct err err = {0};
    struct buf again;

    assert(exact);
    memcpy(exact, data, len);
    enum antiphon_status status = runner_wire_decode(exact, len, to_server, &message, &err);
    assert(status == ANTIPHON_OK || (status == ANTIPHON_EPROTOCOL && err.text[0]));
    if (!status) {
        buf_init(&again, RUNNER_MAX_MESSAGE);
        status = runner_wire_encode(&message, &again);
        assert(!status && again.len == len && memcmp(again.data, exact, len) == 0);
        buf_deinit(&again);
    }
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf message;
    size_t at = 1;

    if (size == 0)
        return 0;
    read_message((const char *)data + 1, size - 1, data[0] & 1);
    buf_init(&message, RUNNER_MAX_MESSAGE);
    while (size - at >= 2) {
        size_t len = data[at] | (size_t)data[at + 1] << 8;
        bool whole = false;
        struct err err = {0};
        at += 2;
        if (len > size - at)
            len = size - at;
        if (runner_wire_join(&message, (const char *)data + at, len, &whole, &err))
            break;
        assert(message.len > 0 && message.len <= RUNNER_MAX_MESSAGE);
        at += len;
        if (whole) {
            read_message(message.data, message.len, data[0] & 1);
            buf_reset(&message);
        }
    }
    buf_deinit(&message);
    return 0;
}
