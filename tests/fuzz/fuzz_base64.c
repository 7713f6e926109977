/* As text: decoding and coding again is what base64_to_standard() makes of it, and STANDARD text
 * comes back unchanged. As data: comes back unchanged. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *room(size_t size)
{
    void *memory = malloc(size ? size : 1);

    assert(memory);
    return memory;
}

static void as_text(const char *text, size_t len)
{
    size_t told = 0, decoded = 0, standard_len = 0;
    enum base64_form form = base64_check(text, len, &told);
    char *bytes = room(form == BASE64_BAD ? 0 : told);
    enum antiphon_status status = base64_decode(text, len, bytes, &decoded);

    assert((status == ANTIPHON_OK) == (form != BASE64_BAD));
    if (!status) {
        char *standard = room(len + 3), *coded = room(base64_encoded_len(decoded) + 1);
        assert(decoded == told);
        base64_to_standard(text, len, standard, &standard_len);
        base64_encode(bytes, decoded, coded);
        assert(standard_len == base64_encoded_len(decoded));
        assert(memcmp(standard, coded, standard_len + 1) == 0);
        bool same = len == standard_len && memcmp(text, coded, len) == 0;
        assert(same == (form == BASE64_STANDARD));
        free(standard);
        free(coded);
    }
    free(bytes);
}

static void as_data(const uint8_t *data, size_t size)
{
    size_t len = base64_encoded_len(size), told = 0, decoded = 0;
    char *coded = room(len + 1);
    uint8_t *back = room(size);

    base64_encode(data, size, coded);
    enum base64_form form = base64_check(coded, len, &told);
    assert(form == BASE64_STANDARD && told == size && coded[len] == '\0');
    enum antiphon_status status = base64_decode(coded, len, back, &decoded);
    assert(!status && decoded == size && (size == 0 || memcmp(back, data, size) == 0));
    free(coded);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_text((const char *)data, size);
    as_data(data, size);
    return 0;
}
