/* What a server says: a message, and what is in it as result and as schema. */
#include <stdint.h>

#include "message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[64];

    if (size == 0)
        return 0;
    cJSON *answer = message_find((const char *)data, size, 1, NULL, NULL);
    const cJSON *result = cJSON_GetObjectItemCaseSensitive(answer, "result");
    (void)message_error(answer, why, sizeof(why));
    cJSON_Delete(message_result(result, why, sizeof(why)));
    cJSON_free(message_schema(result));
    (void)message_wants_headers(result);
    (void)message_progress(answer, 1);
    if (message_is_question(answer))
        cJSON_free(message_answer(answer));
    cJSON_Delete(answer);
    return 0;
}
