/* Two texts with a line feed between: a state and a delta. What is accepted gives objects again;
 * the delta over its own result changes nothing; the parts of a delta, joined, have the members of
 * the delta but for temp:. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX (1u << 20)

static void merge(const char *state, size_t state_len, const char *delta, size_t delta_len)
{
    struct buf once, twice;
    bool valid = state_is_object(state, state_len) && state_is_object(delta, delta_len);
    buf_init(&once, MAX);
    buf_init(&twice, MAX);
    enum antiphon_status status = state_merge(state, state_len, delta, delta_len, &once);
    assert((status == ANTIPHON_OK) == valid);
    if (valid) {
        assert(state_is_object(once.data, once.len));
        status = state_merge(once.data, once.len, delta, delta_len, &twice);
        assert(status == ANTIPHON_OK && once.len == twice.len);
        assert(memcmp(once.data, twice.data, once.len) == 0);
    }
    buf_deinit(&once);
    buf_deinit(&twice);
}

static void split(const char *delta, size_t len)
{
    struct state_parts parts;
    struct buf joined, kept, both;
    state_parts_init(&parts, MAX);
    buf_init(&joined, MAX);
    buf_init(&kept, MAX);
    buf_init(&both, MAX);
    enum antiphon_status status = state_split(delta, len, &parts);
    if (status == ANTIPHON_OK) {
        status = state_join(parts.session.data, parts.app.data, parts.user.data, &joined);
        assert(status == ANTIPHON_OK);
        status = state_without_temp(delta, len, &kept);
        assert(status == ANTIPHON_OK);
        /* The same keys: neither adds one to the other. Prefixes may be escaped in the delta, so
         * the texts may differ. */
        status = state_merge(kept.data, kept.len, joined.data, joined.len, &both);
        assert(status == ANTIPHON_OK && both.len == joined.len);
        assert(memcmp(both.data, joined.data, both.len) == 0);
    }
    buf_deinit(&joined);
    buf_deinit(&kept);
    buf_deinit(&both);
    state_parts_deinit(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *line = size ? memchr(text, '\n', size) : NULL;
    size_t first = line ? (size_t)(line - text) : size;
    size_t skip = line ? first + 1 : size;
    if (size > MAX / 8)
        return 0;
    merge(text, first, text + skip, size - skip);
    split(text, first);
    return 0;
}
