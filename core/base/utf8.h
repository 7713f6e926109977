/* utf8 - the shape of UTF-8 (Unicode 15, table 3-7): no overlong forms, no surrogates, at most
 * U+10FFFF. Pure. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H
#include <stdbool.h>
#include <stddef.h>

/* Bytes of the valid sequence that text starts with (1 to 4), or 0: none, or cut off by len. */
size_t utf8_next(const char *text, size_t len);
bool utf8_valid(const char *text, size_t len);
/* Offset of the first byte that is not part of a valid sequence; len if all are valid. */
size_t utf8_valid_len(const char *text, size_t len);
/* len, less the bytes of a sequence at the end that is not complete: where a text may be cut. */
size_t utf8_cut(const char *text, size_t len);
/* Code points; a byte that is not valid counts as one. */
size_t utf8_count(const char *text, size_t len);
#endif
