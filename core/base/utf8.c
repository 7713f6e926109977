#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

#include "base/banned.h"

static bool is_tail(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

size_t utf8_next(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;

    if (len == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    if (s[0] < 0xE0)
        return len >= 2 && is_tail(s[1]) ? 2 : 0;
    if (s[0] < 0xF0) {
        unsigned char low = s[0] == 0xE0 ? 0xA0 : 0x80;  /* overlong below */
        unsigned char high = s[0] == 0xED ? 0x9F : 0xBF; /* surrogates above */
        return len >= 3 && s[1] >= low && s[1] <= high && is_tail(s[2]) ? 3 : 0;
    }
    unsigned char low = s[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xF4 ? 0x8F : 0xBF;
    return len >= 4 && s[1] >= low && s[1] <= high && is_tail(s[2]) && is_tail(s[3]) ? 4 : 0;
}

size_t utf8_valid_len(const char *text, size_t len)
{
    size_t at = 0;

    while (at < len) {
        uint64_t word;
        /* Most of what we see is ASCII: eight bytes at a time. */
        while (len - at >= sizeof(word)) {
            memcpy(&word, text + at, sizeof(word));
            if (word & UINT64_C(0x8080808080808080))
                break;
            at += sizeof(word);
        }
        if (at == len)
            break;
        size_t n = utf8_next(text + at, len - at);
        if (n == 0)
            break;
        at += n;
    }
    return at;
}

bool utf8_valid(const char *text, size_t len)
{
    return utf8_valid_len(text, len) == len;
}

size_t utf8_cut(const char *text, size_t len)
{
    size_t back = 0;

    while (back < len && back < 3 && is_tail((unsigned char)text[len - 1 - back]))
        back++;
    if (back == len)
        return len;
    unsigned char lead = (unsigned char)text[len - 1 - back];
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return want > back + 1 ? len - 1 - back : len;
}

size_t utf8_count(const char *text, size_t len)
{
    size_t count = 0;

    for (size_t at = 0; at < len; count++) {
        size_t n = utf8_next(text + at, len - at);
        at += n ? n : 1;
    }
    return count;
}
