#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

static bool text_reserve(struct text *text, size_t more)
{
    if (text->failed)
        return false;
    if (more > TEXT_MAX_BYTES || text->len + more + 1 > TEXT_MAX_BYTES) {
        text->failed = true;
        return false;
    }
    if (text->len + more + 1 <= text->cap)
        return true;
    size_t cap = text->cap ? text->cap : 256;
    while (cap < text->len + more + 1)
        cap *= 2;
    char *data = realloc(text->data, cap);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->cap = cap;
    return true;
}

void text_add(struct text *text, const char *data, size_t len)
{
    if (!text_reserve(text, len))
        return;
    if (len)
        memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void text_puts(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        text->failed = true;
    else if (text_reserve(text, (size_t)n)) {
        vsnprintf(text->data + text->len, (size_t)n + 1, format, again);
        text->len += (size_t)n;
    }
    va_end(again);
}

size_t text_utf8(const unsigned char *p, size_t left)
{
    if (left == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* Overlong forms, surrogates and code points above U+10FFFF show in the second byte. */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

static void text_json_char(struct text *text, unsigned char c)
{
    switch (c) {
    case '"':
        text_add(text, "\\\"", 2);
        break;
    case '\\':
        text_add(text, "\\\\", 2);
        break;
    case '\n':
        text_add(text, "\\n", 2);
        break;
    default:
        text_printf(text, "\\u%04x", c);
    }
}

void text_json(struct text *text, const char *data, size_t len)
{
    const unsigned char *p = (const unsigned char *)data;
    text_add(text, "\"", 1);
    size_t from = 0, i = 0;
    while (i < len) {
        size_t n = text_utf8(p + i, len - i);
        bool plain = n > 1 || (n == 1 && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\');
        if (plain) {
            i += n;
            continue;
        }
        text_add(text, data + from, i - from);
        if (n == 0)
            text_add(text, "\xef\xbf\xbd", 3);
        else
            text_json_char(text, p[i]);
        from = ++i;
    }
    text_add(text, data ? data + from : "", len - from);
    text_add(text, "\"", 1);
}

void text_url(struct text *text, const char *string)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    for (const char *p = string; *p; p++) {
        if (strchr(plain, *p))
            text_add(text, p, 1);
        else
            text_printf(text, "%%%02X", (unsigned char)*p);
    }
}

char *text_take(struct text *text)
{
    char *data = text->failed ? NULL : text->data;
    if (!data)
        free(text->data);
    *text = (struct text){0};
    return data;
}
