#include "net/http_range.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/banned.h"

/* Digits at *text, saturating; false if there is none. */
static bool read_number(const char **text, size_t *value)
{
    const char *at = *text;
    size_t n = 0;

    for (; *at >= '0' && *at <= '9'; at++) {
        size_t digit = (size_t)(*at - '0');
        n = n > (SIZE_MAX - digit) / 10 ? SIZE_MAX : n * 10 + digit;
    }
    if (at == *text)
        return false;
    *text = at;
    *value = n;
    return true;
}

enum http_range_kind http_range_parse(const char *text, size_t size, size_t *first, size_t *last)
{
    size_t from = 0, to = SIZE_MAX;
    bool suffix;

    if (strncasecmp(text, "bytes=", 6))
        return HTTP_RANGE_NONE;
    text += 6;
    suffix = !read_number(&text, &from);
    if (*text++ != '-')
        return HTTP_RANGE_NONE;
    if (!read_number(&text, &to) && suffix)
        return HTTP_RANGE_NONE;
    if (*text)
        return HTTP_RANGE_NONE;
    if (suffix) {
        from = to < size ? size - to : 0;
        if (!to)
            return HTTP_RANGE_UNSATISFIABLE;
        to = SIZE_MAX;
    } else if (to < from) {
        return HTTP_RANGE_NONE;
    }
    if (from >= size)
        return HTTP_RANGE_UNSATISFIABLE;
    *first = from;
    *last = to < size ? to : size - 1;
    return HTTP_RANGE_PART;
}
