#include "auth/user_id.h"

#include <string.h>

#include "base/banned.h"

enum antiphon_status user_id_parse(const char *text, size_t len, char out[USER_ID_MAX_DIGITS + 2])
{
    bool negative = len > 0 && text[0] == '-';
    size_t at = 0;

    if (len > 0 && (text[0] == '-' || text[0] == '+')) {
        text++;
        len--;
    }
    if (len == 0)
        return ANTIPHON_EINVAL;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return ANTIPHON_EINVAL;
    }
    while (len > 1 && text[0] == '0') {
        text++;
        len--;
    }
    if (len > USER_ID_MAX_DIGITS)
        return ANTIPHON_EINVAL;
    if (negative && !(len == 1 && text[0] == '0'))
        out[at++] = '-';
    memcpy(out + at, text, len);
    out[at + len] = '\0';
    return ANTIPHON_OK;
}
