#include "session/sentence.h"

#include <string.h>

#include "base/utf8.h"
#include "base/banned.h"

static const char *const wide_ends[] = {"\u3002", "\uff01", "\uff1f", "\u2026", "\u0964", "\u06d4"};

static size_t is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Bytes of the mark that ends a sentence here, or 0. *wide: no white space need follow. */
static size_t end_mark(const char *at, size_t len, int *wide)
{
    *wide = 0;
    if (*at == '.' || *at == '!' || *at == '?')
        return 1;
    *wide = 1;
    if (*at == '\n')
        return 1;
    for (size_t i = 0; i < sizeof(wide_ends) / sizeof(wide_ends[0]); i++) {
        size_t size = strlen(wide_ends[i]);
        if (len >= size && memcmp(at, wide_ends[i], size) == 0)
            return size;
    }
    return 0;
}

size_t sentence_whole(const char *text, size_t len)
{
    size_t whole = 0, last_space = 0, at = 0;
    int wide;

    while (at < len) {
        size_t mark = end_mark(text + at, len - at, &wide);
        if (is_space(text[at]))
            last_space = at + 1;
        at += mark ? mark : 1;
        if (!mark || (!wide && (at == len || !is_space(text[at]))))
            continue;
        while (at < len && is_space(text[at]))
            at++;
        whole = at;
    }
    if (whole == 0 && len > SENTENCE_MAX_BYTES)
        whole = last_space ? last_space : utf8_cut(text, len);
    return whole;
}
