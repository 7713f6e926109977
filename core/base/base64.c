#include "base/base64.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/banned.h"

static const char alphabet[64] = {'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M',
                                  'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z',
                                  'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm',
                                  'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z',
                                  '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/'};

/* Both alphabets: the value of a character; 0 for every other (checked before). */
static const uint8_t values[256] = {
    ['B'] = 1,  ['C'] = 2,  ['D'] = 3,  ['E'] = 4,  ['F'] = 5,  ['G'] = 6,  ['H'] = 7,  ['I'] = 8,
    ['J'] = 9,  ['K'] = 10, ['L'] = 11, ['M'] = 12, ['N'] = 13, ['O'] = 14, ['P'] = 15, ['Q'] = 16,
    ['R'] = 17, ['S'] = 18, ['T'] = 19, ['U'] = 20, ['V'] = 21, ['W'] = 22, ['X'] = 23, ['Y'] = 24,
    ['Z'] = 25, ['a'] = 26, ['b'] = 27, ['c'] = 28, ['d'] = 29, ['e'] = 30, ['f'] = 31, ['g'] = 32,
    ['h'] = 33, ['i'] = 34, ['j'] = 35, ['k'] = 36, ['l'] = 37, ['m'] = 38, ['n'] = 39, ['o'] = 40,
    ['p'] = 41, ['q'] = 42, ['r'] = 43, ['s'] = 44, ['t'] = 45, ['u'] = 46, ['v'] = 47, ['w'] = 48,
    ['x'] = 49, ['y'] = 50, ['z'] = 51, ['0'] = 52, ['1'] = 53, ['2'] = 54, ['3'] = 55, ['4'] = 56,
    ['5'] = 57, ['6'] = 58, ['7'] = 59, ['8'] = 60, ['9'] = 61, ['+'] = 62, ['/'] = 63, ['-'] = 62,
    ['_'] = 63};

static unsigned value_of(char c)
{
    return values[(unsigned char)c];
}

/* Characters at a time, as vectors of the compiler: 16 bytes are what every machine with such has.
 */
#define BLOCK 16

/* In every place -1 for a letter, a digit or one of the two, else 0. */
#define IS_OF(c, x, y) ((((c) | 0x20) - 'a' < 26) | ((c) - '0' < 10) | ((c) == (x)) | ((c) == (y)))

/* Whether all characters are letters, digits or one of the two. */
static bool all_of(const char *text, size_t len, uint8_t x, uint8_t y)
{
    uint8_t c __attribute__((vector_size(BLOCK)));
    int8_t all __attribute__((vector_size(BLOCK)));
    char rest[BLOCK];
    uint64_t half[2];

    memset(&all, 0xff, BLOCK);
    for (; len >= BLOCK; text += BLOCK, len -= BLOCK) {
        memcpy(&c, text, BLOCK);
        all &= IS_OF(c, x, y);
    }
    memset(rest, 'A', BLOCK);
    memcpy(rest, text, len);
    memcpy(&c, rest, BLOCK);
    all &= IS_OF(c, x, y);
    memcpy(half, &all, BLOCK);
    return (half[0] & half[1]) == UINT64_MAX;
}

enum base64_form base64_check(const char *text, size_t len, size_t *decoded)
{
    size_t n = len, rest;

    while (n > 0 && len - n < 2 && text[n - 1] == '=')
        n--;
    rest = n % 4;
    if (rest == 1 || (n < len && (rest == 0 || len % 4 != 0)))
        return BASE64_BAD;
    bool standard = all_of(text, n, '+', '/');
    if (!standard && !all_of(text, n, '-', '_'))
        return BASE64_BAD;
    *decoded = n / 4 * 3 + (rest ? rest - 1 : 0);
    if (!standard || len % 4 != 0)
        return BASE64_OTHER;
    /* The bits of the last character that stand for nothing. */
    unsigned left_over = rest ? value_of(text[n - 1]) & (rest == 2 ? 15 : 3) : 0;
    return left_over ? BASE64_OTHER : BASE64_STANDARD;
}

size_t base64_encoded_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

static inline uint32_t get_three(const uint8_t *in)
{
    uint32_t bits;

    memcpy(&bits, in, sizeof(bits));
    return __builtin_bswap32(bits) >> 8;
}

/* The lower three bytes of bits, and one more. */
static inline void put_three(uint8_t *out, uint32_t bits)
{
    uint32_t swapped = __builtin_bswap32(bits << 8);

    memcpy(out, &swapped, sizeof(swapped));
}

/* Twelve bytes (a thirteenth is read, too) as 16 characters. Arithmetic instead of tables, which
 * would push a busy server's data out of the nearest cache. */
