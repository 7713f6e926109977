/* What json_parse() takes prints, and what was printed is taken again and prints the same. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct buf first, second;
    cJSON *tree = NULL, *again = NULL;
    enum antiphon_status status = json_parse((const char *)data, size, NULL, &tree, &err);

    if (status) {
        assert(!tree && err.status == status && err.text[0]);
        assert(status != ANTIPHON_ENOMEM); /* cJSON refused what our checker passed */
        return 0;
    }
    buf_init(&first, 8 << 20);
    buf_init(&second, 8 << 20);
    status = json_print(tree, &first);
    assert(!status && json_is_utf8(first.data, first.len));
    /* Longer than the input at times (1e9 is written out), so only the size limit is widened. */
    const struct json_limits limits = {.max_bytes = 8 << 20};
    status = json_parse(first.data, first.len, &limits, &again, &err);
    assert(!status);
    status = json_print(again, &second);
    assert(!status && first.len == second.len);
    assert(memcmp(first.data, second.data, first.len) == 0);
    cJSON_Delete(tree);
    cJSON_Delete(again);
    buf_deinit(&first);
    buf_deinit(&second);
    return 0;
}
