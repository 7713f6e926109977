/* text - a growing piece of text. A failed allocation is remembered in `failed`, so that a builder
 * checks once, at its end; everything appended after it is dropped. Pure. */
#ifndef GEMINI_TEXT_H
#define GEMINI_TEXT_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "antiphon/plugin.h"

struct text {
    char *data; /* owned; NUL-terminated as soon as anything was appended */
    size_t len, cap;
    bool failed;
};

#define TEXT_MAX_BYTES (32u * 1024 * 1024) /* beyond it an append fails */

void text_free(struct text *text);
void text_add(struct text *text, const char *data, size_t len);
void text_puts(struct text *text, const char *string);
void text_printf(struct text *text, const char *format, ...) ANTIPHON_PRINTF(2, 3);
/* `data` as a JSON string with its quotes. It must be UTF-8; bytes that are not become U+FFFD. */
void text_json(struct text *text, const char *data, size_t len);
/* Percent-encodes everything but the unreserved characters of RFC 3986. */
void text_url(struct text *text, const char *string);
/* Moves the content out (owned by the caller, free()); NULL if anything failed or nothing came. */
char *text_take(struct text *text);
/* Length of the UTF-8 sequence at p with left bytes behind it, 0 if it is not valid UTF-8. */
size_t text_utf8(const unsigned char *p, size_t left);
#endif