static inline void encode_block(const uint8_t *in, char *out)
{
    uint32_t bits __attribute__((vector_size(BLOCK))) = {get_three(in), get_three(in + 3),
                                                         get_three(in + 6), get_three(in + 9)};
    int8_t c __attribute__((vector_size(BLOCK)));

    bits =
        (bits >> 18) | (bits >> 4 & 0x3f00) | (bits << 10 & 0x3f0000) | (bits << 24 & 0x3f000000);
    memcpy(&c, &bits, BLOCK);
    /* A-Z, a-z, 0-9, + and / begin at 0, 26, 52, 62 and 63: how far each is from where the last one
     * led. */
    c = c + 'A' + ((c > 25) & 6) - ((c > 51) & 75) - ((c > 61) & 15) + ((c > 62) & 3);
    memcpy(out, &c, BLOCK);
}

/* And back, for characters of either alphabet; a thirteenth byte is written, too. */
static inline void decode_block(const char *text, uint8_t *out)
{
    uint32_t bits __attribute__((vector_size(BLOCK)));
    int8_t c __attribute__((vector_size(BLOCK)));

    memcpy(&c, text, BLOCK);
    c = c + 4 - ((c > '@') & 69) - ((c > '`') & 6) + ((c == '_') & 33) + ((c == '+') & 15) +
        ((c == '/') & 12) + ((c == '-') & 13);
    memcpy(&bits, &c, BLOCK);
    bits = (bits & 0x3f) << 18 | (bits & 0x3f00) << 4 | (bits >> 10 & 0xfc0) | bits >> 24;
    put_three(out, bits[0]);
    put_three(out + 3, bits[1]);
    put_three(out + 6, bits[2]);
    put_three(out + 9, bits[3]);
}

#define LITTLE_ENDIAN_HERE (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

void base64_encode(const void *data, size_t len, char *out)
{
    const uint8_t *in = data;

    for (; LITTLE_ENDIAN_HERE && len > 12; in += 12, len -= 12, out += 16)
        encode_block(in, out);
    for (; len >= 3; in += 3, len -= 3, out += 4) {
        uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        out[0] = alphabet[bits >> 18];
        out[1] = alphabet[bits >> 12 & 63];
        out[2] = alphabet[bits >> 6 & 63];
        out[3] = alphabet[bits & 63];
    }
    if (len) {
        uint32_t bits = (uint32_t)in[0] << 16 | (len == 2 ? (uint32_t)in[1] << 8 : 0);
        out[0] = alphabet[bits >> 18];
        out[1] = alphabet[bits >> 12 & 63];
        out[2] = len == 2 ? alphabet[bits >> 6 & 63] : '=';
        out[3] = '=';
        out += 4;
    }
    *out = '\0';
}

static uint32_t four(const char *text)
{
    return value_of(text[0]) << 18 | value_of(text[1]) << 12 | value_of(text[2]) << 6 |
           value_of(text[3]);
}

void base64_decode_checked(const char *text, size_t decoded, void *out)
{
    size_t left = decoded;
    uint8_t *to = out;

    for (; LITTLE_ENDIAN_HERE && left > 12; text += 16, to += 12, left -= 12)
        decode_block(text, to);
    for (; left >= 3; text += 4, to += 3, left -= 3) {
        uint32_t bits = four(text);
        to[0] = (uint8_t)(bits >> 16);
        to[1] = (uint8_t)(bits >> 8);
        to[2] = (uint8_t)bits;
    }
    if (left) {
        uint32_t bits = value_of(text[0]) << 18 | value_of(text[1]) << 12;
        to[0] = (uint8_t)(bits >> 16);
        if (left == 2)
            to[1] = (uint8_t)((bits | value_of(text[2]) << 6) >> 8);
    }
}

enum antiphon_status base64_decode(const char *text, size_t len, void *out, size_t *out_len)
{
    size_t decoded;

    if (base64_check(text, len, &decoded) == BASE64_BAD)
        return ANTIPHON_EINVAL;
    base64_decode_checked(text, decoded, out);
    *out_len = decoded;
    return ANTIPHON_OK;
}

void base64_to_standard(const char *text, size_t len, char *out, size_t *out_len)
{
    size_t n = len, rest;

    while (n > 0 && text[n - 1] == '=')
        n--;
    rest = n % 4;
    assert(rest != 1);
    for (size_t i = 0; i < n; i++)
        out[i] = alphabet[value_of(text[i])];
    if (rest) {
        unsigned kept = rest == 2 ? 0x30 : 0x3C;
        out[n - 1] = alphabet[value_of(text[n - 1]) & kept];
        memcpy(out + n, "==", 4 - rest);
        n += 4 - rest;
    }
    out[n] = '\0';
    *out_len = n;
}
