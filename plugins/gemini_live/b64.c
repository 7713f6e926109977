#include "b64.h"

#include <string.h>

#define BAD  0x80u
#define SAFE 0x40u /* a character of the URL-safe alphabet only */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Value of a character in the low six bits, BAD or SAFE above them. */
static unsigned value_of(unsigned char c)
{
#define X4  BAD, BAD, BAD, BAD
#define X16 X4, X4, X4, X4
    static const unsigned char table[256] = {
        X16, X16, X4,  X4,  BAD, BAD,       BAD, 62,  BAD, SAFE | 62, BAD, 63,  52, 53, 54, 55, 56,
        57,  58,  59,  60,  61,  BAD,       BAD, X4,  BAD, 0,         1,   2,   3,  4,  5,  6,  7,
        8,   9,   10,  11,  12,  13,        14,  15,  16,  17,        18,  19,  20, 21, 22, 23, 24,
        25,  BAD, BAD, BAD, BAD, SAFE | 63, BAD, 26,  27,  28,        29,  30,  31, 32, 33, 34, 35,
        36,  37,  38,  39,  40,  41,        42,  43,  44,  45,        46,  47,  48, 49, 50, 51, BAD,
        BAD, BAD, BAD, BAD, X16, X16,       X16, X16, X16, X16,       X16, X16,
    };
    return table[c];
#undef X16
#undef X4
}

static size_t pads(const char *text, size_t len)
{
    if (len < 2 || text[len - 1] != '=')
        return 0;
    return text[len - 2] == '=' ? 2 : 1;
}

/* Characters at a time, as vectors of the compiler: 16 bytes are what every machine with such has.
 * Every chunk of audio comes through here. */
#define BLOCK          16
#define IS_STANDARD(c) ((((c) | 0x20) - 'a' < 26) | ((c) - '0' < 10) | ((c) == '+') | ((c) == '/'))

static bool all_standard(const char *text, size_t len)
{
    uint8_t c __attribute__((vector_size(BLOCK)));
    int8_t all __attribute__((vector_size(BLOCK)));
    char rest[BLOCK];
    uint64_t half[2];
    memset(&all, 0xff, BLOCK);
    for (; len >= BLOCK; text += BLOCK, len -= BLOCK) {
        memcpy(&c, text, BLOCK);
        all &= IS_STANDARD(c);
    }
    memset(rest, 'A', BLOCK);
    memcpy(rest, text, len);
    memcpy(&c, rest, BLOCK);
    all &= IS_STANDARD(c);
    memcpy(half, &all, BLOCK);
    return (half[0] & half[1]) == UINT64_MAX;
}

enum b64_form b64_check(const char *text, size_t len, size_t *decoded)
{
    *decoded = 0;
    size_t padding = pads(text, len), body = len - padding;
    if (body % 4 == 1 || (padding && len % 4 != 0))
        return B64_BAD;
    unsigned seen = all_standard(text, body) ? 0 : SAFE;
    for (size_t i = 0; seen && i < body; i++)
        seen |= value_of((unsigned char)text[i]);
    if (seen & BAD)
        return B64_BAD;
    *decoded = body / 4 * 3 + (body % 4 ? body % 4 - 1 : 0);
    unsigned unused = body % 4 == 2 ? 15u : body % 4 == 3 ? 3u : 0u;
    bool clean = !unused || (value_of((unsigned char)text[body - 1]) & unused) == 0;
    return !(seen & SAFE) && len % 4 == 0 && clean ? B64_STANDARD : B64_OTHER;
}

size_t b64_decode(const char *text, size_t len, unsigned char *out)
{
    size_t body = len - pads(text, len), n = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < body; i++) {
        bits = bits << 6 | (value_of((unsigned char)text[i]) & 63u);
        if (i % 4 == 3) {
            out[n++] = (unsigned char)(bits >> 16);
            out[n++] = (unsigned char)(bits >> 8);
            out[n++] = (unsigned char)bits;
        }
    }
    if (body % 4 == 2)
        out[n++] = (unsigned char)(bits >> 4);
    if (body % 4 == 3) {
        out[n++] = (unsigned char)(bits >> 10);
        out[n++] = (unsigned char)(bits >> 2);
    }
    return n;
}

size_t b64_encoded_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

void b64_encode(const void *data, size_t len, char *out)
{
    const unsigned char *p = data;
    for (; len >= 3; len -= 3, p += 3) {
        uint32_t bits = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        *out++ = alphabet[bits >> 18];
        *out++ = alphabet[bits >> 12 & 63];
        *out++ = alphabet[bits >> 6 & 63];
        *out++ = alphabet[bits & 63];
    }
    if (len) {
        uint32_t bits = (uint32_t)p[0] << 16 | (len == 2 ? (uint32_t)p[1] << 8 : 0);
        *out++ = alphabet[bits >> 18];
        *out++ = alphabet[bits >> 12 & 63];
        *out++ = len == 2 ? alphabet[bits >> 6 & 63] : '=';
        *out++ = '=';
    }
    *out = '\0';
}

size_t b64_encode_url(const void *data, size_t len, char *out)
{
    b64_encode(data, len, out);
    size_t n = 0;
    for (; out[n] && out[n] != '='; n++)
        out[n] = out[n] == '+' ? '-' : out[n] == '/' ? '_' : out[n];
    out[n] = '\0';
    return n;
}
