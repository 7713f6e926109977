/* http_range - the Range header of RFC 9110 section 14, one range of bytes. Pure. */
#ifndef NET_HTTP_RANGE_H
#define NET_HTTP_RANGE_H
#include <stddef.h>

enum http_range_kind {
    HTTP_RANGE_NONE, /* absent, another unit, malformed, or several ranges: answer with the whole */
    HTTP_RANGE_PART, /* [first, last], both within size */
    HTTP_RANGE_UNSATISFIABLE
};
enum http_range_kind http_range_parse(const char *text, size_t size, size_t *first, size_t *last);
#endif
