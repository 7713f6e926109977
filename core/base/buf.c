#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "base/banned.h"

#define MIN_CAP 64

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_deinit(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->max);
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->failed = ANTIPHON_OK;
    if (buf->data)
        buf->data[0] = '\0';
}

enum antiphon_status buf_reserve(struct buf *buf, size_t more)
{
    if (buf->failed)
        return buf->failed;
    if (more > buf->max - buf->len)
        return buf->failed = ANTIPHON_ETOOBIG;
    size_t need = buf->len + more + 1;
    if (need <= buf->cap)
        return ANTIPHON_OK;
    size_t cap = buf->cap > SIZE_MAX / 2 ? need : buf->cap * 2;
    if (cap < MIN_CAP)
        cap = MIN_CAP;
    if (cap > buf->max)
        cap = buf->max + 1;
    if (cap < need)
        cap = need;
    char *data = realloc(buf->data, cap);
    if (!data)
        return buf->failed = ANTIPHON_ENOMEM;
    data[buf->len] = '\0';
    buf->data = data;
    buf->cap = cap;
    return ANTIPHON_OK;
}

enum antiphon_status buf_append(struct buf *buf, const void *data, size_t len)
{
    enum antiphon_status status = buf_reserve(buf, len);

    if (status || len == 0)
        return status;
    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return ANTIPHON_OK;
}

enum antiphon_status buf_puts(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

enum antiphon_status buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args, again;
    enum antiphon_status status = buf_reserve(buf, 0);

    if (status)
        return status;
    va_start(args, fmt);
    va_copy(again, args);
    size_t room = buf->cap - buf->len;
    int n = vsnprintf(buf->data + buf->len, room, fmt, args);
    if (n < 0) {
        status = buf->failed = ANTIPHON_EINVAL;
    } else if ((size_t)n >= room) {
        status = buf_reserve(buf, (size_t)n);
        if (!status)
            vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    va_end(args);
    if (!status)
        buf->len += (size_t)n;
    buf->data[buf->len] = '\0';
    return status;
}

size_t buf_json_plain(const char *text, size_t len)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    size_t at = 0;
    uint64_t word;

    /* Eight bytes at a time: a byte's top bit is set in `stop` if it is a control character, a
     * quote, a backslash or not ASCII. A borrow may set it too often, and the loop below looks. */
    for (; len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, text + at, sizeof(word));
        uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
        uint64_t stop = (word - ones * 0x20) | (quote - ones) | (slash - ones) | word;
        if (stop & tops)
            break;
    }
    while (at < len) {
        unsigned char byte = (unsigned char)text[at];
        if (byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\')
            break;
        at++;
    }
    return at;
}

/* Appends the one character at text, which buf_json_plain() would not pass; answers the bytes read.
 */
static size_t put_special(struct buf *buf, const char *text, size_t len)
{
    static const char escapes[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    size_t n = utf8_next(text, len);
    unsigned char byte = (unsigned char)text[0];

    if (n > 1) {
        buf_append(buf, text, n);
        return n;
    }
    if (n == 0)
        buf_append(buf, "\xEF\xBF\xBD", 3);
    else if (byte >= 0x20) /* a quote or a backslash */
        buf_append(buf, (char[]){'\\', text[0]}, 2);
    else if (escapes[byte])
        buf_append(buf, (char[]){'\\', escapes[byte]}, 2);
    else
        buf_printf(buf, "\\u%04x", byte);
    return 1;
}

enum antiphon_status buf_json_string(struct buf *buf, const char *text, size_t len)
{
    size_t start = buf->len, at = 0;

    buf_append(buf, "\"", 1);
    while (at < len && !buf->failed) {
        size_t n = buf_json_plain(text + at, len - at);
        if (n)
            buf_append(buf, text + at, n);
        at += n;
        if (at < len)
            at += put_special(buf, text + at, len - at);
    }
    if (buf_append(buf, "\"", 1))
        buf_truncate(buf, start);
    return buf->failed;
}

void buf_truncate(struct buf *buf, size_t len)
{
    if (len >= buf->len)
        return;
    buf->len = len;
    buf->data[len] = '\0';
}

enum antiphon_status buf_json_member(struct buf *buf, const char *name, const char *text)
{
    buf_printf(buf, "\"%s\":", name);
    return buf_json_string(buf, text, strlen(text));
}

void buf_consume(struct buf *buf, size_t n)
{
    if (n > buf->len)
        n = buf->len;
    if (n == 0)
        return;
    buf->len -= n;
    memmove(buf->data, buf->data + n, buf->len + 1);
}

enum antiphon_status buf_status(const struct buf *buf)
{
    return buf->failed;
}

char *buf_take(struct buf *buf)
{
    if (buf->failed)
        return NULL;
    char *data = buf->data;
    buf_init(buf, buf->max);
    return data;
}

const char *buf_text(const struct buf *buf)
{
    return buf->data ? buf->data : "";
}
