#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die_of_memory(void)
{
    fputs("live-sim: out of memory\n", stderr);
    abort();
}

void *mem_new(size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (!memory)
        die_of_memory();
    return memory;
}

char *mem_text(const char *text)
{
    size_t len = strlen(text);
    char *copy = mem_new(len + 1);
    memcpy(copy, text, len);
    return copy;
}

size_t mem_utf8_cut(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    while (max > 0 && ((unsigned char)text[max] & 0xC0) == 0x80)
        max--;
    return max;
}

/* Length of the valid sequence at text, 0 when there is none (RFC 3629). */
static size_t utf8_sequence(const unsigned char *text, size_t len)
{
    unsigned char first = text[0], low = 0x80, high = 0xBF;
    size_t need;
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF)
        need = 2;
    else if (first >= 0xE0 && first <= 0xEF)
        need = 3;
    else if (first >= 0xF0 && first <= 0xF4)
        need = 4;
    else
        return 0;
    if (first == 0xE0)
        low = 0xA0;
    if (first == 0xED)
        high = 0x9F;
    if (first == 0xF0)
        low = 0x90;
    if (first == 0xF4)
        high = 0x8F;
    if (len < need || text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    return need;
}

bool mem_utf8_valid(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        size_t step = utf8_sequence((const unsigned char *)text + at, len - at);
        if (!step)
            return false;
        at += step;
    }
    return true;
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}

void bytes_reset(struct bytes *bytes)
{
    bytes->len = 0;
    if (bytes->data)
        bytes->data[0] = 0;
}

static void bytes_reserve(struct bytes *bytes, size_t more)
{
    size_t need = bytes->len + more + 1, cap = bytes->cap ? bytes->cap : 256;
    if (need <= bytes->cap)
        return;
    while (cap < need)
        cap *= 2;
    char *data = realloc(bytes->data, cap);
    if (!data)
        die_of_memory();
    bytes->data = data;
    bytes->cap = cap;
}

void bytes_add(struct bytes *bytes, const void *data, size_t len)
{
    bytes_reserve(bytes, len);
    if (len)
        memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
    bytes->data[bytes->len] = 0;
}

void bytes_text(struct bytes *bytes, const char *text)
{
    bytes_add(bytes, text, strlen(text));
}

void bytes_printf(struct bytes *bytes, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        die_of_memory();
    bytes_reserve(bytes, (size_t)len);
    va_start(args, fmt);
    vsnprintf(bytes->data + bytes->len, (size_t)len + 1, fmt, args);
    va_end(args);
    bytes->len += (size_t)len;
}

void bytes_consume(struct bytes *bytes, size_t len)
{
    if (!len)
        return;
    memmove(bytes->data, bytes->data + len, bytes->len - len + 1);
    bytes->len -= len;
}

const char *bytes_str(const struct bytes *bytes)
{
    return bytes->data ? bytes->data : "";
}

char *bytes_take(struct bytes *bytes)
{
    char *data = bytes->data ? bytes->data : mem_new(1);
    *bytes = (struct bytes){0};
    return data;
}

void bytes_base64(struct bytes *out, const void *data, size_t len)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = data;
    bytes_reserve(out, (len + 2) / 3 * 4);
    for (size_t i = 0; i < len; i += 3) {
        uint32_t word = (uint32_t)in[i] << 16;
        char quad[4] = {0, 0, '=', '='};
        if (i + 1 < len)
            word |= (uint32_t)in[i + 1] << 8;
        if (i + 2 < len)
            word |= in[i + 2];
        quad[0] = alphabet[word >> 18 & 63];
        quad[1] = alphabet[word >> 12 & 63];
        if (i + 1 < len)
            quad[2] = alphabet[word >> 6 & 63];
        if (i + 2 < len)
            quad[3] = alphabet[word & 63];
        memcpy(out->data + out->len, quad, 4);
        out->len += 4;
    }
    out->data[out->len] = 0;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

bool bytes_unbase64(struct bytes *out, const char *text, size_t len)
{
    size_t before = out->len;
    uint32_t word = 0;
    unsigned have = 0;
    for (int pad = 0; pad < 2 && len > 0 && text[len - 1] == '='; pad++)
        len--;
    if (len % 4 == 1)
        return false;
    bytes_reserve(out, len / 4 * 3 + 3);
    for (size_t i = 0; i < len; i++) {
        int value = base64_value(text[i]);
        if (value < 0) {
            out->len = before;
            out->data[before] = 0;
            return false;
        }
        word = word << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out->data[out->len++] = (char)(word >> have & 0xFF);
        }
    }
    out->data[out->len] = 0;
    return true;
}
