/* What a server says: an HTTP body, and what is in it as result and as schema. The first byte says
 * whether it is events. */
#include <stdint.h>

#include "message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[64];

    if (size == 0)
        return 0;
    cJSON *answer = message_find((const char *)data + 1, size - 1, data[0] & 1, 1, NULL, NULL);
    const cJSON *result = cJSON_GetObjectItemCaseSensitive(answer, "result");
    (void)message_error(answer, why, sizeof(why));
    cJSON_Delete(message_result(result, why, sizeof(why)));
    cJSON_free(message_schema(result));
    (void)message_wants_headers(result);
    cJSON_Delete(answer);
    return 0;
}
