/* Any client message is normalised and read as a setup, or refused with a reason. */
#include "setup.h"
#include "shape.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes reason = {0}, text = {0};
    struct setup_refusal refusal = {0};
    struct setup setup;
    bool vertex = size && data[0] & 1;
    cJSON *message = json_parse((const char *)data, size);
    if (message && shape_normalise(message, shape_client_message, vertex, &reason)) {
        const cJSON *body = json_at(message, "setup");
        if (body && setup_read(&setup, body, vertex, "v1beta", &refusal))
            setup_free(&setup);
        else if (body && !refusal.reason.len)
            abort();
        json_write(&text, message, (struct json_style){.ascii = vertex});
    } else if (message && !reason.len) {
        abort();
    }
    bytes_free(&refusal.reason);
    bytes_free(&reason);
    bytes_free(&text);
    cJSON_Delete(message);
    return 0;
}
