/* Any bytes, cut anywhere, either make messages or end the connection. */
#include "ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ws_reader reader = {0};
    struct ws_message message;
    char reason[WS_MAX_REASON + 1];
    uint16_t code = 0;
    size_t step = size ? data[0] % 17 + 1U : 1;
    for (size_t at = 0; at < size; at += step) {
        enum ws_status status;
        ws_feed(&reader, data + at, size - at < step ? size - at : step);
        while ((status = ws_next(&reader, &message, &code)) == WS_MESSAGE)
            if (message.opcode == WS_CLOSE)
                ws_close_code(&message, reason, sizeof reason);
        if (status == WS_BROKEN)
            break;
    }
    ws_reader_free(&reader);
    return 0;
}
